"""The views for people's SQL, and the record of changed days, on both nights on which the clock changes."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from storage import manager
from tests.storage.samples import a_cycle, a_reading, at, store

CHANGES = "SELECT device_id, day, change_id, has_deletions FROM reading_changes ORDER BY change_id"
DAY = "2026-11-22"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "readings.db"
    readings = [a_reading(at=at(minutes=minutes), device_id=device, temperature_celsius=20.0 + minutes)
                for device in ("hue:a", "hue:b") for minutes in (0, 1, 2)]
    for reading in readings:
        store(path, a_cycle(reading, at=reading.timestamp))
    return path


def changes(path: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        return connection.execute(CHANGES).fetchall()


@pytest.mark.parametrize(("statements", "expected"), [
    ((), []),
    (("UPDATE readings SET name = 'x' WHERE device_id = 'hue:a'",), [("hue:a", 6, 0)]),
    (("DELETE FROM readings WHERE device_id = 'hue:a'",), [("hue:a", 3, 1)]),
    (("DELETE FROM readings", "UPDATE readings SET name = 'x'"), [("hue:a", 3, 1), ("hue:b", 6, 1)]),
    (("DELETE FROM readings WHERE id = 1", "UPDATE readings SET name = 'x' WHERE id = 2"), [("hue:a", 3, 1)]),
    (("UPDATE readings SET device_id = 'hue:c' WHERE id = 1",), [("hue:a", 1, 1), ("hue:c", 2, 0)])],
    ids=["insert", "update", "delete", "nothing left", "both", "moved"])
def test_a_change_is_recorded_by_device_and_day(statements: tuple[str, ...], expected: list[tuple[str, int, int]],
                                                database: Path) -> None:
    assert changes(database, *statements) == [(device, DAY, number, deleted) for device, number, deleted in expected]


def test_the_latest_readings_are_looked_up(database: Path) -> None:
    with manager.reading(database) as connection:
        rows = connection.execute("SELECT device_id, temperature_celsius FROM latest_readings").fetchall()
        plan = [row[-1] for row in connection.execute("EXPLAIN QUERY PLAN SELECT * FROM latest_readings")]
    assert rows == [("hue:a", 22.0), ("hue:b", 22.0)]
    assert not [step for step in plan if step.startswith("SCAN readings")]


@pytest.mark.parametrize(("midnight", "hours", "readings"), [
    ("2026-03-29T00:00:00", 23, ""), ("2026-10-24T23:00:00", 25, "60 60")])
def test_days_and_hours_are_those_of_the_machine(midnight: str, hours: int, readings: str, database: Path) -> None:
    """In London 01:00 to 02:00 is skipped in spring, and occurs twice in autumn."""
    start = datetime.fromisoformat(midnight).replace(tzinfo=timezone.utc)
    times = [(start + timedelta(minutes=minute)).isoformat() for minute in range(-60, 26 * 60)]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany("""
            INSERT INTO readings (timestamp, device_id, device_type, temperature_celsius, created_at)
            VALUES (?, 'hue:l', 'hue_sensor', 20.0, '')
        """, ((time,) for time in times))
    script = """
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute(
    "SELECT temperature_celsius_count FROM daily WHERE device_id = 'hue:l' ORDER BY day LIMIT 1 OFFSET 1").fetchone()[0])
print(*[n for n, in sqlite3.connect(sys.argv[1]).execute(
    "SELECT readings FROM hourly WHERE device_id = 'hue:l' AND hour LIKE ? || ' 01:00'", (sys.argv[2],))])
"""
    done = subprocess.run([sys.executable, "-c", script, str(database), times[120][:10]], capture_output=True, text=True,
                          check=True, env={**os.environ, "TZ": "Europe/London"})
    assert done.stdout.splitlines() == [str(hours * 60), readings]
