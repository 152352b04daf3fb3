"""Stored readings as whole rows: the newest of a device, those of a device in time, and all of them in order."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime

from storage.reading import Reading, Row
from storage.statistics import bound

COLUMNS = (*Reading._fields, "created_at")
ROWS_AT_ONCE = 5_000
END_OF_TIME = "~"  # sorts after every stored time


def newest_row(connection: sqlite3.Connection, device_id: str) -> Row | None:
    rows = _device_rows(connection, device_id, "ORDER BY timestamp DESC LIMIT 1", ())
    return next(rows, None)


def device_rows(connection: sqlite3.Connection, device_id: str, since: datetime, until: datetime) -> Iterator[Row]:
    return _device_rows(connection, device_id, "AND timestamp >= ? AND timestamp < ? ORDER BY timestamp",
                        (bound(since), bound(until)))


def batches(connection: sqlite3.Connection, columns: Sequence[str], devices: Sequence[str], since: datetime | None,
            until: datetime | None) -> Iterator[list[tuple[object, ...]]]:
    """Yield values of readings by time and device, all devices' if none are given. No batch keeps the database open.

    A transaction of minutes would make the -wal grow.
    """
    chosen = f"AND device_id IN ({', '.join('?' * len(devices))})" if devices else ""
    query = f"""
        SELECT
            timestamp,
            device_id,
            {", ".join(columns)}
        FROM readings
        WHERE timestamp >= ?
            AND (timestamp, device_id) > (?, ?)
            AND timestamp < ?
            {chosen}
        ORDER BY timestamp, device_id
        LIMIT {ROWS_AT_ONCE}
    """
    last = (bound(since) if since else "", "")
    while rows := connection.execute(query, (last[0], *last, bound(until) if until else END_OF_TIME, *devices)).fetchall():
        last = rows[-1][:2]
        yield [row[2:] for row in rows]


def extent(connection: sqlite3.Connection) -> tuple[int, str | None, str | None]:
    """Return how many readings there are, and the first and the last time."""
    count, = connection.execute("SELECT COUNT(*) FROM readings").fetchone()
    first, = connection.execute("SELECT MIN(timestamp) FROM readings").fetchone()
    last, = connection.execute("SELECT MAX(timestamp) FROM readings").fetchone()
    return count, first, last


def _device_rows(connection: sqlite3.Connection, device_id: str, which: str, values: Sequence[str]) -> Iterator[Row]:
    query = f"SELECT {', '.join(COLUMNS)} FROM readings WHERE device_id = ? {which}"
    with closing(connection.execute(query, (device_id, *values))) as rows:
        for row in rows:
            yield dict(zip(COLUMNS, row))
