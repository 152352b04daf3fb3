"""The health check's database_write: what it finds in a database that cycles have written, and that it leaves no row."""

import sqlite3
import time
from contextlib import closing

import pytest

from health.finding import Finding
from tests.health import checks
from tests.home import Home
from tests.storage.legacy_databases import awkward_rows, leave
from tests.storage.samples import NOW, a_cycle, a_reading, at, store


@pytest.fixture
def stored(written: Home) -> Home:
    store(written.database, a_cycle(*(a_reading(f"hue:{number}") for number in range(50))))
    return written


def check(home: Home, seconds: float = 10.0) -> Finding:
    return checks.worst("database_write", checks.read(home, seconds=seconds))


def execute(home: Home, *statements: str) -> None:
    with closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_the_trial_leaves_no_row(stored: Home) -> None:
    assert check(stored).level == "pass"
    with closing(sqlite3.connect(stored.database)) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (50,)


def test_without_wal_it_leaves_no_trace_either(stored: Home) -> None:
    execute(stored, "PRAGMA journal_mode = DELETE")
    before = stored.database.read_bytes()
    assert check(stored).level == "pass"
    assert stored.database.read_bytes() == before and not stored.database.with_name("readings.db-journal").exists()


@pytest.mark.alone
@pytest.mark.parametrize("statements", [
    ["CREATE TABLE notes (note TEXT)", """
        WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter LIMIT 300000)
        INSERT INTO notes SELECT 'note ' || n FROM counter"""],
    ["CREATE TABLE pictures (picture BLOB)", "INSERT INTO pictures VALUES (zeroblob(80000000))"],
], ids=["many rows", "many pages"])
def test_the_search_for_damage_ends_in_time(statements: list[str], stored: Home) -> None:
    """SQLite checks the pages of a table within a single step of its virtual machine, some 20,000 pages here."""
    execute(stored, *statements)
    findings = checks.findings("database_write", checks.read(stored, seconds=0.0))
    assert [finding.level for finding in findings] == ["pass", "pass"]
    assert findings[-1] != checks.findings("database_write", checks.read(stored, seconds=100))[-1]
    started = time.perf_counter()
    assert check(stored).level == "pass"
    assert time.perf_counter() - started < 2


def test_damage_that_only_the_search_finds_is_critical(stored: Home) -> None:
    """A page of a table that the trial does not read."""
    execute(stored, "CREATE TABLE notes (note TEXT)")
    with closing(sqlite3.connect(stored.database, isolation_level=None)) as connection:
        connection.executemany("INSERT INTO notes VALUES (?)", [("note",)] * 2000)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'notes'").fetchone()
    with stored.database.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(range(256)) * 16)
    finding = check(stored)
    assert finding.level == "critical" and "accept-new-database" in finding.remedy


def test_a_database_with_another_schema_is_critical(stored: Home) -> None:
    execute(stored, "DROP TABLE retry_events")
    assert check(stored).level == "critical"


def test_a_predecessors_database_is_a_warning(written: Home) -> None:
    leave(written.database, awkward_rows())
    finding = check(written)
    assert (finding.level, finding.remedy) == ("warn", "python -m collectors.hue")


def test_an_empty_file_counts_as_none(written: Home) -> None:
    written.database.touch()
    assert check(written).level == "warn"
    (written.data / "readings.stored").touch()
    assert check(written).level == "critical"
    assert written.database.stat().st_size == 0


def test_no_stored_reading_collides_with_the_trial(stored: Home) -> None:
    store(stored.database, a_cycle(a_reading("healthcheck", at=at(minutes=5)), at=NOW))
    assert check(stored).level == "pass"
