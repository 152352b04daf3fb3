"""Adds readings from elsewhere, a few at a time; what is stored already stays as it is."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from runtime import files
from runtime.commands import update_command
from runtime.errors import Unfinished, Unusable
from storage import backup, legacy_database, manager, schema, sqlite_errors
from storage.past import COLUMNS
from storage.reading import Row

INSERT = f"""
    INSERT INTO readings ({", ".join(COLUMNS)})
    VALUES (:{", :".join(COLUMNS)})
    ON CONFLICT (device_id, timestamp) DO NOTHING
"""
# Inactive: no source of this home has to report it.
REGISTER = """
    INSERT INTO device_registry (device_id, unique_id, device_type, device_name, location, is_active)
    VALUES (:device_id, :device_id, :device_type, :name, :location, 0)
    ON CONFLICT (device_id) DO NOTHING
"""


class Import:
    """The work of storing rows. `added` is how many were new."""

    def __init__(self, rows: Iterator[Row], total: int) -> None:
        self._rows, self._total, self._chunk, self.added = rows, total, list[Row](), 0

    def rows_left(self, connection: sqlite3.Connection) -> int:
        return self._total

    def after(self, connection: sqlite3.Connection, timestamp: str, limit: int) -> list[tuple[int, str]]:
        self._chunk = list(islice(self._rows, limit))
        return [(number, "") for number in range(len(self._chunk))]

    def do(self, connection: sqlite3.Connection, ids: Iterable[int]) -> None:
        rows = [self._chunk[number] for number in ids]
        before = connection.total_changes
        connection.executemany(INSERT, rows)
        self.added += connection.total_changes - before
        connection.executemany(REGISTER, {row["device_id"]: row for row in rows}.values())


@contextmanager
def another_database(path: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """Open another database of this program. One of an older form, or an earlier program's, is migrated as a copy.

    The copy lies in `folder` until the end. Raise Unusable, or Unavailable if a later attempt may succeed.
    """
    with ExitStack() as stack:
        opened = path
        try:
            if not path.is_file() or not path.stat().st_size:
                raise Unusable(f"{path} is {'a folder' if path.is_dir() else 'empty' if path.exists() else 'missing'}")
            try:
                manager.check_soundness(path, deep=False)
            except Unfinished:
                opened = Path(stack.enter_context(TemporaryDirectory(prefix="import-", dir=folder))) / path.name
                _migrate_copy(path, opened)
            connection = stack.enter_context(manager.reading(opened))
        except Unusable as error:
            has_remedy = update_command() in error.remedy or path.exists() and not os.access(path, os.R_OK)
            raise Unusable(str(error).replace(str(opened), str(path)), error.remedy if has_remedy else
                           "name another database of this program, or a copy of one") from error
        yield connection


def count_rejected(connection: sqlite3.Connection) -> int:
    """Return how many readings of an earlier program had the device and time of another one."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (legacy_database.REJECTED,)).fetchone() is None:
        return 0
    count, = connection.execute(f"SELECT COUNT(*) FROM {legacy_database.REJECTED}").fetchone()
    return int(count)


def _migrate_copy(path: Path, target: Path) -> None:
    try:
        backup.copy(path, target, lambda step, done, total: None)
        with closing(sqlite3.connect(target)) as connection:
            if "readings" not in schema.data_tables(connection):
                raise Unusable(f"{path} has no table of readings")
        with manager.writing(target) as writer:
            writer.later.clear()
        manager.check_soundness(target, deep=False)
    except OSError as error:
        raise files.translate(error, target) from error
    except sqlite3.Error as error:
        raise sqlite_errors.translate(error, target) from error
