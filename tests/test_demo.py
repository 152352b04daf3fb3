"""The demo, as `make demo` runs it, in a temporary folder."""

import os
import re
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

from tests.checkout import CHECKOUT
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
    """A folder with the remains of an earlier demo."""
    folder = tmp_path_factory.mktemp("a checkout")
    (folder / DATABASE.parent).mkdir(parents=True)
    (folder / DATABASE).write_text("left over")
    return folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> Done:
    """Output and exit code of the demo."""
    return run_demo(folder)


def test_it_goes_well_and_complains_of_nothing(demo: Done) -> None:
    assert (demo.returncode, demo.stderr) == (0, "")


def test_every_command_is_shown_as_one_would_type_it(demo: Done, folder: Path) -> None:
    collectors = [f"$ python -m collectors.{name} --config data/demo/config/config.yaml"
                  for name in ("hue", "amazon_aqm")]
    assert [line for line in demo.stdout.splitlines() if line.startswith("$")] == [
        "$ python -m tests.simulator --with-alexa --write-config data/demo", *collectors, *collectors,
        *(f"$ python {os.path.relpath(CHECKOUT / script, folder)} --config data/demo/config/config.yaml{rest}"
          for script, rest in (
              ("healthcheck.py", ""), ("devices.py", " list"), ("readings.py", " latest"),
              ("readings.py", " history 'Büro' --every 1h --quantity temperature_celsius"),
              ("devices.py", " gaps --since 1d"))),
        "$ python -m publishers.page --config data/demo/config/config.yaml"]


def test_what_is_stored_is_what_the_simulated_bridge_sent(demo: Done, folder: Path) -> None:
    house = House()
    stored = rows(folder, "SELECT device_id, temperature_raw, measured_at FROM readings WHERE device_id LIKE 'hue:%'")
    assert len(stored) > 5 * 7 * 24 * 10, "a week, every five minutes, with gaps"
    assert {device.removeprefix("hue:") for device, _, _ in stored} == {sensor.uniqueid() for sensor in house.sensors}
    for device, celsius, measured_at in stored[-2 * len(house.sensors):]:
        assert house.truth(device.removeprefix("hue:"), datetime.fromisoformat(measured_at)) == celsius


def test_what_is_stored_is_what_the_simulated_cloud_sent(demo: Done, folder: Path) -> None:
    house = House()
    columns = {"temperature_celsius": "temperature", "humidity_percent": "humidity", "pm25_ugm3": "pm25",
               "voc_index": "voc"}
    stored = rows(folder, f"SELECT device_id, timestamp, {', '.join(columns)} FROM readings WHERE humidity_percent")
    serial = house.monitors[0].serial
    assert {device for device, *_ in stored} == {f"alexa:{serial}"}
    for _, timestamp, *values in (stored[0], stored[-1]):
        moments = [house.last_sample(serial, quantity, datetime.fromisoformat(timestamp))
                   for quantity in columns.values()]
        assert values == [house.air_truth(serial, *asked) for asked in zip(columns.values(), moments)]


def test_all_cycles_asked_their_source(demo: Done, folder: Path) -> None:
    cycles = "SELECT collector, outcome, requests, payload_bytes > 1000 FROM collection_cycles ORDER BY id"
    stored = rows(folder, cycles)
    assert stored[:2] + stored[-2:] == [("hue", "ok", 1, 1), ("amazon_aqm", "ok", 4, 1),
                                        ("hue", "ok", 1, 1), ("amazon_aqm", "ok", 1, 1)]


def test_the_newest_temperature_of_each_device_is_shown(demo: Done, folder: Path) -> None:
    stored = rows(folder, "SELECT location, name, temperature_celsius FROM latest_readings")
    assert len(stored) == 6
    for place, name, celsius in stored:
        assert re.search(rf"^{place} +{name} +{celsius:.2f}°C", demo.stdout, re.MULTILINE)


def test_a_day_is_shown_with_a_gap_and_its_reason(demo: Done) -> None:
    lines = demo.stdout.splitlines()
    means = [line for line in lines if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d  [-\d.]+( °C)?", line)]
    assert len(means) in (24, 25) and sum(line.endswith("  -") for line in means) >= 3
    assert any(line.endswith("48 cycles  device stale or unreachable") for line in lines)


def test_it_says_where_the_database_is_and_what_to_do_next(demo: Done, folder: Path) -> None:
    steps = (str(DATABASE), (folder / "data" / "demo" / "page.html").as_uri(), "make install",
             "python devices.py pair hue", "python devices.py pair amazon_aqm", "python -m collectors.hue --dry-run",
             "python -m collectors.amazon_aqm --dry-run", "devices.py crontab --install")
    assert -1 not in (places := [demo.stdout.find(step) for step in steps])
    assert places == sorted(places)


def test_the_simulated_house_is_closed_afterwards(demo: Done) -> None:
    addresses = [word for word in demo.stdout.split() if word.startswith(("https://127", "http://127"))]
    assert len(set(addresses)) == 2
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", urlsplit(address).port or 0), timeout=5).close()


@pytest.mark.parametrize(("faults", "complaint"), [
    (["key-refused"], "python -m collectors.hue ended with exit code 2"),
    (["token-refused"], "python -m collectors.amazon_aqm ended with exit code 2"),
    (["no-such-fault"], "the simulated house could not be opened"),
    (["off", "properties-null"], "healthcheck.py --config ended with exit code 1"),
])
def test_a_step_that_fails_ends_the_demo_with_a_sentence(tmp_path: Path, faults: list[str], complaint: str) -> None:
    demo = run_demo(tmp_path, *(f"--fault={fault}" for fault in faults))
    assert demo.returncode == 1
    last = demo.stderr.splitlines()[-1]
    assert last.startswith("The demo ends here: ") and last.endswith(f"{complaint}.")
    assert "now with your own" not in demo.stdout


def test_remains_that_cannot_be_removed_end_the_demo_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(tmp_path / "data")
    demo = run_demo(tmp_path)
    assert demo.returncode == 1
    assert demo.stderr.splitlines()[-1].startswith("The demo ends here: ")
