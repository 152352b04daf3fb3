"""What the health check asks of the database: facts, and no trace."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runtime import files
from runtime.errors import Busy, Damaged, StorageError, Unusable
from storage import inspection, manager
from storage.reading import Sighting
from tests.storage.legacy_databases import awkward_rows, leave
from tests.storage.samples import NOW, a_cycle, a_reading, at, store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "readings.db"
    store(path, a_cycle(*(a_reading(f"hue:{number}") for number in range(50))))
    return path


def test_the_trial_leaves_no_row(path: Path) -> None:
    assert inspection.try_write(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (50,)


def test_the_trial_leaves_no_trace_without_wal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    assert inspection.try_write(path) and inspection.journal_mode(path) == "delete"
    assert path.read_bytes() == before and not path.with_name("readings.db-journal").exists()


def test_the_trial_moves_no_wal(path: Path) -> None:
    """The -wal of a killed writer stays as it is, byte for byte."""
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("INSERT INTO device_registry (device_id) VALUES ('hue:new')")
        writer.commit()
        crashed = path.with_name("crashed.db")
        for suffix in ("", "-wal"):
            Path(f"{crashed}{suffix}").write_bytes(Path(f"{path}{suffix}").read_bytes())
    before = crashed.read_bytes(), Path(f"{crashed}-wal").read_bytes()
    assert inspection.try_write(crashed) and inspection.find_damage(crashed, lambda: False) is None
    assert (crashed.read_bytes(), Path(f"{crashed}-wal").read_bytes()) == before
    assert inspection.wal_bytes(crashed) == len(before[1]) > 0


def test_no_stored_reading_collides_with_the_trial(path: Path) -> None:
    store(path, a_cycle(a_reading("healthcheck", at=at(minutes=5)), at=NOW))
    assert inspection.try_write(path)


def test_an_older_schema_is_not_current(tmp_path: Path) -> None:
    leave(tmp_path / "readings.db", awkward_rows())
    assert not inspection.try_write(tmp_path / "readings.db")


def test_the_trial_waits_for_the_writers_lock(path: Path) -> None:
    with files.locked(manager.lock_path(path), 1), pytest.raises(Busy):
        inspection.try_write(path, 0.1)


def test_a_database_that_lacks_a_table_is_damaged(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE retry_events")
    with pytest.raises(Damaged):
        inspection.try_write(path)


def test_the_search_ends_among_the_pages_of_a_large_table(path: Path) -> None:
    """SQLite looks at its 20 000 pages within a single step of its virtual machine."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE pictures (picture BLOB)")
        connection.execute("INSERT INTO pictures VALUES (zeroblob(80000000))")
    assert inspection.find_damage(path, lambda: True)
    assert inspection.find_damage(path, lambda: False) is None


def test_damage_is_found_where_the_trial_does_not_look(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (note TEXT)")
        connection.executemany("INSERT INTO notes VALUES (?)", [("note",)] * 2000)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'notes'").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(bytes(range(256)) * 16)
    assert inspection.try_write(path)
    with pytest.raises(Damaged) as caught:
        inspection.find_damage(path, lambda: False)
    assert "accept-new-database" in caught.value.remedy


def test_nothing_is_created(tmp_path: Path) -> None:
    for ask in (inspection.journal_mode, inspection.try_write, inspection.newest_readings):
        with pytest.raises(StorageError):
            ask(tmp_path / "readings.db")
    assert not list(tmp_path.iterdir())


def test_the_newest_reading_of_each_active_device(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    cellar = Sighting(device_id="hue:cellar", device_type="hue_sensor", name="Cellar", trouble="no value yet")
    store(path, a_cycle(a_reading("hue:attic", name="Attic"), a_reading(), sightings=(cellar,)))
    store(path, a_cycle(a_reading(at=at(minutes=5)), at=at(minutes=5)))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE device_registry SET is_active = 0 WHERE device_id = 'hue:attic'")
        connection.commit()
    first, later = "2026-11-22T00:55:00+00:00", "2026-11-22T01:00:00+00:00"
    assert inspection.newest_readings(path) == ([
        ("Cellar", "hue:cellar", "hue", None, first), ("Kitchen", "hue:kitchen", "hue", later, first)], later)
    assert inspection.last_cycle(path) == (later, None)


def test_text_that_is_not_utf8_is_a_storage_error(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE device_registry SET location = CAST(x'ff' AS TEXT)")
        connection.commit()
    with pytest.raises(StorageError):
        inspection.newest_readings(path)


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(Unusable):
        inspection.journal_mode(tmp_path)
