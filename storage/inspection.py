"""Facts about the database for the health check, which leaves no trace in it.

The last connection to close moves the -wal into the database, unless it is read-only: so a reader stays open until the
writer has closed.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path

from runtime import files
from runtime.errors import Damaged, Missing, StorageError, Unavailable, Unusable
from storage import cycles, lost_database, manager, owner_sql, schema, sqlite_errors
from storage.backup import read_only
from storage.reading import Cycle, Reading
from storage.state import Witness

LIBRARY_VERSION = sqlite3.sqlite_version_info
BUSY_SECONDS = 1.0  # to wait for another connection
POLL_SECONDS = 0.005
EPOCH = datetime(1970, 1, 2, tzinfo=timezone.utc)
FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")  # a full disk has no room for the -shm, an I/O error to SQLite
TRIAL = "healthcheck"  # the source of a cycle of a device that does not exist
ACTIVE_DEVICES = """
    SELECT
        coalesce(location, device_name, device_id),
        device_id,
        collector,
        (SELECT MAX(timestamp) FROM readings WHERE readings.device_id = device_registry.device_id),
        first_seen
    FROM device_registry
    WHERE is_active = 1
    ORDER BY device_id
"""

CLOCK_OFFSETS = """
    SELECT
        collector,
        clock_offset_seconds,
        MAX(id)
    FROM (SELECT * FROM collection_cycles ORDER BY id DESC LIMIT 50)
    WHERE typeof(clock_offset_seconds) = 'integer'
    GROUP BY collector
"""
# Not of all readings: a device without a battery may have millions. The Hue Bridge, after its own restart, does not know
# a battery for up to two hours: 240 cycles at most.
BATTERY = """
    SELECT battery_level
    FROM (SELECT battery_level FROM readings WHERE device_id = ? ORDER BY timestamp DESC LIMIT 300)
    WHERE typeof(battery_level) IN ('integer', 'real')
    LIMIT 1
"""

LAST_CYCLE = """
    SELECT
        started_at,
        error
    FROM collection_cycles
    ORDER BY id DESC
    LIMIT 1
"""

DeviceReading = tuple[str, str, str | None, str | None, str | None]


def journal_mode(path: Path) -> str:
    with _open(path) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def another_record(path: Path, witness: Witness, configured: Path) -> Missing | None:
    try:
        with _open(path) as connection:
            manager.check_record(connection, configured, witness)
    except Missing as error:
        return error
    except StorageError:  # reported by the check that opens it next
        pass
    return None


def wal_bytes(path: Path) -> int:
    try:
        return os.stat(f"{path}-wal").st_size
    except OSError:  # the last writer has just removed it
        return 0


def owners(path: Path) -> str:
    paths = [path.parent, *(Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm"))]
    return ", ".join(files.owner(item) for item in paths if item.exists())


def try_write(path: Path, wait_seconds: float = BUSY_SECONDS, now: datetime = EPOCH) -> bool:
    """Store a cycle under the writers' lock, without a trace; return whether the schema is up to date. Raise Busy."""
    with _open(path) as reader:
        is_current = not schema.pending(reader, path)
        for query in schema.FORM if is_current else ():
            reader.execute(query)
        with files.locked(manager.lock_path(path), wait_seconds), _open(path, "rw") as writer:
            writer.execute("BEGIN IMMEDIATE")  # closing rolls it back
            if is_current:
                _try_cycle(writer, path, now)
            else:
                writer.execute("PRAGMA user_version = 0")
    return is_current


def _try_cycle(writer: sqlite3.Connection, path: Path, now: datetime) -> None:
    """Store what a cycle would: a reading of each active device, or of one that does not exist."""
    devices = writer.execute("SELECT device_id, device_type FROM device_registry WHERE is_active = 1 "
                             "AND typeof(device_id) = 'text'").fetchall() or [(TRIAL, TRIAL)]
    readings = tuple(Reading(timestamp=now, device_id=device_id, device_type=device_type or TRIAL, temperature_celsius=20.0)
                     for device_id, device_type in devices)
    try:
        cycles.add(writer, Cycle(collector=TRIAL, started_at=now, outcome="ok", readings=readings), 36_500,
                   elapsed_ms=float, has_waited=False)
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF not in sqlite_errors.PERMANENT:
            raise
        raise owner_sql.explain(error, writer, path) from error


def find_damage(path: Path, is_late: Callable[[], bool], is_deep: bool = False) -> str | None:
    """Raise Damaged if the file is; return a sentence if `is_late` ended the search, else None."""
    import threading
    done, interrupted = threading.Event(), threading.Event()
    with _open(path) as connection:
        def watch() -> None:
            while not done.wait(POLL_SECONDS):
                if is_late():
                    interrupted.set()
                    connection.interrupt()
        # SQLite calls no progress handler while it checks the pages of a table, which takes minutes for 10 million rows
        # on an SD card (3.40, 2026), but it does notice an interrupt.
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            result, = connection.execute(f"PRAGMA {'integrity' if is_deep else 'quick'}_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            result = ""
        finally:
            done.set()
            watcher.join()
    if result == "ok":
        return None
    if interrupted.is_set():  # SQLite may report pages as damaged that it had no time to read
        return "no damage found in the time available"
    raise Damaged(f"{path} is damaged or not a database: {' '.join(result.split())} (SQLITE_CORRUPT)",
                  lost_database.replace_remedy())


def newest_readings(path: Path) -> tuple[list[DeviceReading], str | None]:
    """Return (label, id, collector, newest reading, first sighting) of active devices, and the newest timestamp."""
    try:
        with manager.reading(path, busy_timeout_ms=round(BUSY_SECONDS * 1000)) as connection:
            devices: list[DeviceReading] = connection.execute(ACTIVE_DEVICES).fetchall()
            newest, = connection.execute("SELECT MAX(timestamp) FROM readings").fetchone()
    except sqlite3.OperationalError as error:  # Python's own, for text that is not UTF-8
        raise Unavailable(f"the newest readings in {path} cannot be read: {error}") from error
    return devices, newest


def last_cycle(path: Path) -> tuple[str, str | None] | None:
    """Return when the newest cycle started, and its error; None if none ever ran."""
    with manager.reading(path, busy_timeout_ms=round(BUSY_SECONDS * 1000)) as connection:
        row: tuple[str, str | None] | None = connection.execute(LAST_CYCLE).fetchone()
        return row


def clock_offsets(path: Path) -> dict[str, int]:
    """Return by collector how many seconds our clock was ahead of its source's at the last answer."""
    with manager.reading(path, busy_timeout_ms=round(BUSY_SECONDS * 1000)) as connection:
        return {collector: offset for collector, offset, _id in connection.execute(CLOCK_OFFSETS)}


def batteries(path: Path) -> list[tuple[str, str, str | None, int]]:
    """Return (label, id, collector, charge in percent) of the active devices that report one."""
    with manager.reading(path, busy_timeout_ms=round(BUSY_SECONDS * 1000)) as connection:
        return [(label, device_id, collector, level)
                for label, device_id, collector, *_ in connection.execute(ACTIVE_DEVICES).fetchall()
                for level, in connection.execute(BATTERY, (device_id,))]


def seen_devices(path: Path) -> list[tuple[str, str]]:
    """Return id and collector of all devices that a source has listed."""
    with manager.reading(path, busy_timeout_ms=round(BUSY_SECONDS * 1000)) as connection:
        devices: list[tuple[str, str]] = connection.execute("""
            SELECT
                device_id,
                collector
            FROM device_registry
            WHERE collector IS NOT NULL
        """).fetchall()
    return devices


@contextmanager
def _open(path: Path, mode: str = "ro") -> Iterator[sqlite3.Connection]:
    address = f"{read_only(path).removesuffix('ro')}{mode}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            # Holds the reader's place, and fails if the file is not a database.
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield connection
    except sqlite3.Error as error:
        if error.sqlite_errorname in FULL:
            raise Unusable(f"the disk of {path} is full ({error})", files.make_room(path.parent)) from error
        raise sqlite_errors.translate(error, path) from error
