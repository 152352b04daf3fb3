"""Puts a backup in the place of the database, which is set aside."""

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from runtime.errors import Damaged, Unusable
from runtime.files import sync
from runtime.formats import format_time
from storage import backup, lost_database, manager, record, schema, sqlite_errors
from storage.state import Line, Witness
from storage.witness import renew_or_log

ANOTHER = "take another backup"
ONLY_OLD = """
    SELECT COUNT(*)
    FROM old.readings
    WHERE NOT EXISTS (SELECT 1 FROM main.readings AS new
                      WHERE new.device_id = old.readings.device_id AND new.timestamp = old.readings.timestamp)
"""


class Restored(NamedTuple):
    """`only_old` is the number of readings that only the old database has, None if it cannot be read."""

    readings: int
    newest: str | None
    set_aside: list[Path]
    only_old: int | None


def restore(source: Path, configured: Path, witness: Witness, now: datetime, progress: schema.Progress) -> Restored:
    """Replace the database under the caller's lock. Raise a StorageError or OSError; then nothing was changed."""
    database, line = Path(os.path.realpath(configured)), witness.line(configured)
    new = database.with_name(f"{database.name}.restoring")
    try:
        _examine(source, database)
        backup.copy(source, new, progress)
        _identify_anew(new, line)
        readings, newest = _count(new)
    except sqlite3.Error as error:
        explained = sqlite_errors.translate(error, source)
        if isinstance(explained, Damaged):  # its remedy is about the database, which is as it was
            raise Damaged(str(explained), ANOTHER) from error
        raise explained from error
    only_old = 0 if lost_database.is_gone(database) else _only_old(new, database)
    set_aside = lost_database.move_aside(database, f"{now:%Y%m%dT%H%M%SZ}")
    os.rename(new, database)
    sync(database.parent)
    with closing(sqlite3.connect(backup.readable(database), uri=True)) as connection:
        if manager.record_id(connection) is not None:
            renew_or_log(witness, connection, configured, format_time(now))
    return Restored(readings, newest, set_aside, only_old)


def _examine(source: Path, database: Path) -> None:
    if not source.is_file():
        raise Unusable(f"{source} is not a file", "give the path of a backup, such as one that snapshot made")
    if database.exists() and source.samefile(database):
        raise Unusable(f"{source} is the database itself", "give the path of a backup")
    with closing(sqlite3.connect(backup.readable(source), uri=True)) as connection:
        schema.pending(connection, source)
        if "readings" not in schema.data_tables(connection):
            raise Unusable(f"{source} holds no readings", "give the path of a backup")
        result, = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if result != "ok":
            raise Damaged(f"{source} is damaged: {result}", ANOTHER)


def _identify_anew(new: Path, line: Line | None) -> None:
    """Give the record a new id, so that publishers send all of it again; it names those that it continues."""
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        if manager.record_id(connection) is not None:  # else the next cycle's migration gives it the witness's
            record.continue_others(connection, [line.record_id] if line else [])


def _count(new: Path) -> tuple[int, str | None]:
    with closing(sqlite3.connect(new)) as connection:
        count, newest = connection.execute("SELECT COUNT(*), MAX(timestamp) FROM readings").fetchone()
    return count, newest


def _only_old(new: Path, old: Path) -> int | None:
    with suppress(sqlite3.Error), closing(sqlite3.connect(backup.read_only(new), uri=True)) as connection:
        connection.execute("ATTACH ? AS old", (backup.read_only(old),))
        return int(connection.execute(ONLY_OLD).fetchone()[0])
    return None
