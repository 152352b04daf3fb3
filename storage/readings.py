"""Stored readings: the newest of a device, and how people rewrite or delete its history. All queries use the index."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Literal, NamedTuple

from runtime.formats import parse_time


class Newest(NamedTuple):
    timestamp: str
    device_type: str
    name: str | None
    location: str | None
    battery_level: int | None

    def age_seconds(self, now: float) -> int | None:
        """Return the reading's age at `now`, in seconds since 1970; None if its timestamp is not valid."""
        at = seconds(self.timestamp)
        return None if at is None else round(now) - at


def newest(connection: sqlite3.Connection, device_id: str) -> Newest | None:
    row = connection.execute("""
        SELECT
            timestamp,
            device_type,
            name,
            location,
            battery_level
        FROM readings
        WHERE device_id = ?
        ORDER BY timestamp DESC
        LIMIT 1
    """, (device_id,)).fetchone()
    return None if row is None else Newest(*row)


def oldest(connection: sqlite3.Connection, device_id: str) -> datetime | None:
    """Return the first valid time of a device's readings."""
    times = connection.execute("SELECT timestamp FROM readings WHERE device_id = ? ORDER BY timestamp", (device_id,))
    return next((datetime.fromtimestamp(at, timezone.utc) for text, in times if (at := seconds(text)) is not None), None)


def device_ids(connection: sqlite3.Connection) -> list[str]:
    """Return the devices with readings. DISTINCT would scan all rows; this looks one up per device."""
    return [device_id for device_id, in connection.execute("""
        WITH RECURSIVE device (device_id) AS (
            SELECT MIN(device_id)
            FROM readings
            UNION ALL
            SELECT (SELECT MIN(device_id) FROM readings WHERE device_id > device.device_id)
            FROM device
            WHERE device.device_id IS NOT NULL
        )
        SELECT device_id
        FROM device
        WHERE device_id IS NOT NULL
    """)]


def seconds(timestamp: str | None) -> int | None:
    """Return a stored time in seconds since 1970, None for an invalid one, which an earlier program may have left."""
    try:
        return None if timestamp is None else int(parse_time(timestamp).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


class Work(NamedTuple):
    """A change to many readings of one device, made a few rows at a time: looking them up takes no lock.

    `statement` changes a row, `condition` selects the rows that still have to be; `values` are the parameters of both.
    """

    statement: str
    condition: str
    values: dict[str, str]

    def do(self, connection: sqlite3.Connection, ids: Iterable[int]) -> None:
        connection.executemany(self.statement, (self.values | {"id": reading_id} for reading_id in ids))

    def rows_left(self, connection: sqlite3.Connection) -> int:
        """Return how many rows are left; an interrupted run may have changed some."""
        count, = connection.execute(
            f"SELECT COUNT(*) FROM readings WHERE device_id = :device_id AND {self.condition}", self.values).fetchone()
        return int(count)

    def after(self, connection: sqlite3.Connection, timestamp: str, limit: int) -> list[tuple[int, str]]:
        return connection.execute(f"""
            SELECT
                id,
                timestamp
            FROM readings
            WHERE device_id = :device_id
                AND timestamp > :after
                AND {self.condition}
            ORDER BY timestamp
            LIMIT :limit
        """, self.values | {"after": timestamp, "limit": limit}).fetchall()


def rewriting(device_id: str, column: Literal["name", "location"], text: str) -> Work:
    """Give a device's history its present name or location, unless it is changed again."""
    registered = {"name": "device_name", "location": "location"}[column]
    return Work(f"""
        UPDATE readings
        SET {column} = :text
        WHERE id = :id
            AND device_id = :device_id
            AND (SELECT {registered} FROM device_registry WHERE device_id = :device_id) = :text
    """, f"{column} IS NOT :text", {"device_id": device_id, "text": text})


def deletion(device_id: str, until: str) -> Work:
    """Delete the readings of a device up to a stored time. Not up to an id: SQLite reuses the ids of deleted rows."""
    return Work("DELETE FROM readings WHERE id = :id AND device_id = :device_id AND timestamp <= :until",
                "timestamp <= :until", {"device_id": device_id, "until": until})
