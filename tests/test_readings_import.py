"""readings.py import, from what export wrote and from another database."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from storage import schema
from tests.home import Home
from tests.storage import legacy_databases
from tests.storage.samples import a_cycle, a_reading, store
from tests.test_readings import run

START = datetime(2026, 10, 24, 22, 30, tzinfo=timezone.utc)


@pytest.fixture
def other(tmp_path: Path) -> Home:
    """A home with a night in which the clocks go back, and awkward names."""
    home = Home(tmp_path / "other")
    home.write_config()
    for number, name in enumerate(["Küche 部屋", "=Attic", "'quoted", "a,\"b\";\nc", "-1", "+x", "@y"] * 3):
        moment = START + timedelta(minutes=20 * number)
        store(home.database, a_cycle(a_reading(f"hue:{number % 2}", moment, name=name, location=name, battery_level=7,
                                               temperature_celsius=0.1 + 0.2 * number, raw_response="", measured_at=moment),
                                     at=moment))
    return home


def values(home: Home) -> dict[tuple[str, str], dict[str, Any]]:
    """Return all columns but the id, by device and time."""
    return {(row["device_id"], row["timestamp"]): row | {"id": None} for row in home.rows()}


@pytest.mark.parametrize("options", [(), ("--tz", "Europe/London"), ("--utc", "--excel")])
def test_what_was_exported_comes_back_equal(options: tuple[str, ...], written: Home, other: Home) -> None:
    store(written.database, a_cycle(outcome="unreachable"))  # an empty record
    for home, name in ((other, "first.csv"), (written, "second.csv")):
        assert run(home, "export", *options, "-o", str(other.folder / name)).code == 0
        if home is other:
            assert "21 of them new" in run(written, "import", "csv", str(other.folder / name)).out
    first, second = (other.folder / name for name in ("first.csv", "second.csv"))
    assert first.read_bytes() == second.read_bytes()
    assert "0 of them new" in run(written, "import", "csv", str(first)).out


def test_the_first_thing_to_do_may_be_an_import(home: Home, other: Home) -> None:
    home.write_config()
    assert "21 of them new" in run(home, "import", "database", str(other.database)).out
    home.database.unlink()
    assert run(home, "import", "database", str(other.database)).code == 2 and not home.database.exists()


def test_an_overlapping_database_gives_the_union(written: Home, other: Home) -> None:
    moment = START + timedelta(minutes=20)
    store(written.database, a_cycle(a_reading("hue:1", moment, temperature_celsius=9.0), at=moment))
    before = written.rows()
    both = {key: row for home in (other, written) for key, row in values(home).items()}
    assert run(written, "import", "database", str(other.database), "--dry-run").code == 0
    assert written.rows() == before
    assert "20 of them new" in run(written, "import", "database", str(other.database)).out
    assert values(written) == both and len(both) == 21
    rows = written.rows()
    assert "0 of them new" in run(written, "import", "database", str(other.database)).out
    assert written.rows() == rows


def older(path: Path) -> None:
    """Write a database with two readings, as the second schema had it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for number in (1, 2):
            schema.apply(connection, number, lambda step, done, total: None)
        connection.executemany("INSERT INTO readings (timestamp, device_id, device_type, created_at) VALUES (?, ?, ?, ?)", [
            (at, "hue:1", "hue_sensor", at) for at in ("2025-11-01T00:00:00+00:00", "2025-11-01T00:05:00+00:00")])


def the_predecessors(path: Path) -> None:
    legacy_databases.leave(path, legacy_databases.awkward_rows(), legacy_databases.NEWEST, legacy_databases.REGISTRY)


def twice(path: Path) -> None:
    rows = [row | {"id": number} for number, row in enumerate(2 * legacy_databases.awkward_rows())]
    legacy_databases.leave(path, rows, legacy_databases.UNGUARDED)


@pytest.mark.parametrize(("make", "count", "rejected"), [(older, 2, 0), (the_predecessors, 7, 0), (twice, 7, 7)])
def test_a_database_of_any_age_is_imported_and_stays_as_it_is(
        make: Callable[[Path], None], count: int, rejected: int, other: Home) -> None:
    path, before, files = other.folder / "of old.db", other.rows(), {*other.data.iterdir()}
    make(path)
    content = path.read_bytes()
    outcome = run(other, "import", "database", str(path))
    assert (outcome.code, f"{count} of them new" in outcome.out) == (0, True), outcome.err
    assert (f"{rejected} readings not imported" in outcome.out) == bool(rejected)
    rows = other.rows()
    assert (rows[:len(before)], len(rows)) == (before, len(before) + count)
    assert "0 of them new" in run(other, "import", "database", str(path)).out
    assert other.rows() == rows and path.read_bytes() == content
    assert {file.name for file in {*other.data.iterdir()} - files} <= {
        "readings.db-wal", "readings.db-shm", "readings.stored", "logs"}


HEAD = b"timestamp,device_id,device_type,temperature_celsius\n"
GOOD = b"2026-11-01T00:00:00+00:00,hue:a,hue_sensor,20.5\n"


@pytest.mark.parametrize(("content", "named"), [
    (b"", "timestamp"), (b"SQLite format 3\0\xff\xfe", "UTF-8"), (HEAD.decode().encode("utf-16"), "UTF-8"),
    (HEAD + GOOD * 5 + b"soon,hue:a,hue_sensor,20\n", "line 7"), (HEAD + GOOD + b"2026-11-01T00:05", "line 3"),
    (HEAD + GOOD + b'2026-11-01T00:05:00Z,"hue:a,hue_sensor,20\n', "line 3"), (HEAD + GOOD + b"\0" * 4096, "line 3"),
    (HEAD + GOOD.replace(b"2026-11-01T00:00:00+00:00", b"2026-03-29T01:30"), "line 2"),
    (HEAD + GOOD + GOOD.replace(b"hue:a", b"HUE:1"), "hue:1"), (HEAD + GOOD.replace(b"hue:a", b"@Y"), "hue:0"),
    (HEAD.replace(b"device_type", b"timestamp") + GOOD, "device_type"),
    (HEAD + GOOD + GOOD.replace(b"20.5", b"nan"), "line 3"), (HEAD + GOOD.replace(b"hue:a", b""), "line 2"),
    (b"when,who\n1,2\n", "timestamp"), (HEAD.replace(b"celsius", b"kelvin"), "temperature_kelvin")])
def test_a_file_that_is_wrong_anywhere_changes_nothing(content: bytes, named: str, other: Home) -> None:
    path, before = other.folder / "wrong.csv", other.rows()
    path.write_bytes(content)
    outcome = run(other, "import", "csv", str(path), "--tz", "Europe/London")
    assert (outcome.code, outcome.out, outcome.err.count("\n"), named in outcome.err) == (2, "", 1, True)
    assert other.rows() == before


FOREIGN = "Time;Sensor;Temp;Note\n2026-07-01 14:00;cellar;12,5;\n2026-07-01T15:00:00Z;cellar;-0,25;dry\n"
MAPPED = ("--map", "Time=timestamp", "--map", "Sensor=device_id", "--map", "Temp=temperature_celsius")


def test_a_table_of_another_program_is_mapped(other: Home) -> None:
    path, before = other.folder / "foreign.csv", len(other.rows())
    path.write_text(FOREIGN)
    outcome = run(other, "import", "csv", str(path), *MAPPED, "--tz", "Europe/Berlin")
    assert (outcome.code, "2 of them new" in outcome.out, "Not imported: Note." in outcome.out) == (0, True, True)
    assert [(row["timestamp"], row["device_id"], row["device_type"], row["temperature_celsius"])
            for row in other.rows()[before:]] == [("2026-07-01T12:00:00+00:00", "cellar", "csv_import", 12.5),
                                                  ("2026-07-01T15:00:00+00:00", "cellar", "csv_import", -0.25)]


@pytest.mark.parametrize(("options", "named"), [
    (MAPPED[:4], "temperature_celsius"), (MAPPED[:2], "device_id"), ((*MAPPED, "--map", "Dew=humidity_percent"), "Dew"),
    ((*MAPPED, "--map", "Note=happiness"), "happiness"), ((*MAPPED, "--map", "Note"), "Note"), ((), "--map"),
    ((*MAPPED, "--map", "Note=temperature_celsius"), "several"), ((*MAPPED, "--map", "Note=humidity_percent"), "line 3")])
def test_a_wrong_mapping_changes_nothing(options: tuple[str, ...], named: str, other: Home) -> None:
    path, before = other.folder / "foreign.csv", other.rows()
    path.write_text(FOREIGN)
    outcome = run(other, "import", "csv", str(path), *options)
    assert (outcome.code, outcome.out, outcome.err.count("\n"), named in outcome.err) == (2, "", 1, True), outcome.err
    assert other.rows() == before


@pytest.mark.parametrize("name", ["data/readings.db", "config/config.yaml", "nowhere.db", "data", "empty.db", "half.db",
                                  "foreign.db", "strange.db"])
def test_what_is_not_another_database_is_refused(name: str, other: Home) -> None:
    (other.folder / "empty.db").touch()
    (other.folder / "half.db").write_bytes(other.database.read_bytes()[:20_000])
    for file, table in (("foreign.db", "states"), ("strange.db", "readings")):
        with closing(sqlite3.connect(other.folder / file)) as connection:
            connection.execute(f"CREATE TABLE {table} (value)")
    before = other.rows()
    outcome = run(other, "import", "database", name)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert "accept-new-database" not in outcome.err and "name another" in outcome.err  # it is not about our own database
    assert other.rows() == before


def test_a_time_to_come_is_refused(other: Home) -> None:
    """One such row would hide that a sensor is silent."""
    table = other.folder / "table.csv"
    table.write_text("timestamp,device_id,device_type,created_at,temperature_celsius\n2036-01-01T00:00:00Z,a:1,x,"
                     "2026-11-01T00:00:00Z,20\n", encoding="utf-8")
    refused = run(other, "import", "csv", str(table))
    assert refused.code == 2 and "line 2 of" in refused.err and "is a time to come" in refused.err
    assert not other.rows("SELECT 1 FROM readings WHERE device_id = 'a:1'")
