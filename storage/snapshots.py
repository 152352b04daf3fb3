"""Copies the database while collectors write to it, and proves the copy."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from runtime import files
from runtime.errors import Damaged, Unavailable
from storage import manager, sqlite_errors
from storage.backup import read_only
from storage.state import Witness

OF_TARGET = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
UP_TO = "SELECT COUNT(*) FROM readings WHERE id <= ?"


class Contents(NamedTuple):
    readings: int
    newest_id: int


def copy(database: Path, target: Path, busy_timeout_ms: int, witness: Witness | None) -> Contents:
    """Make the target a verified, synced copy, mode 0600; collectors go on. Raise a StorageError or OSError.

    What a failure leaves of the target is for the caller to remove.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # SQLite would make it 0644
    with manager.reading(database, busy_timeout_ms=busy_timeout_ms, witness=witness) as connection:
        before = _contents(connection)
        _write(connection, target, database)
        contents = _examine(target)
        count, = connection.execute(UP_TO, (contents.newest_id,)).fetchone()
    if contents.readings != count or contents.newest_id < before.newest_id:
        raise Unavailable(f"readings were deleted from {database} while it was copied")
    files.sync(target)
    return contents


def _write(connection: sqlite3.Connection, target: Path, database: Path) -> None:
    connection.execute("PRAGMA query_only = OFF")  # also covers the target; the database itself is opened read-only
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        at_fault = target if error.sqlite_errorcode & 0xFF in OF_TARGET else database
        raise sqlite_errors.translate(error, at_fault) from error


def _examine(copied: Path) -> Contents:
    with closing(sqlite3.connect(read_only(copied), uri=True)) as connection:
        result, = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if result != "ok":
            raise Damaged(f"the copy of the database is damaged: {result}", "replace the disk that it is on")
        return _contents(connection)


def _contents(connection: sqlite3.Connection) -> Contents:
    return Contents(*connection.execute("SELECT COUNT(*), coalesce(MAX(id), 0) FROM readings").fetchone())
