"""What is stored already: the newest reading of a device, and how people rewrite or delete its past.

Everything here goes by the index on device and time, and takes as long after ten years as after a day. Changes are made
to a few rows at a time, which the caller chose beforehand: looking for them needs no lock, and may take long.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from runtime.formats import parse_time

REGISTERED = {"name": "device_name", "location": "location"}  # what people may rewrite, and what the registry calls it


@dataclass(frozen=True)
class Newest:
    """The newest reading of a device; `timestamp` is as it is stored."""

    timestamp: str
    device_type: str
    name: str | None
    location: str | None
    battery_level: int | None

    def age_seconds(self, now: float) -> int | None:
        """Return how old it is at `now`, given in seconds since 1970; None for a time that is none."""
        at = seconds(self.timestamp)
        return None if at is None else round(now) - at


def newest(connection: sqlite3.Connection, device_id: str) -> Newest | None:
    """Return the device's newest reading, None where it has none."""
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


def told_of(connection: sqlite3.Connection) -> list[str]:
    """Return the devices that have readings. A DISTINCT would look at every row; this looks one up for each device."""
    return [device_id for device_id, in connection.execute("""
        WITH RECURSIVE told (device_id) AS (
            SELECT MIN(device_id)
            FROM readings
            UNION ALL
            SELECT (SELECT MIN(device_id) FROM readings WHERE device_id > told.device_id)
            FROM told
            WHERE told.device_id IS NOT NULL
        )
        SELECT device_id
        FROM told
        WHERE device_id IS NOT NULL
    """)]


def seconds(timestamp: str) -> int | None:
    """Return a stored time in seconds since 1970, None for what an earlier program stored that is no time."""
    try:
        return int(parse_time(timestamp).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


class Work(Protocol):
    """Something to be done to many rows of one device, a few at a time."""

    def count(self, connection: sqlite3.Connection) -> int:
        """Return how many rows there are to do."""

    def after(self, connection: sqlite3.Connection, timestamp: str, limit: int) -> list[tuple[int, str]]:
        """Return the next rows to do, by id and timestamp, in the order of time."""

    def do(self, connection: sqlite3.Connection, ids: Iterable[int]) -> None:
        """Do it to these rows, in the caller's transaction."""


@dataclass(frozen=True)
class Rewriting:
    """Give the past of a device the name or the location (`column` says which) that it has now."""

    device_id: str
    column: str
    text: str

    def __post_init__(self) -> None:
        if self.column not in REGISTERED:
            raise ValueError(f"{self.column} is not for people to rewrite")

    def count(self, connection: sqlite3.Connection) -> int:
        """Return how many rows have another text: those that an interrupted run has rewritten do not count."""
        return int(connection.execute(f"""
            SELECT COUNT(*)
            FROM readings
            WHERE device_id = ?
                AND {self.column} IS NOT ?
        """, (self.device_id, self.text)).fetchone()[0])

    def after(self, connection: sqlite3.Connection, timestamp: str, limit: int) -> list[tuple[int, str]]:
        """Return the next rows with another text."""
        return connection.execute(f"""
            SELECT
                id,
                timestamp
            FROM readings
            WHERE device_id = ?
                AND timestamp > ?
                AND {self.column} IS NOT ?
            ORDER BY timestamp
            LIMIT ?
        """, (self.device_id, timestamp, self.text, limit)).fetchall()

    def do(self, connection: sqlite3.Connection, ids: Iterable[int]) -> None:
        """Rewrite these rows, as far as they are still the device's, and it is still called or placed so."""
        connection.executemany(f"""
            UPDATE readings
            SET {self.column} = :text
            WHERE id = :id
                AND device_id = :device_id
                AND (SELECT {REGISTERED[self.column]} FROM device_registry WHERE device_id = :device_id) = :text
        """, ({"text": self.text, "id": each, "device_id": self.device_id} for each in ids))


@dataclass(frozen=True)
class Deletion:
    """Delete the readings of a device up to the stored time `until`, when somebody decided so.

    Not up to an id: SQLite gives the ids of deleted rows to new ones.
    """

    device_id: str
    until: str

    def count(self, connection: sqlite3.Connection) -> int:
        """Return how many rows there are to delete."""
        return int(connection.execute("""
            SELECT COUNT(*)
            FROM readings
            WHERE device_id = ?
                AND timestamp <= ?
        """, (self.device_id, self.until)).fetchone()[0])

    def after(self, connection: sqlite3.Connection, timestamp: str, limit: int) -> list[tuple[int, str]]:
        """Return the next rows to delete."""
        return connection.execute("""
            SELECT
                id,
                timestamp
            FROM readings
            WHERE device_id = ?
                AND timestamp > ?
                AND timestamp <= ?
            ORDER BY timestamp
            LIMIT ?
        """, (self.device_id, timestamp, self.until, limit)).fetchall()

    def do(self, connection: sqlite3.Connection, ids: Iterable[int]) -> None:
        """Delete these rows, as far as they are still the ones that were meant."""
        connection.executemany("DELETE FROM readings WHERE id = ? AND device_id = ? AND timestamp <= ?",
                               ((each, self.device_id, self.until) for each in ids))
