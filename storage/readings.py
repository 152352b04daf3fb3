"""Stored readings: the newest one of a device, and how people rewrite or delete its history.

Every query uses the index on device and time, and takes as long after ten years as after a day.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from runtime.formats import parse_time

REWRITABLE = {"name": "device_name", "location": "location"}  # column of `readings`: column of `device_registry`


@dataclass(frozen=True)
class Newest:
    timestamp: str
    device_type: str
    name: str | None
    location: str | None
    battery_level: int | None

    def age_seconds(self, now: float) -> int | None:
        """Return its age at `now`, in seconds since 1970; None if its timestamp is not valid."""
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


class Work(ABC):
    """A change to many readings of one device, made a few rows at a time: looking them up takes no lock."""

    device_id: str

    @property
    @abstractmethod
    def condition(self) -> str:
        """Return the SQL that selects the rows, with the fields as its parameters."""

    @abstractmethod
    def do(self, connection: sqlite3.Connection, ids: Iterable[int]) -> None:
        """Change these rows, in the caller's transaction."""

    def count(self, connection: sqlite3.Connection) -> int:
        """Return how many rows are left; an interrupted run may have changed some."""
        return int(connection.execute(f"""
            SELECT COUNT(*)
            FROM readings
            WHERE device_id = :device_id
                AND {self.condition}
        """, vars(self)).fetchone()[0])

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
        """, vars(self) | {"after": timestamp, "limit": limit}).fetchall()


@dataclass(frozen=True)
class Rewriting(Work):
    """Give a device's history its present name or location: `column`."""

    device_id: str
    column: str
    text: str

    def __post_init__(self) -> None:
        if self.column not in REWRITABLE:
            raise ValueError(f"the column {self.column} cannot be rewritten")

    @property
    def condition(self) -> str:
        return f"{self.column} IS NOT :text"

    def do(self, connection: sqlite3.Connection, ids: Iterable[int]) -> None:
        """Rewrite these rows, unless the device was renamed again."""
        connection.executemany(f"""
            UPDATE readings
            SET {self.column} = :text
            WHERE id = :id
                AND device_id = :device_id
                AND (SELECT {REWRITABLE[self.column]} FROM device_registry WHERE device_id = :device_id) = :text
        """, (vars(self) | {"id": reading_id} for reading_id in ids))


@dataclass(frozen=True)
class Deletion(Work):
    """Delete the readings of a device up to a stored time. Not up to an id: SQLite reuses the ids of deleted rows."""

    device_id: str
    until: str

    @property
    def condition(self) -> str:
        return "timestamp <= :until"

    def do(self, connection: sqlite3.Connection, ids: Iterable[int]) -> None:
        connection.executemany("DELETE FROM readings WHERE id = ? AND device_id = ? AND timestamp <= ?",
                               ((reading_id, self.device_id, self.until) for reading_id in ids))
