"""The record as publishers read it: readings in the order in which they were stored.

A first form, kept small. It follows new rows by `id` only: corrections and deletions of older rows, and ids that
return after the newest rows were deleted, are not followed yet.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from storage import manager
from storage.reading import Row


class Changes:
    """The readings in one database, opened for reading only, each time they are asked for."""

    def __init__(self, path: Path, *, busy_timeout_ms: int = 5000, marker: Path | None = None) -> None:
        self._path, self._busy_timeout_ms, self._marker = path, busy_timeout_ms, marker

    def after(self, cursor: int, batch_rows: int = 1000) -> Iterator[list[Row]]:
        """Yield the rows of `readings` with an id above the cursor, in the order of their ids, in batches.

        No transaction is open between two batches. Raise a StorageError.
        """
        with manager.reading(self._path, busy_timeout_ms=self._busy_timeout_ms, marker=self._marker) as connection:
            while rows := _rows(connection, cursor, batch_rows):
                cursor = int(rows[-1]["id"] or 0)
                yield rows


def _rows(connection: sqlite3.Connection, cursor: int, limit: int) -> list[Row]:
    with closing(connection.execute(
        """
        SELECT *
        FROM readings
        WHERE id > ?
        ORDER BY id
        LIMIT ?
        """,
        (cursor, limit),
    )) as found:
        names = [column[0] for column in found.description]
        return [dict(zip(names, values)) for values in found]
