"""The textfile is what Prometheus' own tools accept, and has values only while they are fresh."""

import io
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from freezegun import freeze_time

import jobs.publish
from publishers import prometheus
from storage.quantities import QUANTITIES
from storage.reading import Reading
from tests.home import Home, Outcome
from tests.jobs.fake_source import degrees, source
from tests.storage.samples import in_a_process

MODULE, ALERT = "publishers.prometheus", "ALERT_PROMETHEUS_NEEDS_YOU.txt"
HOSTILE = 'a "quote", a \\ and \U0001f321 {label="x"} 1'
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Debian's package prometheus")
needs_exporter = pytest.mark.skipif(shutil.which("prometheus-node-exporter") is None,
                                    reason="needs Debian's package prometheus-node-exporter")


@pytest.fixture
def folder(home: Home) -> Path:
    """Where node_exporter looks; the home has one device with every quantity and a hostile name."""
    configure(home, home.folder)
    home.run(collector=source(every_quantity))
    return home.folder


def configure(home: Home, folder: Path) -> None:
    home.write_config(publishers={"prometheus": {"enabled": True, "folder": str(folder)}})


def every_quantity(now: datetime) -> Reading:
    values: dict[str, Any] = {quantity.column: 20.5 for quantity in QUANTITIES}
    return Reading(timestamp=now, device_id="made_up:1", device_type="thing", name=HOSTILE, location="B\u00fcro",
                   is_anomalous=True, **{**values, "battery_level": 87})


def samples(folder: Path) -> dict[str, float]:
    """Return the file's samples by metric and labels."""
    lines = (folder / "home_monitor.prom").read_text(encoding="utf-8").splitlines()
    pairs = (line.removeprefix("home_monitor_").rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def dry_run(home: Home) -> Outcome:
    """Run it in this process, on a home that may belong to another account."""
    with redirect_stderr(io.StringIO()) as err:
        return Outcome(jobs.publish.run(prometheus, ["--config", str(home.config), "--dry-run"]), "", err.getvalue())


def publish(home: Home, *arguments: str) -> Outcome:
    return home.process(*arguments, module=MODULE)


@contextmanager
def exporter(folder: Path) -> Iterator[str]:
    """Run node_exporter on a free port; yield what it serves."""
    with subprocess.Popen(
            ["prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
             f"--collector.textfile.directory={folder}", "--web.listen-address=127.0.0.1:0"],
            stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = next(found[1] for line in process.stderr if (found := re.search(r"address=(127\S+:\d+)", line)))
            with urlopen(f"http://{address}/metrics", timeout=10) as answer:
                yield answer.read().decode()
        finally:
            process.terminate()


def test_every_quantity_is_a_sample_in_base_units(home: Home, folder: Path) -> None:
    run = publish(home, "--verbose")
    assert (run.code, run.out) == (0, f"prometheus: wrote 15 samples to {folder / 'home_monitor.prom'}\n")
    device, found = 'device="made_up:1"', samples(folder)
    assert found[f"temperature_celsius{{{device}}}"] == 20.5
    assert found[f"humidity_ratio{{{device}}}"] == 0.205 and found[f"battery_ratio{{{device}}}"] == 0.87
    assert found[f"reading_is_anomalous{{{device}}}"] == 1
    at = found[f"reading_timestamp_seconds{{{device}}}"]
    assert found['last_success_timestamp_seconds{collector="made_up"}'] == at
    assert abs(datetime.now(timezone.utc).timestamp() - at) < 3600


@needs_promtool
def test_promtool_has_nothing_to_say(home: Home, folder: Path) -> None:
    (home.data / "ALERT_MADE_UP.txt").write_text("Do something.\n")
    publish(home)
    assert samples(folder)['alert{name="ALERT_MADE_UP.txt"}'] == 1
    done = subprocess.run(["promtool", "check", "metrics"], input=(folder / "home_monitor.prom").read_bytes(),
                          capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@needs_exporter
def test_node_exporter_serves_it_under_any_name(home: Home, folder: Path) -> None:
    publish(home)
    with exporter(folder) as page:
        assert "node_textfile_scrape_error 0\n" in page
        assert 'home_monitor_temperature_celsius{device="made_up:1"} 20.5\n' in page
        name = HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
        assert f'home_monitor_device_info{{device="made_up:1",location="B\u00fcro",name="{name}"}} 1\n' in page


def test_a_stale_device_has_its_time_only(home: Home, folder: Path) -> None:
    with freeze_time(datetime.now(timezone.utc) - timedelta(minutes=20)):
        home.run(collector=source(degrees(21, "made_up:2")))
    publish(home)
    assert [name.partition("{")[0] for name in samples(folder) if "made_up:2" in name] == [
        "device_info", "reading_timestamp_seconds"]


def test_a_forgotten_device_is_gone(home: Home, folder: Path) -> None:
    publish(home)
    assert home.devices("forget", "made_up:1").code == 0
    assert publish(home).code == 0 and "made_up:1" not in (folder / "home_monitor.prom").read_text()


def test_what_is_no_number_is_left_out(home: Home, folder: Path) -> None:
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("UPDATE readings SET co_ppm = 'soon', pm25_ugm3 = 9e999")
    assert publish(home).code == 0 and not any(name.startswith(("co_ppm", "pm25")) for name in samples(folder))


def test_all_accounts_can_read_it_whatever_the_umask(home: Home, folder: Path) -> None:
    (folder / ".home_monitor.prom.999999999-ab.tmp").touch()  # a killed run's
    subprocess.run(home.command(module=MODULE), umask=0o077, check=True)
    assert (folder / "home_monitor.prom").stat().st_mode & 0o777 == 0o644
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_a_missing_folder_needs_a_human(home: Home, folder: Path, arguments: tuple[str, ...]) -> None:
    configure(home, folder / "missing place")
    run = publish(home, *arguments)
    assert run.code == 2 and run.err.count("\n") == 1 and f"{folder}/missing place is not a folder" in run.err
    assert (home.data / ALERT).exists() is (not arguments)
    remedy = run.err.rpartition("or create it: sudo ")[2]
    subprocess.run(remedy, shell=True, check=True)
    assert publish(home, *arguments).code == 0 and not (home.data / ALERT).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_account_needs_a_human() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others anyway
        home = Home(Path(name) / "home")
        configure(home, Path(name))
        Path(name).chmod(0o755)
        run = in_a_process(lambda: dry_run(home), user=65534)
    assert run.code == 2 and "cannot be used: Permission denied" in run.err
    assert f"Remedy: sudo chown 65534 {name} && sudo chmod u+rwx {name}" in run.err
