"""What the health check asks of the database itself: the version of SQLite, room to write, damage, and no trace."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from health import database
from health.finding import Finding, Findings
from tests.storage.legacy_databases import awkward_rows, leave
from tests.storage.samples import NOW, a_cycle, a_reading, at, store

SOUND = [(3, 44, 6), (3, 44, 7), (3, 50, 7), (3, 51, 3), (3, 53, 0), (3, 54, 1), (4, 0, 0), (3, 6, 23)]
FAULTY = [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 46, 1), (3, 50, 6), (3, 51, 2), (3, 52, 0)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with readings."""
    path = tmp_path / "readings.db"
    store(path, a_cycle(*(a_reading(f"hue:{number}") for number in range(50))))
    return path


def found(check: Findings) -> list[Finding]:
    return [each for each in check if isinstance(each, Finding)]


def write(path: Path, is_late: Callable[[], bool] = lambda: False) -> Finding:
    """Return the worst that was found."""
    told = found(database.write(path, path.with_name("readings.stored"), is_late))
    return max(told, key=lambda each: ("pass", "warn", "fail", "critical").index(each.level))


@pytest.mark.parametrize("version", SOUND)
def test_a_sound_library_passes(version: tuple[int, int, int]) -> None:
    """https://www.sqlite.org/wal.html#walresetbug: mended in 3.51.3 and 3.53.0, and in 3.44.6 and 3.50.7."""
    assert database.library(version).level == "pass"


@pytest.mark.parametrize("version", FAULTY)
def test_a_library_with_the_wal_reset_bug_is_a_warning(version: tuple[int, int, int]) -> None:
    told = database.library(version)
    assert told.level == "warn" and told.remedy and ".".join(map(str, version)) in told.sentence


def test_the_trial_leaves_no_row(path: Path) -> None:
    assert write(path).level == "pass"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (50,)


def test_without_wal_there_is_no_trace_either(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    assert write(path).level == "pass"
    assert path.read_bytes() == before and not path.with_name("readings.db-journal").exists()


@pytest.mark.alone
def test_the_search_for_damage_ends_when_it_is_late(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (note TEXT)")
        connection.execute("""
            WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter LIMIT 300000)
            INSERT INTO notes SELECT 'note ' || n FROM counter""")
    told = found(database.write(path, path.with_name("readings.stored"), lambda: True))
    assert [each.sentence for each in told][-1] == "no damage found in the time there was"
    started = time.perf_counter()
    assert write(path).level == "pass"
    assert time.perf_counter() - started < 2


def test_the_search_for_damage_ends_among_the_pages_of_a_large_table(path: Path) -> None:
    """Which SQLite looks at one after the other within a single step of its virtual machine: here some 20 000."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE pictures (picture BLOB)")
        connection.execute("INSERT INTO pictures VALUES (zeroblob(80000000))")
    told = found(database.write(path, path.with_name("readings.stored"), lambda: True))
    assert [each.sentence for each in told][-1] == "no damage found in the time there was"
    assert [each.sentence for each in found(database.write(path, path.with_name("readings.stored"), lambda: False))
            ][-1] == "no damage found"


def test_damage_that_only_the_search_finds_is_critical(path: Path) -> None:
    """A page of an index that nobody reads in a trial."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (note TEXT)")
        connection.executemany("INSERT INTO notes VALUES (?)", [("note",)] * 2000)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'notes'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(range(256)) * 16)
    told = write(path)
    assert told.level == "critical" and "damaged" in told.sentence and "accept-new-database" in told.remedy


def test_a_database_of_another_form_is_critical(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE retry_events")
    assert "does not have the form" in write(path).sentence


def test_a_predecessors_database_is_a_warning(tmp_path: Path) -> None:
    """The next cycle brings it up to date."""
    leave(tmp_path / "readings.db", awkward_rows())
    told = write(tmp_path / "readings.db")
    assert told.level == "warn" and told.remedy == "python -m collectors.hue"


def test_an_empty_file_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "readings.db").touch()
    assert write(tmp_path / "readings.db").level == "warn"
    (tmp_path / "readings.stored").touch()
    assert write(tmp_path / "readings.db").level == "critical"
    assert (tmp_path / "readings.db").stat().st_size == 0


def test_readings_of_another_moment_do_not_matter(path: Path) -> None:
    """Nothing that is stored can collide with the trial."""
    store(path, a_cycle(a_reading("healthcheck", at=at(minutes=5)), at=NOW))
    assert write(path).level == "pass"
