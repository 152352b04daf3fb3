"""The WAL manager: opens the database for one writer or any reader, and adds cycles to it. It does not retry.

Writers take a lock file beside SQLite's own locks: SQLite 3.7.0 to 3.51.2, which nearly every Python of 2026 links, can
lose committed rows when several connections write and checkpoint at once (https://www.sqlite.org/wal.html#walresetbug),
and two processes that convert a fresh file to WAL at once fail. `synchronous` is FULL: with NORMAL a power cut took
every committed row while a second connection was open.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import files
from runtime.errors import Damaged, StorageError, Unfinished, Unusable
from runtime.formats import format_time
from storage import lost_database, schema, sqlite_errors
from storage.state import has_wal, remember_closed

if TYPE_CHECKING:
    from storage.cycles import Stored
    from storage.reading import Cycle
    from storage.registry import Device
    from storage.spool import SpooledCycle
    from storage.state import Witness

log = logging.getLogger(__name__)

Connection = sqlite3.Connection
CHECKPOINT_PAGES = 1000
SYNCHRONOUS = ("off", "normal", "full", "extra")


class Writer(sqlite3.Connection):
    """Its log lines in `later` wait for the end of the lock: one takes seconds while the log cannot be rotated."""

    path: Path
    later: list[Callable[[], None]]


def lock_path(path: Path) -> Path:
    """Return the lock file, the same one for every link to the database."""
    return Path(f"{os.path.realpath(path)}.lock")


@contextmanager
def writing(path: Path, *, wal: bool = True, checkpoint_pages: int = CHECKPOINT_PAGES, busy_timeout_ms: int = 5000,
            adopt: "Callable[[], Iterable[Device]]" = tuple, progress: schema.Progress = lambda step, done, total: None,
            witness: "Witness | None" = None) -> Iterator[Writer]:
    """Open the database for a single writer; create it (unless the witness knows it) or migrate it if necessary.

    `adopt` returns the devices that people named for an earlier program. Raise SQLite's errors as StorageErrors.
    """
    real, seconds = Path(os.path.realpath(path)), busy_timeout_ms / 1000
    later: list[Callable[[], None]] = []
    _ensure_present(path, witness)  # before the lock file is made below a mount point
    try:
        with files.locked(lock_path(path), seconds), _translated(real):
            _ensure_present(path, witness)
            if has_wal(real):
                from storage import stale_wal
                if done := stale_wal.settle(real, progress):
                    later.append(partial(log.critical, "%s", done))
            with closing(sqlite3.connect(real, timeout=seconds, isolation_level=None, factory=Writer)) as connection:
                connection.path, connection.later = real, later
                missing = _missing_migrations(connection, real)
                expected = check_record(connection, path, witness)
                _configure(connection, wal, checkpoint_pages or CHECKPOINT_PAGES)
                _migrate(connection, missing, adopt, progress, expected)
                connection.execute("PRAGMA foreign_keys = ON")
                _log_settings(connection, "wal" if wal else "delete", checkpoint_pages or CHECKPOINT_PAGES)
                yield connection
            remember_closed(real)
    finally:
        for write_line in later:
            write_line()


def _ensure_present(path: Path, witness: "Witness | None") -> None:
    with suppress(OSError):
        if os.stat(path).st_size:
            return
    if witness is not None:
        from storage.witness import ensure_present
        ensure_present(witness, path)


def check_record(connection: sqlite3.Connection, path: Path, witness: "Witness | None") -> str | None:
    """Return the id that the record should have. Raise Missing if it has another."""
    line = witness.line(path) if witness is not None else None
    if line is None or witness is None:
        return None
    if record_id(connection) not in (None, line.record_id):
        from storage.witness import another_record
        raise another_record(witness, path, line)
    return line.record_id


def record_id(connection: sqlite3.Connection) -> str | None:
    try:
        row = connection.execute("SELECT value FROM record WHERE key = 'record_id'").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return None
    return str(row[0]) if row else None


def _missing_migrations(connection: sqlite3.Connection, path: Path) -> range:
    if connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),):
        try:
            for query in schema.FORM:  # another program's version may be the same
                connection.execute(query)
            return range(0)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                raise
    return schema.pending(connection, path)


def _configure(connection: Writer, wal: bool, checkpoint_pages: int) -> None:
    # Off until the migrations are done: dropping a table would empty people's own tables that refer to it.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA synchronous = FULL")
    if files.FULL_SYNC is not None:  # https://www.sqlite.org/pragma.html#pragma_fullfsync
        connection.execute("PRAGMA fullfsync = 1")
        connection.execute("PRAGMA checkpoint_fullfsync = 1")
    connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages:d}")
    try:
        connection.execute(f"PRAGMA journal_mode = {'wal' if wal else 'delete'}")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL):
            raise


def _migrate(connection: Writer, missing: range, adopt: "Callable[[], Iterable[Device]]",
             progress: schema.Progress, record_id: str | None) -> None:
    path = connection.path
    if missing.start > len(schema.MIGRATIONS):  # complete, but perhaps without its number
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS)}")
    for number in missing:
        with transaction(connection):
            if schema.version(connection) >= number:  # another process was first: its lock file had been removed
                continue
            if number in schema.REWRITING and schema.data_tables(connection):
                from storage.backup import back_up
                copy = back_up(path, number, progress)
                # At once, although others wait: the migration may be killed half-way.
                log.warning("migrating database %s to schema %d; %s keeps it as it was", path.name, number, copy)
            messages = schema.apply(connection, number, progress)
            if number == 1:
                from storage import registry
                registry.adopt(connection, adopt())
            if number == schema.RECORD:
                from storage.witness import identify
                identify(connection, record_id)
        connection.later += [partial(log.warning, "database %s: %s", path.name, message) for message in messages]


def _log_settings(connection: Writer, wanted: str, wanted_pages: int) -> None:
    mode, synchronous, pages, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in (
        "journal_mode", "synchronous", "wal_autocheckpoint", "user_version"))
    if mode != wanted:
        connection.later.append(partial(
            log.warning, "database %s: journal_mode stays %s instead of %s (network file systems have no WAL, and "
            "another program that is reading at the moment keeps the mode as it is)", connection.path.name, mode,
            wanted))
    if pages != wanted_pages:
        connection.later.append(partial(log.warning, "database %s: checkpoint every %d pages instead of %d",
                                        connection.path.name, pages, wanted_pages))
    connection.later.append(partial(
        log.info, "database %s: journal_mode %s, synchronous %s, checkpoint every %d pages, schema %d, SQLite %s",
        connection.path.name, mode, SYNCHRONOUS[synchronous], pages, version, sqlite3.sqlite_version))


@contextmanager
def reading(path: Path, *, busy_timeout_ms: int = 5000, witness: "Witness | None" = None,
            owns_wal: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the database read-only; keep transactions short, since long ones make the -wal grow."""
    from storage.backup import read_only
    _ensure_present(path, witness)
    try:
        os.stat(path)
    except FileNotFoundError as error:
        raise Unusable(f"there is no database {path}", lost_database.begin_remedy()) from error
    except OSError as error:
        raise files.translate(error, path) from error
    seconds = busy_timeout_ms / 1000
    if has_wal(path) and not owns_wal:
        from storage import stale_wal
        with _translated(path):
            stale_wal.ensure_own(Path(os.path.realpath(path)), lock_path(path), seconds)
    with _translated(path), closing(
            sqlite3.connect(read_only(path), timeout=seconds, isolation_level=None, uri=True)) as connection:
        connection.execute("PRAGMA query_only = ON")
        missing = _missing_migrations(connection, path)
        check_record(connection, path, witness)
        if missing:
            raise Unfinished(f"{path} has still to be brought up to date", lost_database.migrate_command())
        yield connection


def examine(path: Path) -> None:
    """Under the writers' lock, raise StorageError if the database cannot be used, Damaged if it has to be replaced."""
    from storage import stale_wal
    stale_wal.settle(path, lambda step, done, total: None)
    check_soundness(path, deep=True, owns_wal=True)


def check_soundness(path: Path, deep: bool, owns_wal: bool = False) -> None:
    """Raise Damaged for damaged pages or another form; `deep` compares the indexes with their tables, too."""
    with reading(path, owns_wal=owns_wal) as connection:
        results = [text for text, in connection.execute(f"PRAGMA {'integrity' if deep else 'quick'}_check(1)")]
        if results != ["ok"]:
            raise Damaged(f"{path} is damaged: {results[0]}", lost_database.replace_remedy())
        for query in schema.FORM:
            connection.execute(query)


def add_cycles(connection: Writer, entries: "Sequence[SpooledCycle]", *, keep_days: int,
               own: "SpooledCycle | None" = None,
               elapsed_ms: Callable[[], float] = float) -> "list[Stored | StorageError]":
    """Add cycles in one short transaction; return for each what was stored, or why the database refuses it.

    All but `own`, whose duration is `elapsed_ms`, have waited in the spool. Other errors are raised, with nothing
    stored.
    """
    from storage.cycles import Stored, add  # only where cycles are stored
    results: list[Stored | StorageError] = []
    with transaction(connection):
        for entry in entries:
            connection.execute("SAVEPOINT cycle")
            try:
                results.append(add(
                    connection, entry.cycle, keep_days, has_waited=entry is not own,
                    elapsed_ms=elapsed_ms if entry is own else partial(float, entry.duration_ms)))
            except (sqlite3.Error, ArithmeticError, ValueError, Unusable) as error:
                results.append(_refusal(error, connection))
                connection.execute("ROLLBACK TO cycle")
            connection.execute("RELEASE cycle")
    for entry, result in zip(entries, results):
        if isinstance(result, Stored):
            _warn(connection, entry.cycle, result)
    return results


def _refusal(error: Exception, connection: Writer) -> StorageError:
    """Return why the database refuses a cycle; raise what another cycle would meet too."""
    if isinstance(error, StorageError):
        return error
    if not isinstance(error, sqlite3.Error) or not hasattr(error, "sqlite_errorcode"):
        return Unusable(f"no database can hold such values: {error}", "report it, with data/spool.journal")
    if error.sqlite_errorcode & 0xFF not in sqlite_errors.PERMANENT:
        raise error
    from storage import owner_sql
    explained = owner_sql.explain(error, connection, connection.path)
    if not connection.in_transaction:  # a trigger has rolled back
        raise explained from error
    return explained


def _warn(connection: Writer, cycle: "Cycle", stored: "Stored") -> None:
    if len(stored.readings) < len(cycle.readings):
        connection.later.append(partial(
            log.warning, "%s reported a device more than once in a cycle; the first value counts", cycle.collector))
    if stored.moved_seconds:
        connection.later.append(partial(
            log.warning, "%s: other values have the second %s (was the clock set back?); stored %d s later",
            cycle.collector, format_time(cycle.started_at), stored.moved_seconds))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Take SQLite's write lock at once; commit at the end, roll back on any error."""
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
        if not hasattr(error, "sqlite_errorcode"):  # raised by Python's module: a mistake in our code
            raise
        raise sqlite_errors.translate(error, path) from error
