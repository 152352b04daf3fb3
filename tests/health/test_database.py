"""The health check's judgement of the database, beyond docs/running.md; tests/storage/test_inspection.py has the facts."""

import sqlite3
from contextlib import closing

import pytest

from health import database_wal
from storage import manager
from tests.health import checks
from tests.home import Home, as_printed
from tests.storage.legacy_databases import awkward_rows, leave
from tests.storage.samples import a_cycle, a_reading, add, store

SOUND = [(3, 44, 6), (3, 44, 7), (3, 50, 7), (3, 51, 3), (3, 53, 0), (3, 54, 1), (4, 0, 0), (3, 6, 23)]
FAULTY = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 46, 1), (3, 50, 6), (3, 51, 2), (3, 52, 0)]


@pytest.mark.parametrize(("version", "is_faulty"), [*((version, False) for version in SOUND),
                                                    *((version, True) for version in FAULTY)])
def test_a_library_with_the_wal_reset_bug_is_named_and_passes(version: tuple[int, int, int], is_faulty: bool) -> None:
    """https://www.sqlite.org/wal.html#walresetbug: fixed in 3.51.3 and 3.53.0, and in 3.44.6 and 3.50.7."""
    finding = database_wal.library(version)
    assert (finding.level, finding.remedy) == ("pass", "") and ".".join(map(str, version)) in finding.sentence
    assert ("WAL-reset bug" in finding.sentence) == is_faulty


@pytest.mark.parametrize(("configured", "reported"), [(0, 1000), (1, 1), (64, 64), (100_000, 100_000)])
def test_the_checkpoint_interval_is_the_configured_one(configured: int, reported: int, written: Home) -> None:
    """The interval belongs to a connection: that of the health check itself has SQLite's default of 1000. FR-002, FR-020."""
    written.write_config(storage={"wal_checkpoint_interval": configured})
    store(written.database, a_cycle(a_reading()))
    findings = checks.findings("database_wal", checks.read(written))
    assert any(f"checkpoint every {reported} pages" in finding.sentence for finding in findings)
    assert {finding.level for finding in findings} == {"pass"}


@pytest.mark.parametrize(("is_wanted", "level"), [(True, "fail"), (False, "warn")])
def test_wal_that_is_off_has_one_remedy(is_wanted: bool, level: str, written: Home) -> None:
    with manager.writing(written.database, wal=False) as connection:
        add(connection, a_cycle(a_reading()))
    written.write_config(storage={"enable_wal_mode": is_wanted})
    off, = (item for item in checks.findings("database_wal", checks.read(written)) if item.level != "pass")
    assert off.level == level and ("python -m collectors.hue" in off.remedy) == is_wanted


@pytest.mark.parametrize("statements", [
    ["DROP TABLE retry_events"],
    ["CREATE TABLE notes (note TEXT)", "PRAGMA writable_schema = ON",
     "UPDATE sqlite_master SET rootpage = 2 WHERE name = 'notes'"]], ids=["another schema", "only the search finds it"])
def test_damage_is_critical(statements: list[str], written: Home) -> None:
    store(written.database, a_cycle(a_reading()))
    assert checks.worst("database_write", checks.read(written)).level == "pass"
    with closing(sqlite3.connect(written.database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    *before, finding = checks.findings("database_write", checks.read(written))
    assert [item.level for item in before] == ["pass"] * (len(statements) > 1)  # the trial does not see it
    assert finding.level == "critical" and "accept-new-database" in finding.remedy


def test_the_search_for_damage_is_given_up_when_time_is_over(written: Home) -> None:
    store(written.database, a_cycle(a_reading()))
    with closing(sqlite3.connect(written.database)) as connection:
        connection.execute("CREATE TABLE notes (note TEXT)")
        connection.executemany("INSERT INTO notes VALUES (?)", [(f"note {number}",) for number in range(300_000)])
        connection.commit()
    findings = [checks.findings("database_write", checks.read(written, seconds=seconds))[-1] for seconds in (0.0, 100.0)]
    assert [finding.level for finding in findings] == ["pass", "pass"] and findings[0] != findings[1]


def test_a_predecessors_database_is_a_warning(written: Home) -> None:
    leave(written.database, awkward_rows())
    finding = checks.worst("database_write", checks.read(written))
    assert (finding.level, finding.remedy) == ("warn", as_printed("python -m collectors.hue"))


def test_an_empty_file_counts_as_none(written: Home) -> None:
    written.database.touch()
    assert checks.worst("database_write", checks.read(written)).level == "warn"
    (written.data / "readings.stored").touch()
    assert checks.worst("database_write", checks.read(written)).level == "critical"
    assert written.database.stat().st_size == 0
