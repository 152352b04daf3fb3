"""Readings for publishers, in the order they were stored.

A first version: it follows new ids only, not corrections, deletions, or ids used again after a deletion.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from storage import manager
from storage.reading import Row
from storage.state import Witness


class Changes:
    """The readings of one database, opened read-only."""

    def __init__(self, path: Path, *, busy_timeout_ms: int = 5000, witness: Witness | None = None) -> None:
        self._path, self._busy_timeout_ms, self._witness = path, busy_timeout_ms, witness

    def after(self, cursor: int, batch_rows: int = 1000) -> Iterator[list[Row]]:
        """Yield the rows with an id above the cursor, in batches. Raise a StorageError."""
        with manager.reading(self._path, busy_timeout_ms=self._busy_timeout_ms, witness=self._witness) as connection:
            while rows := _rows(connection, cursor, batch_rows):
                cursor = int(rows[-1]["id"] or 0)
                yield rows


def _rows(connection: sqlite3.Connection, cursor: int, limit: int) -> list[Row]:
    with closing(connection.execute("""
        SELECT *
        FROM readings
        WHERE id > ?
        ORDER BY id
        LIMIT ?
    """, (cursor, limit))) as rows:
        names = [column[0] for column in rows.description]
        return [dict(zip(names, values)) for values in rows]
