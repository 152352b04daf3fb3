"""The WAL manager: opens the database for one writer or for any reader, and stores what a cycle brought home.

Writers take a lock file beside SQLite's own locks: SQLite 3.7.0 to 3.51.2 can lose committed rows when several
connections write and checkpoint at once (https://www.sqlite.org/wal.html#walresetbug), nearly every Python of 2026
links such a version, and two processes that convert a fresh file to WAL at once fail outright. `synchronous` is FULL:
with NORMAL a power cut took every committed row as long as a second connection was open.

It never tries again (its callers do), never asks what time it is, and never opens the files but through SQLite.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import files
from runtime.errors import Busy, Damaged, StorageError, Unavailable, Unusable
from runtime.formats import format_time
from storage import lost_database, schema
from storage.backup import back_up, read_only

if TYPE_CHECKING:
    from storage.cycles import Stored
    from storage.reading import Cycle
    from storage.spool import SpooledCycle

log = logging.getLogger(__name__)

CHECKPOINT_PAGES = 1000
SYNCHRONOUS = ("off", "normal", "full", "extra")
BEGIN_ANEW = f"put a good copy in its place, or set it aside and begin a new one: {lost_database.ACCEPT}"
PERMANENT = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_SCHEMA,
             sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_MISUSE)
FORBIDDEN = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)


class Writer(sqlite3.Connection):
    """The only writer's connection, with the log lines that wait in `later` until the lock is free.

    A line takes seconds where the log is to be rotated and cannot be, and all other writers would wait with it.
    """

    later: list[Callable[[], None]]


def lock_path(path: Path) -> Path:
    """Return the lock file of a database: the same one, whatever links lead to it."""
    return Path(f"{os.path.realpath(path)}.lock")


@contextmanager
def writing(path: Path, *, wal: bool = True, checkpoint_pages: int = CHECKPOINT_PAGES, busy_timeout_ms: int = 5000,
            adopt: "schema.Adopt | None" = None, progress: schema.Progress | None = None,
            sleep: Callable[[float], None] | None = None, marker: Path | None = None) -> Iterator[Writer]:
    """Open the database for its only writer of the moment; create or migrate it if need be.

    `adopt` is asked once in a database's life, for the devices that people named before; where the file `marker` is,
    none is created. Raise Busy after waiting `busy_timeout_ms` for another writer; raise other troubles, the block's
    own included, as a StorageError.
    """
    real, seconds = Path(os.path.realpath(path)), busy_timeout_ms / 1000
    later: list[Callable[[], None]] = []
    try:
        with files.locked(lock_path(path), seconds, sleep), _translated(real), closing(
                _connect(real, seconds, marker)) as connection:
            connection.later = later
            pending = schema.pending(connection, real)
            _configure(connection, real, wal, checkpoint_pages or CHECKPOINT_PAGES)
            _migrate(connection, real, pending, adopt or tuple, progress or _unseen)
            connection.execute("PRAGMA foreign_keys = ON")
            _tell(connection, real)
            yield connection
    finally:
        for tell in later:
            tell()


def _connect(path: Path, seconds: float, marker: Path | None) -> Writer:
    if marker is not None:
        lost_database.check(path, marker)
    return sqlite3.connect(path, timeout=seconds, isolation_level=None, factory=Writer)


def _configure(connection: Writer, path: Path, wal: bool, checkpoint_pages: int) -> None:
    # Off until the migrations are through: dropping a table would empty people's own tables that refer to it.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages:d}")
    wanted = "wal" if wal else "delete"
    mode = _set_journal_mode(connection, wanted)
    if mode != wanted:
        connection.later.append(partial(
            log.warning, "database %s: journal_mode stays %s, %s was asked for (a network file system knows no WAL, "
            "and any other program that reads at this moment keeps the mode as it is)", path.name, mode, wanted))


def _set_journal_mode(connection: sqlite3.Connection, wanted: str) -> str:
    try:
        return str(connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
            raise
    return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def _migrate(connection: Writer, path: Path, pending: range, adopt: schema.Adopt, progress: schema.Progress) -> None:
    """Bring the schema up to date, a transaction for each step, after one copy of what is there.

    That it begins is logged at once, though others wait: it takes its time in any case, and may be killed half-way.
    """
    for number in pending:
        with transaction(connection):
            if schema.version(connection) >= number:  # another process came first, its lock being a removed file's
                continue
            if number == pending[0] and schema.needs_copy(connection):
                copy = back_up(path, number, progress)
                log.warning("database %s is brought to schema %d; as it was, it is kept in %s", path.name, number, copy)
            told = schema.apply(connection, number, adopt, progress)
        connection.later += [partial(log.warning, "database %s: %s", path.name, each) for each in told]


def _unseen(step: str, done: int, total: int) -> None:
    """Show nobody how far a migration is."""


def _tell(connection: Writer, path: Path) -> None:
    mode, = connection.execute("PRAGMA journal_mode").fetchone()
    synchronous, = connection.execute("PRAGMA synchronous").fetchone()
    connection.later.append(partial(
        log.info, "database %s: journal_mode %s, synchronous %s, schema %d, SQLite %s", path.name, mode,
        SYNCHRONOUS[synchronous], schema.version(connection), sqlite3.sqlite_version))


@contextmanager
def reading(path: Path, *, busy_timeout_ms: int = 5000, marker: Path | None = None) -> Iterator[sqlite3.Connection]:
    """Open the database for reading beside its writers; long transactions would keep its -wal growing.

    Raise Unusable where there is none (as gone, where the file `marker` is), Unavailable for one that a writer has
    still to bring up to date.
    """
    if marker is not None:
        lost_database.check(path, marker)
    try:
        os.stat(path)
    except FileNotFoundError as error:
        raise Unusable(f"there is no database {path}", "run a collector, or correct storage.database_path") from error
    except OSError as error:
        raise files.translate(error, path) from error
    with _translated(path), closing(sqlite3.connect(read_only(path), uri=True, timeout=busy_timeout_ms / 1000,
                                                    isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only = ON")
        if schema.pending(connection, path):
            raise Unavailable(f"{path} has still to be brought up to date", "python devices.py migrate")
        yield connection


def examine(path: Path) -> None:
    """Raise StorageError where the database cannot be used, Damaged where it has to be replaced; change nothing."""
    with reading(path) as connection:
        found = [text for text, in connection.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise Damaged(f"{path} is damaged: {found[0]}", BEGIN_ANEW)
        for query in schema.FORM:
            connection.execute(query)


def add(connection: Writer, cycle: "Cycle", *, elapsed_ms: Callable[[], float], keep_days: int) -> "Stored":
    """Store all that a cycle brought home in one short transaction, or nothing; adding it twice is harmless.

    A device has one reading in a cycle, the first told. Where its second is taken by another value (a clock was set
    back), all the cycle's readings move on to the next free one. `elapsed_ms` is asked last, just before the commit.
    """
    from storage import cycles  # for those alone that write
    rows, sightings = cycles.prepare(cycle)
    if len(rows) < len(cycle.readings):
        connection.later.append(partial(
            log.warning, "%s told of a device more than once in a cycle; the first value counts", cycle.collector))
    with transaction(connection):
        stored = cycles.write(connection, cycle, rows, sightings, elapsed_ms, keep_days)
    _tell_moved(connection, cycle, stored)
    return stored


def _tell_moved(connection: Writer, cycle: "Cycle", stored: "Stored") -> None:
    if stored.moved_seconds:
        connection.later.append(partial(
            log.warning, "%s: other values have the second %s (was the clock set back?); these stand %d s later",
            cycle.collector, format_time(cycle.started_at), stored.moved_seconds))


def add_waiting(connection: Writer, waiting: "Iterable[SpooledCycle]", *,
                keep_days: int) -> "tuple[list[SpooledCycle], StorageError | None]":
    """Store cycles that waited in the spool, in one transaction; return the stored ones and why others are refused.

    One that the database refuses for what it is must not keep the others waiting.
    """
    from storage import cycles
    stored, refusal = [], None
    with transaction(connection):
        for each in waiting:
            try:
                with _savepoint(connection):
                    done = cycles.write(connection, each.cycle, *cycles.prepare(each.cycle), lambda: each.duration_ms,
                                        keep_days, has_waited=True)
            except (sqlite3.Error, ArithmeticError, ValueError) as error:
                if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF not in PERMANENT:
                    raise
                refusal = Unusable(
                    f"the database refuses the cycle of {each.cycle.collector} of {format_time(each.cycle.started_at)}, "
                    f"which waits in the spool: {error}", "report it, with data/spool.journal")
            else:
                stored.append(each)
                _tell_moved(connection, each.cycle, done)
    return stored, refusal


@contextmanager
def _savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("SAVEPOINT cycle")
    is_whole = False
    try:
        yield
        is_whole = True
    finally:
        if connection.in_transaction:
            if not is_whole:
                connection.execute("ROLLBACK TO cycle")
            connection.execute("RELEASE cycle")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold SQLite's write lock from the first statement on; commit at the end, or roll back on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if not hasattr(error, "sqlite_errorcode"):  # raised by Python's module: a mistake of ours, not SQLite's trouble
            raise
        raise translate(error, path) from error


def translate(error: sqlite3.Error, path: Path) -> StorageError:
    """Given what SQLite said, return it named by what can be done next (https://www.sqlite.org/rescode.html)."""
    if path.is_dir():
        return Unusable(f"{path} is a folder, not a database", "set storage.database_path in config.yaml to a file")
    code = error.sqlite_errorcode & 0xFF
    reason = f"{error} ({error.sqlite_errorname})"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(f"another process holds {path}: {reason}")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Damaged(f"{path} is damaged or not a database: {reason}", BEGIN_ANEW)
    if code in PERMANENT:
        return Damaged(f"{path} does not have the form this program expects: {reason}", BEGIN_ANEW)
    # What SQLite cannot open for writing, for whatever reason, it opens for reading, and finds it read-only then.
    may_pass = code == sqlite3.SQLITE_CANTOPEN or error.sqlite_errorcode == sqlite3.SQLITE_READONLY
    if not files.permitted(path) if may_pass else code in FORBIDDEN:
        return Unusable(f"not permitted to use {path}: {reason}", files.chown_file_command(path))
    # A disk without room lets nobody create the -shm file, which SQLite calls an I/O error.
    hint = "; is the disk full?" if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) else ""
    return Unavailable(f"{path} cannot be used now: {reason}{hint}")
