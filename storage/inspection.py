"""What the health check asks of the database, without leaving a trace in it: settings, a trial write, damage, freshness.

Nothing is created. The last connection to close an SQLite database moves the -wal into it, which a check must not do:
a reader therefore stays open until the writer has closed, and read-only connections never do it. SQLite's own -wal and
-shm may remain, empty.

It does not judge: what a fact means is up to health/.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import files
from runtime.errors import Damaged, StorageError, Unavailable, Unusable
from storage import manager, schema
from storage.backup import read_only

if TYPE_CHECKING:
    import threading

BUSY_SECONDS = 1.0  # to wait for another connection
POLL_SECONDS = 0.005
FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")  # a full disk has no room for the -shm either: SQLite says I/O error
TRIAL = """
    INSERT INTO readings (timestamp, device_id, device_type, created_at)
    VALUES ('', 'healthcheck', 'healthcheck', '')
"""
ACTIVE_DEVICES = """
    SELECT
        coalesce(location, device_name, device_id),
        device_id,
        collector,
        coalesce((SELECT MAX(timestamp) FROM readings WHERE readings.device_id = device_registry.device_id), first_seen)
    FROM device_registry
    WHERE is_active = 1
    ORDER BY device_id
"""

DeviceReading = tuple[str, str, str | None, str | None]


def journal_mode(path: Path) -> str:
    """Return SQLite's name of the mode, such as `wal` or `delete`."""
    with _open(path) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def wal_bytes(path: Path) -> int:
    """Return the size of the -wal, 0 if there is none."""
    try:
        return os.stat(f"{path}-wal").st_size
    except OSError:  # the last writer has just removed it
        return 0


def owners(path: Path) -> str:
    """Return owner and mode of the database, of its -wal and -shm, and of their folder."""
    paths = [path.parent, *(Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm"))]
    return ", ".join(files.owner(item) for item in paths if item.exists())


def try_write(path: Path, wait_seconds: float = BUSY_SECONDS) -> bool:
    """Insert a row under the writers' lock and roll it back. Return whether the schema is up to date.

    In an older schema only the header is written. Raise Busy if another process holds the lock for longer than
    `wait_seconds`, other StorageErrors for a database that is not one of ours or cannot be written.
    """
    with _open(path) as reader:
        is_current = not schema.pending(reader, path)
        for query in schema.FORM if is_current else ():
            reader.execute(query)
        with files.locked(manager.lock_path(path), wait_seconds), _open(path, "rw") as writer:
            writer.execute("BEGIN IMMEDIATE")
            try:
                writer.execute(TRIAL if is_current else "PRAGMA user_version = 0")
            finally:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
    return is_current


def find_damage(path: Path, is_late: Callable[[], bool]) -> str | None:
    """Search the whole file for damage until `is_late`. Return None, or a sentence if there was no time for all of it.

    Raise Damaged if some is found.
    """
    with _open(path) as connection, _interrupting(connection, is_late) as interrupted:
        try:
            result, = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            result = ""
    if result == "ok":
        return None
    if interrupted.is_set():  # and SQLite may report pages as damaged that it had no time to read
        return "no damage found in the time available"
    raise Damaged(f"{path} is damaged or not a database: {' '.join(result.split())} (SQLITE_CORRUPT)",
                  manager.REPLACE)


def newest_readings(path: Path) -> tuple[list[DeviceReading], str | None]:
    """Return (label, device id, collector, timestamp) of every active device, and the newest timestamp of all readings.

    A device without readings has the time of its first sighting.
    """
    try:
        with manager.reading(path, busy_timeout_ms=round(BUSY_SECONDS * 1000)) as connection:
            devices: list[DeviceReading] = connection.execute(ACTIVE_DEVICES).fetchall()
            newest, = connection.execute("SELECT MAX(timestamp) FROM readings").fetchone()
    except sqlite3.OperationalError as error:  # from Python's own module, such as for text that is not UTF-8
        raise Unavailable(f"the newest readings in {path} cannot be read: {error}") from error
    return devices, newest


@contextmanager
def _open(path: Path, mode: str = "ro") -> Iterator[sqlite3.Connection]:
    """Open the database, never create one. Raise StorageError for SQLite's errors."""
    address = f"{read_only(path).removesuffix('ro')}{mode}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            # Registers the reader, and finds out whether the file is a database at all.
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield connection
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.Error, path: Path) -> StorageError:
    if error.sqlite_errorname in FULL:
        return Unusable(f"the disk of {path} is full ({error})", files.make_room(path.parent))
    return manager.translate(error, path)


@contextmanager
def _interrupting(connection: sqlite3.Connection, is_late: Callable[[], bool]) -> "Iterator[threading.Event]":
    """Interrupt what the connection does once `is_late`, and set the event.

    From a thread: SQLite does not call a progress handler while it checks the pages of a table, which takes seconds for
    10 million rows and minutes on an SD card (3.40, 2026), but it does notice an interrupt.
    """
    import threading
    done, interrupted = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(POLL_SECONDS):
            if is_late():
                interrupted.set()
                connection.interrupt()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield interrupted
    finally:
        done.set()
        watcher.join()
