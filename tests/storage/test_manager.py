import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runtime.commands import update_command
from runtime.errors import Busy, Damaged, Unavailable, Unusable
from runtime.files import locked
from storage import manager, schema, sqlite_errors
from tests.home import as_printed
from tests.storage.samples import a_cycle, a_reading, add, assert_refused, in_a_process, rows, store

NOBODY = 65534


@pytest.mark.parametrize("configured, pages", [(0, 1000), (250, 250)])
def test_every_opening_verifies_its_settings_and_logs_them(
        database: Path, caplog: pytest.LogCaptureFixture, configured: int, pages: int) -> None:
    """FR-001."""
    caplog.set_level(logging.INFO, "storage")
    with manager.writing(database, checkpoint_pages=configured, busy_timeout_ms=1234) as connection:
        settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in (
            "journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint", "busy_timeout")}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "wal_autocheckpoint": pages,
                        "busy_timeout": 1234}
    assert caplog.messages == [f"database readings.db: journal_mode wal, synchronous full, checkpoint every "
                               f"{pages} pages, schema {len(schema.MIGRATIONS)}, SQLite {sqlite3.sqlite_version}"]


def test_a_checkpoint_interval_that_sqlite_does_not_take_is_a_warning(
        database: Path, caplog: pytest.LogCaptureFixture) -> None:
    """FR-002."""
    with manager.writing(database, checkpoint_pages=2 ** 40):
        pass
    assert "checkpoint every" in caplog.messages[0] and f"instead of {2 ** 40}" in caplog.messages[0]


def test_a_migration_that_rewrites_no_row_makes_no_copy(database: Path) -> None:
    database.parent.mkdir()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        schema.apply(connection, 1, lambda step, done, total: None)
        connection.execute("INSERT INTO collection_cycles (collector, started_at, outcome) VALUES ('hue', '2026-11', 'ok')")
    store(database, a_cycle(a_reading(), clock_offset_seconds=5))
    assert [row["clock_offset_seconds"] for row in rows(database, "SELECT * FROM collection_cycles")] == [None, 5]
    assert sorted(path.name for path in database.parent.iterdir()) == [
        "readings.db", "readings.db.closed", "readings.db.lock"]


class LockingHandler(logging.Handler):
    """Takes the database's lock for every line, to prove that the writer has released it."""

    def __init__(self, database: Path) -> None:
        super().__init__()
        self.database = database
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with locked(manager.lock_path(self.database), 0):
            assert not self.database.with_name(f"{self.database.name}-wal").exists()
            self.lines.append(record.getMessage())


@pytest.fixture
def handler(database: Path, caplog: pytest.LogCaptureFixture) -> Iterator[LockingHandler]:
    caplog.set_level(logging.INFO, "storage")
    locking = LockingHandler(database)
    logging.getLogger("storage").addHandler(locking)
    yield locking
    logging.getLogger("storage").removeHandler(locking)


def test_nothing_is_logged_while_others_wait_for_the_lock(database: Path, handler: LockingHandler) -> None:
    store(database, a_cycle(a_reading(), a_reading(temperature_celsius=9.0)))
    opened, twice = handler.lines
    assert opened.startswith("database readings.db: journal_mode wal") and "more than once" in twice


def test_log_lines_are_written_after_an_error_too(database: Path, handler: LockingHandler) -> None:
    with pytest.raises(LookupError), manager.writing(database) as connection:
        add(connection, a_cycle(a_reading(), a_reading()))
        raise LookupError
    assert len(handler.lines) == 2


def test_wal_can_be_switched_off_and_on(database: Path) -> None:
    store(database, a_cycle(a_reading()))
    with manager.writing(database, wal=False) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    store(database)
    assert rows(database, "PRAGMA journal_mode") == [{"journal_mode": "wal"}]


def test_a_file_system_without_wal_is_reported_and_used(
        database: Path, monkeypatch: pytest.MonkeyPatch, handler: LockingHandler) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def connect_without_shared_memory(path: Path, **options: Any) -> sqlite3.Connection:
        return connect(f"{path.as_uri()}?vfs=unix-none", uri=True, **options)
    monkeypatch.setattr(sqlite3, "connect", connect_without_shared_memory)
    store(database, a_cycle(a_reading()))
    monkeypatch.setattr(sqlite3, "connect", connect)
    assert handler.lines[0].startswith("database readings.db: journal_mode stays delete instead of wal")
    assert len(rows(database)) == 1


def test_a_reader_in_the_way_of_a_change_of_mode_does_not_stop_the_storing(
        database: Path, caplog: pytest.LogCaptureFixture) -> None:
    store(database, a_cycle(a_reading()))
    with manager.reading(database) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM readings").fetchall()
        with manager.writing(database, wal=False, busy_timeout_ms=50) as connection:
            add(connection, a_cycle(a_reading("hue:hall")))
    assert "journal_mode stays wal instead of delete" in caplog.text
    assert len(rows(database)) == 2


def test_only_one_writer_has_the_database_open(database: Path, tmp_path: Path) -> None:
    """FR-003."""
    (tmp_path / "link.db").symlink_to(database)
    with manager.writing(database):
        for name in (database, tmp_path / "link.db"):
            with pytest.raises(Busy), manager.writing(name, busy_timeout_ms=10):
                pytest.fail("two writers")


def test_the_lock_is_free_again_after_an_error(database: Path) -> None:
    with pytest.raises(ZeroDivisionError), manager.writing(database):
        raise ZeroDivisionError
    with locked(manager.lock_path(database), 0):
        pass


def test_a_database_locked_by_another_program_is_busy_after_the_timeout(database: Path) -> None:
    store(database)
    with manager.writing(database, busy_timeout_ms=100) as connection:
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (100,)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(Busy, match="another process"):
            with manager.writing(database, busy_timeout_ms=100) as connection:
                add(connection, a_cycle(a_reading()))
        assert time.monotonic() - started > 0.09
    assert store(database, a_cycle(a_reading()))== [(1, 0)]


@pytest.mark.parametrize("name", ["what?.db", "a#b.db", "100%.db", "with space.db", "it's.db", "küche.db"])
def test_any_file_name_can_be_written_and_read(tmp_path: Path, name: str) -> None:
    store(tmp_path / name, a_cycle(a_reading()))
    with manager.reading(tmp_path / name) as connection:
        assert connection.execute("SELECT COUNT(*) FROM readings").fetchone() == (1,)
    assert {file.removesuffix("-wal").removesuffix("-shm") for file in os.listdir(tmp_path)} == {
        name, f"{name}.lock", f"{name}.closed"}


def test_a_reader_sees_what_is_stored_meanwhile_and_changes_nothing(database: Path) -> None:
    store(database, a_cycle(a_reading()))
    with manager.reading(database) as connection:
        store(database, a_cycle(a_reading("hue:hall")))
        assert connection.execute("SELECT COUNT(*) FROM readings").fetchone() == (2,)
        with pytest.raises(sqlite3.OperationalError):
            connection.execute("DELETE FROM readings")


def test_a_reader_creates_no_database(database: Path) -> None:
    with pytest.raises(Unusable, match="there is no database") as caught, manager.reading(database):
        pass
    assert as_printed("python healthcheck.py") in caught.value.remedy and not database.parent.exists()


def test_a_reader_waits_for_a_writer_to_bring_a_database_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "readings.db").touch()
    with pytest.raises(Unavailable, match="up to date") as caught, manager.reading(tmp_path / "readings.db"):
        pass
    assert caught.value.remedy == as_printed("python devices.py migrate")


@pytest.mark.parametrize("content", [
    b"hello", b"\0" * 100, b"temperature,20\n" * 500, b"SQLite format 3\0" + b"?" * 5000])
def test_a_file_that_is_no_database_needs_a_human_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "readings.db"
    path.write_bytes(content)
    for opening in (manager.writing, manager.reading):
        with pytest.raises(Unusable, match="not a database") as caught, opening(path):
            pass
        assert "restore FILE" in caught.value.remedy
    assert path.read_bytes() == content


def test_a_damaged_page_needs_a_human(database: Path) -> None:
    store(database, a_cycle(*(a_reading(f"hue:{n}", raw_response="x" * 500) for n in range(100))))
    size = database.stat().st_size
    database.write_bytes(database.read_bytes()[:8192] + b"\xff" * (size - 8192))
    with pytest.raises(Unusable, match="damaged"), manager.writing(database) as connection:
        connection.execute("SELECT * FROM readings").fetchall()


@pytest.mark.parametrize("wal", [True, False])
def test_a_database_of_a_newer_program_needs_a_human_and_stays_as_it_is(tmp_path: Path, wal: bool) -> None:
    path = tmp_path / "readings.db"
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA journal_mode = {'wal' if wal else 'delete'}")
        newer.execute("CREATE TABLE readings (surprise)")
        newer.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    assert_refused(path, "newer version", update_command())


def test_a_full_disk_is_for_the_next_cycle_and_leaves_nothing_half_stored(database: Path) -> None:
    store(database, a_cycle(a_reading()))
    many = a_cycle(*(a_reading(f"hue:{n}", raw_response="x" * 2000) for n in range(100)))
    with pytest.raises(Unavailable, match="SQLITE_FULL.*is the disk full") as caught:
        with manager.writing(database) as connection:
            connection.execute("PRAGMA max_page_count = 12")
            add(connection, many)
    assert type(caught.value) is Unavailable and len(rows(database)) == 1
    assert store(database, many)== [(100, 0)]


def test_a_disk_without_room_for_the_shared_memory_is_for_the_next_cycle_too(database: Path) -> None:
    store(database)

    def store_without_room() -> None:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        store(database, a_cycle(a_reading()))
    kind, text, _ = in_a_process(store_without_room)
    assert kind == "Unavailable" and "SQLITE_IOERR" in text


@pytest.mark.parametrize("shut, mode, advice", [
    ("", 0o555, "chmod u+rwx {folder}"),
    ("readings.db", 0o444, "chmod u+rw {folder}/readings.db*"),
    ("readings.db.lock", 0, "chmod u+rw {folder}/readings.db.lock*"),
])
def test_a_missing_permission_comes_with_the_command_that_gives_it(
        shared_folder: Path, shut: str, mode: int, advice: str) -> None:
    path = shared_folder / "readings.db"
    store(path, a_cycle(a_reading()))
    if os.geteuid() == 0:
        for owned in (shared_folder, *shared_folder.iterdir()):
            os.chown(owned, NOBODY, NOBODY)
    if not shut:
        manager.lock_path(path).unlink()
    (shared_folder / shut).chmod(mode)
    kind, text, remedy = in_a_process(lambda: store(path, a_cycle(a_reading("hue:hall"))), user=NOBODY)
    assert kind == "Unusable" and str(path) in text
    assert remedy.startswith("sudo chown ") and advice.format(folder=shared_folder) in remedy
    shared_folder.chmod(0o755)
    assert len(rows(path)) == 1


def test_a_reader_in_a_closed_folder_is_told_so(shared_folder: Path) -> None:
    store(shared_folder / "readings.db")
    shared_folder.chmod(0o500 if os.geteuid() == 0 else 0)

    def read() -> None:
        with manager.reading(shared_folder / "readings.db"):
            pass
    kind, text, remedy = in_a_process(read, user=NOBODY)
    assert (kind, remedy.split()[0]) == ("Unusable", "sudo") and "Permission denied" in text


def test_a_folder_in_the_databases_place_needs_a_human(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="is a folder, not a database"), manager.writing(tmp_path):
        pass


def test_mistakes_in_the_program_are_not_taken_for_database_errors(database: Path) -> None:
    with pytest.raises(sqlite3.ProgrammingError), manager.writing(database) as connection:
        connection.execute("SELECT ?", ())


def test_a_database_of_another_form_needs_a_human(database: Path) -> None:
    store(database)
    with manager.writing(database) as connection:
        connection.execute("ALTER TABLE collection_cycles RENAME COLUMN outcome TO result")
    with pytest.raises(Unusable, match="no such column: outcome") as caught:
        store(database, a_cycle(a_reading()))
    assert "does not have the form this program expects" in str(caught.value)
    assert as_printed("python devices.py accept-new-database") in caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to make a file of root's")
def test_a_lock_file_that_root_made_does_not_lock_the_cron_user_out(shared_folder: Path) -> None:
    path = shared_folder / "readings.db"
    os.chown(shared_folder, NOBODY, NOBODY)
    with locked(manager.lock_path(path), 0):
        pass
    assert in_a_process(lambda: store(path, a_cycle(a_reading())), user=NOBODY) == [(1, 0)]
    os.chown(manager.lock_path(path), 0, 0)
    kind, text, remedy = in_a_process(lambda: store(path), user=NOBODY)
    assert kind == "Unusable" and "readings.db.lock" in text and remedy.startswith(f"sudo chown {NOBODY} ")


@pytest.mark.parametrize("name, kind", [
    ("SQLITE_BUSY_SNAPSHOT", Busy), ("SQLITE_LOCKED", Busy), ("SQLITE_FULL", Unavailable),
    ("SQLITE_NOMEM", Unavailable), ("SQLITE_IOERR_SHMSIZE", Unavailable), ("SQLITE_PROTOCOL", Unavailable),
    ("SQLITE_CANTOPEN", Unavailable), ("SQLITE_READONLY", Unavailable), ("SQLITE_INTERRUPT", Unavailable),
    ("SQLITE_ERROR", Damaged), ("SQLITE_CONSTRAINT_NOTNULL", Damaged), ("SQLITE_MISMATCH", Damaged),
    ("SQLITE_SCHEMA", Damaged), ("SQLITE_TOOBIG", Damaged), ("SQLITE_RANGE", Damaged), ("SQLITE_MISUSE", Damaged),
    ("SQLITE_READONLY_DIRECTORY", Unusable), ("SQLITE_PERM", Unusable), ("SQLITE_AUTH", Unusable),
    ("SQLITE_CORRUPT_INDEX", Damaged), ("SQLITE_NOTADB", Damaged)])
def test_errors_are_translated_by_their_code_and_never_by_their_text(tmp_path: Path, name: str, kind: type) -> None:
    error = sqlite3.OperationalError("database is locked, full, malformed and readonly")
    error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, name), name
    named = sqlite_errors.translate(error, tmp_path / "readings.db")
    assert type(named) is kind and name in str(named) and str(tmp_path / "readings.db") in str(named)
    assert bool(named.remedy) == (issubclass(kind, Unusable) or name == "SQLITE_READONLY")
