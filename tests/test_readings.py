"""readings.py as a process, on a record with a week of two devices."""

import csv
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from cli.history import sparkline
from storage import manager
from storage.reading import Sighting
from storage.statistics import STEPS
from tests.checkout import CHECKOUT
from tests.home import Home, Outcome
from tests.storage.samples import a_cycle, a_reading, store

NOW = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
HOURS = 48


@pytest.fixture
def filled(written: Home) -> Home:
    names = {"hue:a": "Küche 部屋", "hue:b": "=Attic, \"top\"\nfloor"}
    for hour in range(HOURS):
        moment = NOW - timedelta(hours=HOURS - hour)
        readings = [a_reading(device, moment, name=name, location=name, temperature_celsius=20 + hour / 10,
                              humidity_percent=43.0 if device == "hue:a" else None, is_anomalous=hour == HOURS - 1,
                              raw_response='{"a": 1}', measured_at=moment) for device, name in names.items()]
        sightings = tuple(Sighting(device, "hue_sensor", name.partition(",")[0]) for device, name in names.items())
        store(written.database, a_cycle(*readings, at=moment, sightings=sightings))
    return written


def run(home: Home, *arguments: str) -> Outcome:
    command = [sys.executable, str(CHECKOUT / "readings.py"), "--config", str(home.config), *arguments]
    done = subprocess.run(command, capture_output=True, timeout=60, cwd=home.folder,
                          env={**os.environ, "PYTHONPATH": str(CHECKOUT), "TZ": "UTC"})
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_the_latest_readings_are_shown_with_their_age_and_mark(filled: Home) -> None:
    outcome = run(filled, "latest")
    assert outcome.code == 0
    assert "⚠️ 24.70°C 43%" in outcome.out and "Küche 部屋" in outcome.out


def test_one_device_is_one_object_for_programs(filled: Home) -> None:
    item = json.loads(run(filled, "latest", "küche", "--json").out)
    assert (item["temperature_celsius"], item["humidity_percent"], item["is_anomalous"], item["is_stale"]) == (
        24.7, 43.0, True, item["age_seconds"] > 900)
    assert len(json.loads(run(filled, "latest", "--json").out)) == 2


def test_a_history_has_readings_or_means(filled: Home) -> None:
    rows = json.loads(run(filled, "history", "hue:a", "--since", "6h", "--json").out)
    expected = [pytest.approx(20 + hour / 10) for hour in range(HOURS)]
    assert [row["temperature_celsius"] for row in rows] == expected[-len(rows):]
    means = json.loads(run(filled, "history", "hue:a", "--since", "3d", "--every", "24h", "--json",
                           "--quantity", "temperature_celsius").out)
    assert sum(row["temperature_celsius"] is None for row in means) >= 1
    assert run(filled, "history", "hue:a", "--every", "1h").out.count("°C") in (23, 24)


@pytest.mark.parametrize("step", STEPS)
def test_statistics_count_every_reading(step: str, filled: Home) -> None:
    items = json.loads(run(filled, "stats", "hue:a", "--by", step, "--json", "--quantity", "temperature_celsius").out)
    if step != "night":
        assert sum(item["count"] for item in items) == HOURS
        assert (min(item["min"] for item in items), max(item["max"] for item in items)) == (20.0, 24.7)
    assert all(item["coverage_percent"] is None or item["coverage_percent"] <= 100 for item in items)
    assert run(filled, "stats", "--by", step).out.count("temperature °C") >= 2


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_an_export_has_every_value(zone: str, filled: Home) -> None:
    text = run(filled, "export", "--tz", zone).out
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    stored = filled.rows("SELECT * FROM readings ORDER BY timestamp, device_id")
    assert len(rows) == len(stored) == 2 * HOURS
    assert [datetime.fromisoformat(row["timestamp"]) for row in rows] == [
        datetime.fromisoformat(row["timestamp"]) for row in stored]
    assert [float(row["temperature_celsius"]) for row in rows] == [row["temperature_celsius"] for row in stored]
    assert {row["name"][0] for row in rows} == {"K", "'"}
    lines = [json.loads(line) for line in run(filled, "export", "--format", "ndjson", "--utc").out.splitlines()]
    assert lines == json.loads(run(filled, "export", "--format", "json", "--utc").out)
    assert lines == [{key: row[key] for key in lines[0]} for row in stored]


def test_an_exported_file_is_replaced_only_if_asked(filled: Home) -> None:
    target = filled.folder / "out.csv"
    assert run(filled, "export", "--devices", "hue:a", "--columns", "timestamp,name", "-o", str(target)).code == 0
    assert target.read_text(encoding="utf-8").count("Küche") == HOURS
    assert run(filled, "export", "-o", str(target)).code == 2
    assert run(filled, "export", "-o", str(target), "--overwrite", "--excel").code == 0
    assert target.read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("target", ["data", "data/readings.db", "nowhere/out.csv"])
def test_an_impossible_destination_is_refused(target: str, filled: Home) -> None:
    before = filled.rows()
    outcome = run(filled, "export", "--overwrite", "-o", target)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert filled.rows() == before and not list(filled.folder.rglob("*.tmp"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_may_pass(filled: Home) -> None:
    command = f'"{sys.executable}" "{CHECKOUT}/readings.py" --config "{filled.config}" export > /dev/full'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("arguments", [
    ("latest", "cellar"), ("history", "hue:a", "--since", "soon"), ("history", "hue:a", "--quantity", "happiness"),
    ("stats", "--since", "2026-11-02", "--until", "2026-11-01T00:00"), ("stats", "--tz", "Mars/Base"),
    ("stats", "--tz", "Europe/London", "--since", "2026-03-29T01:30"), ("export", "--columns", "timestamp,joy"),
    ("history", "hue:a", "--every", "0h"), ("check", "config/config.yaml"), ("check", "none.db")])
def test_a_wrong_request_is_one_sentence(arguments: tuple[str, ...], filled: Home) -> None:
    outcome = run(filled, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err


def test_a_backup_is_checked(filled: Home, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(filled.database)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    for arguments in (("check",), ("check", str(backup), "--deep")):
        outcome = run(filled, *arguments)
        assert (outcome.code, f"{2 * HOURS} readings" in outcome.out) == (0, True)
    damaged = bytearray(backup.read_bytes())
    damaged[8192:-4096] = b"x" * len(damaged[8192:-4096])
    backup.write_bytes(damaged)
    assert run(filled, "check", str(backup)).code == 2


def test_an_empty_record_is_no_empty_table(home: Home) -> None:
    home.write_config()
    with manager.writing(home.database):
        pass
    shown = home.process("latest", module="readings")
    assert (shown.code, shown.out) == (0, "") and "There are no readings yet: run a collector" in shown.err
    copy = home.folder / "copy.db"
    shutil.copy(home.database, copy)
    assert home.process("restore", str(copy), module="readings").out.startswith(f"Restored {copy}: 0 readings.\n")


@pytest.mark.parametrize("name", ["data/readings.stored", "config/record.id", "data/snapshots/readings-2026-11-01.db",
                                  "config/new.csv"])
def test_an_export_replaces_none_of_our_files(filled: Home, name: str) -> None:
    refused = run(filled, "export", "-o", str(filled.folder / name), "--overwrite")
    assert refused.code == 2 and "is among the files of this program" in refused.err


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("stats", "--since", "0001-01-01"), "is not a time of the years 1970 to 2999"),
    (("history", "küche", "--every", "7d"), "a step of 7 days is too long")])
def test_a_request_beyond_all_limits_is_one_sentence(filled: Home, arguments: tuple[str, ...], sentence: str) -> None:
    refused = run(filled, *arguments)
    assert refused.code == 2 and sentence in refused.err and refused.err.count("\n") == 1


def test_a_reading_of_a_time_to_come_is_not_fresh(filled: Home) -> None:
    filled.execute("UPDATE readings SET timestamp = '2036' || substr(timestamp, 5) WHERE id = (SELECT MAX(id) FROM readings)")
    items = json.loads(run(filled, "latest", "--json").out)
    assert any(item["is_stale"] and item["age_seconds"] < 0 for item in items)


def test_a_sparkline_has_a_blank_where_nothing_was_stored() -> None:
    start = datetime(2026, 11, 22, tzinfo=timezone.utc)
    points = [((start + timedelta(hours=hour)).isoformat(), float(hour)) for hour in range(24) if not 8 <= hour < 14]
    line = sparkline([*points, ("2026-11-22T09:00:00+00:00", None)], start, start + timedelta(days=1))
    assert line[0] == "▁" and line.rstrip()[-1] == "█" and " " * 16 in line


def test_a_damaged_backup_has_its_own_remedy(filled: Home) -> None:
    copy = filled.folder / "copy.db"
    shutil.copy(filled.database, copy)
    with open(copy, "r+b") as file:
        file.write(b"no database")
    checked = run(filled, "check", str(copy))
    assert checked.code == 2 and checked.err.endswith("Remedy: take another backup\n")
