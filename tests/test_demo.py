"""The demo, run as `make demo` runs it, but from a folder of the test's own."""

import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.home import CHECKOUT
from tests.simulator.house import House

Done = subprocess.CompletedProcess[str]
DATABASE = Path("data/demo/data/readings.db")


def run_demo(folder: Path, *arguments: str) -> Done:
    return subprocess.run([sys.executable, "-m", "tests.demo", *arguments], capture_output=True, text=True, check=False,
                          timeout=120, cwd=folder, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the remains of an earlier demo lie."""
    folder = tmp_path_factory.mktemp("a checkout")
    (folder / DATABASE.parent).mkdir(parents=True)
    (folder / DATABASE).write_text("left over")
    return folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> Done:
    """What the demo printed and how it ended."""
    return run_demo(folder)


def test_it_goes_well_and_complains_of_nothing(demo: Done) -> None:
    assert (demo.returncode, demo.stderr) == (0, "")


def test_every_command_is_shown_as_one_would_type_it(demo: Done) -> None:
    collector = "$ python -m collectors.hue --config data/demo/config/config.yaml"
    assert [line for line in demo.stdout.splitlines() if line.startswith("$")] == [
        "$ python -m tests.simulator --write-config data/demo", collector, collector]


def test_what_is_stored_is_what_the_simulated_bridge_sent(demo: Done, folder: Path) -> None:
    house = House()
    stored = rows(folder, "SELECT device_id, temperature_raw, measured_at FROM readings")
    assert len(stored) == 2 * len(house.sensors)
    assert {device.removeprefix("hue:") for device, _, _ in stored} == {sensor.uniqueid() for sensor in house.sensors}
    for device, celsius, measured_at in stored:
        assert house.truth(device.removeprefix("hue:"), datetime.fromisoformat(measured_at)) == celsius


def test_both_cycles_asked_the_bridge(demo: Done, folder: Path) -> None:
    assert rows(folder, "SELECT outcome, requests, payload_bytes > 1000 FROM collection_cycles") == [("ok", 1, 1)] * 2


def test_each_stored_row_is_shown(demo: Done, folder: Path) -> None:
    for time, device, place in rows(folder, "SELECT timestamp, device_id, location FROM readings"):
        line, = (line for line in demo.stdout.splitlines() if line.startswith(time[:19]) and line.endswith(device))
        assert place in line


def test_it_says_where_the_database_is_and_what_to_do_next(demo: Done) -> None:
    for words in (str(DATABASE), "cp config/secrets.yaml.example config/secrets.yaml", "python devices.py pair hue",
                  "python -m collectors.hue --dry-run", "crontab crontab.example"):
        assert words in demo.stdout


def test_the_simulated_house_is_closed_afterwards(demo: Done) -> None:
    address = next(word for word in demo.stdout.split() if word.startswith("https://"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", urlsplit(address).port or 0), timeout=5).close()


@pytest.mark.parametrize(("fault", "complaint"), [
    ("key-refused", "python -m collectors.hue ended with exit code 2"),
    ("no-such-fault", "the simulated house could not be opened"),
    ("off", "there are no readings in data/demo/data/readings.db"),
])
def test_a_step_that_fails_ends_the_demo_with_a_sentence(tmp_path: Path, fault: str, complaint: str) -> None:
    demo = run_demo(tmp_path, "--fault", fault)
    assert demo.returncode == 1
    assert demo.stderr.splitlines()[-1] == f"The demo ends here: {complaint}."
    assert "now with your own" not in demo.stdout


def test_remains_that_cannot_be_removed_end_the_demo_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(tmp_path / "data")
    demo = run_demo(tmp_path)
    assert demo.returncode == 1
    assert demo.stderr.splitlines()[-1].startswith("The demo ends here: ")
