"""Adds a cycle to the database: readings, sightings, costs and retries."""

import math
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from runtime.formats import format_time
from storage import registry
from storage.reading import Cycle, Reading

ANSWERED = ("ok", "partial")
COLUMNS = Reading._fields
# A reading stays the same when the name, location or offset of its device changes.
MEASURED = [column for column in COLUMNS if column not in ("name", "location", "temperature_celsius")]
INSERT_READING = f"""
    INSERT INTO readings ({', '.join(COLUMNS)}, created_at)
    VALUES (:{', :'.join(COLUMNS)}, :created_at)
    ON CONFLICT (device_id, timestamp) DO NOTHING
"""
TAKEN = f"""
    SELECT 1
    FROM readings
    WHERE device_id = :device_id
        AND timestamp = :timestamp
        AND NOT ({' AND '.join([f'{column} IS :{column}' for column in MEASURED])})
"""
PRESENT = "SELECT 1 FROM readings WHERE device_id = :device_id AND timestamp = :timestamp"
PRUNED_AT_ONCE = 500
SECOND = timedelta(seconds=1)


class Stored(NamedTuple):
    """A cycle's readings as the database has them, and by how many seconds they were moved."""

    readings: tuple[Reading, ...]
    moved_seconds: int


def add(connection: sqlite3.Connection, cycle: Cycle, keep_days: int, *, elapsed_ms: Callable[[], float],
        has_waited: bool) -> Stored:
    """Add what an earlier, interrupted attempt has not added yet, inside the caller's transaction.

    Only a device's first reading counts. If another value has the second of one (a clock was set back), all readings
    of the cycle move on to the next free second.
    """
    devices = registry.record_sightings(connection, cycle.seen(), cycle.collector, cycle.started_at)
    first: dict[str, Reading] = {}
    for reading in cycle.readings:
        if reading.device_id not in first:
            first[reading.device_id] = _resolve(reading, devices[reading.device_id])
    stored = _add_readings(connection, list(first.values()), format_time(cycle.started_at))
    _prune(connection, format_time(cycle.started_at - timedelta(days=keep_days)))
    if cycle.outcome in ANSWERED:
        registry.deactivate_absent(connection, cycle.collector, cycle.started_at)
    if not _is_recorded(connection, cycle):
        _record(connection, cycle, len(first), len(first) if has_waited else 0, elapsed_ms)
    return stored


def _resolve(reading: Reading, device: registry.Device) -> Reading:
    offset = device.temperature_offset
    if not isinstance(offset, (int, float)) or not math.isfinite(offset):  # set by a person's SQL
        offset = 0.0
    raw = reading.temperature_celsius if reading.temperature_raw is None else reading.temperature_raw
    return reading._replace(
        name=device.device_name, location=device.location, temperature_raw=raw,
        temperature_celsius=None if raw is None else round(float(raw) + offset, 2))


def _add_readings(connection: sqlite3.Connection, readings: list[Reading], created_at: str) -> Stored:
    moved = 0
    rows = [reading.row() | {"created_at": created_at} for reading in readings]
    while any(connection.execute(TAKEN, row).fetchone() for row in rows):
        moved += 1
        readings = [reading._replace(timestamp=reading.timestamp + SECOND) for reading in readings]
        rows = [row | {"timestamp": format_time(reading.timestamp)} for row, reading in zip(rows, readings)]
    connection.executemany(INSERT_READING, rows)
    if missing := sum(connection.execute(PRESENT, row).fetchone() is None for row in rows):
        from storage import owner_sql
        raise owner_sql.swallowed(connection, Path(connection.execute("PRAGMA database_list").fetchone()[2]), missing)
    return Stored(tuple(readings), moved)


def _prune(connection: sqlite3.Connection, before: str) -> None:
    """Delete a few old rows: all at once would hold the lock for too long after a long silence."""
    for table, column in (("collection_cycles", "started_at"), ("retry_events", "cycle_started_at")):
        connection.execute(f"""
            DELETE FROM {table}
            WHERE id IN (SELECT id FROM {table} WHERE {column} < ? ORDER BY {column} LIMIT {PRUNED_AT_ONCE})
        """, (before,))


def _is_recorded(connection: sqlite3.Connection, cycle: Cycle) -> bool:
    """Return whether this very cycle has its row; another cycle of the same second has other costs.

    A run killed in between leaves it in the spool twice: as it was read, and with why it could not be stored.
    """
    return connection.execute("""
        SELECT 1
        FROM collection_cycles
        WHERE started_at = ?
            AND collector = ?
            AND (outcome = ? OR fetch_ms > 0)
            AND fetch_ms = ?
            AND payload_bytes = ?
            AND requests = ?
    """, (format_time(cycle.started_at), cycle.collector, cycle.outcome, cycle.fetch_ms, cycle.payload_bytes,
          cycle.requests)).fetchone() is not None


def _record(connection: sqlite3.Connection, cycle: Cycle, stored: int, spooled: int,
            elapsed_ms: Callable[[], float]) -> None:
    started_at = format_time(cycle.started_at)
    for retry in cycle.retries:
        _insert(connection, "retry_events", retry._asdict() | {
            "collector": cycle.collector, "cycle_started_at": started_at, "at": format_time(retry.at)})
    row = cycle._asdict() | {"started_at": started_at, "readings": len(cycle.readings), "retries": cycle.tried_again(),
                             "stored": stored, "spooled": spooled, "duration_ms": elapsed_ms()}
    del row["sightings"]
    _insert(connection, "collection_cycles", row)


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES (:{', :'.join(row)})", row)
