"""Adds readings from elsewhere, a few at a time; what is stored already stays as it is."""

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice

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
