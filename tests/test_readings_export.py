"""readings.py export: means per step, Parquet, and destinations that cannot be written."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec

import pytest

from tests.checkout import CHECKOUT
from tests.home import Home
from tests.storage.samples import a_cycle, a_reading, store
from tests.test_readings import run

START = datetime(2026, 10, 24, 22, 30, tzinfo=timezone.utc)  # the clocks go back two and a half hours later
MINUTES = 5
COUNT = 60
needs_pyarrow = pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")


@pytest.fixture
def filled(written: Home) -> Home:
    """Five hours of two devices, of which one pauses for the third hour."""
    for number in range(COUNT):
        moment = START + timedelta(minutes=MINUTES * number)
        readings = [a_reading("hue:a", moment, name="Küche 部屋", temperature_celsius=20 + number / 10, measured_at=moment)]
        readings += [] if 24 <= number < 36 else [a_reading("hue:b", moment, temperature_celsius=None, humidity_percent=43)]
        store(written.database, a_cycle(*readings, at=moment))
    return written


def test_means_are_of_a_step_and_steps_without_readings_are_left_out(filled: Home) -> None:
    outcome = run(filled, "export", "--every", "1h", "--format", "ndjson", "--tz", "Europe/London",
                  "--columns", "timestamp,device_id,temperature_celsius,humidity_percent")
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    warm = [(row["timestamp"], row["temperature_celsius"]) for row in rows if row["device_id"] == "hue:a"]
    assert warm == [("2026-10-24T23:30:00+01:00", 20.25), ("2026-10-25T00:00:00+01:00", 21.15),
                    ("2026-10-25T01:00:00+01:00", 22.35), ("2026-10-25T01:00:00+00:00", 23.55),
                    ("2026-10-25T02:00:00+00:00", 24.75), ("2026-10-25T03:00:00+00:00", 25.65)]
    assert [row["timestamp"][11:16] for row in rows if row["humidity_percent"] == 43] == [
        "23:30", "00:00", "01:00", "01:00", "02:00", "03:00"]
    only = run(filled, "export", "--every", "30m", "--devices", "hue:b", "--utc").out.splitlines()
    assert only[0].startswith("timestamp,device_id,name,location,temperature_celsius,humidity_percent,")
    assert [line[11:16] for line in only[1:]] == ["22:30", "23:00", "23:30", "00:00", "01:30", "02:00", "02:30", "03:00"]


@needs_pyarrow
def test_a_parquet_file_has_every_value(filled: Home) -> None:
    from pyarrow import parquet
    for options, count in ((), COUNT * 2 - 12), (("--every", "1h"), 12):
        path = filled.folder / f"{count}.parquet"
        assert run(filled, "export", "--format", "parquet", "-o", str(path), *options).code == 0
        columns = parquet.read_table(path).to_pydict()
        assert len(columns["timestamp"]) == count and columns["timestamp"][0] == START
        assert set(columns["device_id"]) == {"hue:a", "hue:b"}
    stored = filled.rows("SELECT * FROM readings ORDER BY timestamp, device_id")
    table = parquet.read_table(filled.folder / "108.parquet").to_pydict()
    for name in ("temperature_celsius", "humidity_percent", "name", "raw_response", "is_anomalous"):
        assert table[name] == [row[name] for row in stored]
    assert str(parquet.read_schema(filled.folder / "108.parquet").field("measured_at").type) == "timestamp[us, tz=UTC]"


@needs_pyarrow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_may_pass_for_parquet_too(filled: Home) -> None:
    command = f'"{sys.executable}" "{CHECKOUT}/readings.py" --config "{filled.config}" export --format parquet > /dev/full'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


@needs_pyarrow
def test_what_parquet_cannot_hold_is_one_sentence_and_leaves_no_file(filled: Home) -> None:
    filled.execute("UPDATE readings SET temperature_celsius = 'warm' WHERE id = 9")
    outcome = run(filled, "export", "--format", "parquet", "-o", "out.parquet")
    assert (outcome.code, outcome.err.count("\n"), "temperature_celsius" in outcome.err) == (2, 1, True), outcome.err
    assert not list(filled.folder.glob("*out.parquet*"))


def test_without_pyarrow_a_command_installs_it(filled: Home) -> None:
    (filled.folder / "pyarrow.py").write_text("raise ImportError")
    command = [sys.executable, str(CHECKOUT / "readings.py"), "--config", str(filled.config), "export", "--format", "parquet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(filled.folder)})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.endswith(f"{sys.executable} -m pip install 'pyarrow>=15'\n")


@pytest.mark.parametrize("arguments", [
    ("--every", "2d"), ("--every", "soon"), ("--every", "1h", "--columns", "raw_response"), ("--devices", "cellar"),
    ("--since", "2026-11-02", "--until", "2026-11-01T00:00"), ("--since", "2026-03-29T01:30", "--tz", "Europe/London")])
def test_a_wrong_request_leaves_no_file(arguments: tuple[str, ...], filled: Home) -> None:
    outcome = run(filled, "export", "-o", "out.csv", *arguments)
    assert (outcome.code, outcome.out) == (2, "") and "Traceback" not in outcome.err
    assert not list(filled.folder.glob("*out.csv*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to mount a disk")
@pytest.mark.parametrize(("options", "code"), [("size=8k", 1), ("size=64k,ro", 2)])
def test_a_disk_that_cannot_take_the_file_keeps_the_former_one(options: str, code: int, filled: Home) -> None:
    disk = filled.folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options.removesuffix(",ro"), "tmpfs", disk], check=True)
    try:
        (disk / "out.csv").write_text("the former one")
        if options.endswith("ro"):
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        outcome = run(filled, "export", "--overwrite", "-o", str(disk / "out.csv"))
        assert (outcome.code, outcome.out, outcome.err.count("\n"), "Remedy: " in outcome.err) == (code, "", 1, True)
        assert [(file.name, file.read_text()) for file in disk.iterdir()] == [("out.csv", "the former one")]
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("target", ["data/spool.journal", "config/config.yaml", "config/secrets.yaml", "data/linked.db",
                                    "pipe"])
def test_what_is_not_a_file_of_the_persons_is_never_replaced(target: str, filled: Home) -> None:
    filled.write_secrets({})
    (filled.data / "spool.journal").write_bytes(b"waiting")
    (filled.data / "linked.db").symlink_to(filled.database)
    os.mkfifo(filled.folder / "pipe")
    path = filled.folder / target
    before = path.lstat()
    outcome = run(filled, "export", "--overwrite", "-o", target)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert (path.lstat().st_ino, path.lstat().st_size) == (before.st_ino, before.st_size)
