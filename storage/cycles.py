"""What one cycle leaves in the database: its readings, the devices it saw, what it cost and what had to be retried.

`write` runs inside the transaction of `storage.manager.add`, which is short: what can be done before is in `prepare`.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import timedelta

from runtime.formats import format_time, parse_time
from storage import registry
from storage.reading import Cycle, Reading, Row, Sighting

ANSWERED = ("ok", "partial")
COLUMNS = tuple(each.name for each in fields(Reading))
# What people have called, placed and corrected since makes no other reading of it.
MEASURED = tuple(each for each in COLUMNS if each not in ("name", "location", "temperature_celsius"))
INSERT_READING = f"""
    INSERT INTO readings ({', '.join(COLUMNS)}, created_at)
    VALUES ({', '.join(':' + each for each in COLUMNS)}, :created_at)
    ON CONFLICT (device_id, timestamp) DO NOTHING
"""
TAKEN = f"""
    SELECT 1
    FROM readings
    WHERE device_id = :device_id
        AND timestamp = :timestamp
        AND NOT ({' AND '.join(f'{each} IS :{each}' for each in MEASURED)})
"""
INSERT_RETRY = """
    INSERT INTO retry_events (
        collector,
        cycle_started_at,
        at,
        operation,
        endpoint,
        attempt,
        delay_seconds,
        error_type,
        error,
        outcome
    )
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_CYCLE = """
    INSERT INTO collection_cycles (
        collector,
        started_at,
        duration_ms,
        fetch_ms,
        payload_bytes,
        requests,
        endpoint,
        readings,
        stored,
        spooled,
        retries,
        outcome,
        error_type,
        error
    )
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
PRUNED_AT_ONCE = 500


@dataclass(frozen=True)
class Stored:
    """How many of the cycle's readings are in the database now, new or not, and by how many seconds they moved.

    `rows` are those readings as they stand there, under the registry's names, places and offsets.
    """

    readings: int
    moved_seconds: int
    rows: tuple[Row, ...] = field(default=(), compare=False, repr=False)


def prepare(cycle: Cycle) -> tuple[list[Row], list[Sighting]]:
    """Return the cycle's rows, the first told of each device, and the devices it saw; this much needs no lock."""
    first: dict[str, Reading] = {}
    for reading in cycle.readings:
        first.setdefault(reading.device_id, reading)
    created_at = format_time(cycle.started_at)
    return [each.row() | {"created_at": created_at} for each in first.values()], list(cycle.seen())


def write(connection: sqlite3.Connection, cycle: Cycle, rows: list[Row], sightings: list[Sighting],
          elapsed_ms: Callable[[], float], keep_days: int, has_waited: bool = False) -> Stored:
    """Write all of it; what an earlier, interrupted attempt wrote already is not written twice."""
    known = registry.sight(connection, sightings, cycle.collector, cycle.started_at)
    moved, stored = _store(connection, [row | _resolved(row, known) for row in rows])
    _prune(connection, format_time(cycle.started_at - timedelta(days=keep_days)))
    if cycle.outcome in ANSWERED:
        registry.retire(connection, cycle.collector, cycle.started_at)
    if not _noted(connection, cycle):
        _note(connection, cycle, len(rows), elapsed_ms, len(rows) if has_waited else 0)
    return Stored(len(rows), moved, tuple(stored))


def _resolved(row: Row, known: dict[str, registry.Device]) -> Row:
    """Return what the registry adds to a row: its device's name and place, the temperature with its offset."""
    device = known[str(row["device_id"])]
    raw = row["temperature_celsius"] if row["temperature_raw"] is None else row["temperature_raw"]
    corrected = None if raw is None else round(float(raw) + device.temperature_offset, 2)
    return {"name": device.device_name, "location": device.location, "temperature_raw": raw,
            "temperature_celsius": corrected}


def _store(connection: sqlite3.Connection, rows: list[Row]) -> tuple[int, list[Row]]:
    moved = 0
    while any(connection.execute(TAKEN, row).fetchone() for row in rows):
        moved += 1
        rows = [row | {"timestamp": _next_second(str(row["timestamp"]))} for row in rows]
    connection.executemany(INSERT_READING, rows)
    return moved, rows


def _next_second(timestamp: str) -> str:
    return format_time(parse_time(timestamp) + timedelta(seconds=1))


def _prune(connection: sqlite3.Connection, before: str) -> None:
    """Delete a few of the old rows: all at once would hold the lock for long after a long silence."""
    for table, column in (("collection_cycles", "started_at"), ("retry_events", "cycle_started_at")):
        connection.execute(f"""
            DELETE FROM {table}
            WHERE id IN (SELECT id FROM {table} WHERE {column} < ? ORDER BY {column} LIMIT {PRUNED_AT_ONCE})
        """, (before,))


def _noted(connection: sqlite3.Connection, cycle: Cycle) -> bool:
    """Tell whether this very cycle has its row; another one of the same second differs in what it cost."""
    return connection.execute("""
        SELECT 1
        FROM collection_cycles
        WHERE started_at = ?
            AND collector = ?
            AND outcome = ?
            AND fetch_ms = ?
            AND payload_bytes = ?
            AND requests = ?
    """, (format_time(cycle.started_at), cycle.collector, cycle.outcome, cycle.fetch_ms, cycle.payload_bytes,
          cycle.requests)).fetchone() is not None


def _note(connection: sqlite3.Connection, cycle: Cycle, stored: int, elapsed_ms: Callable[[], float],
          spooled: int) -> None:
    started_at = format_time(cycle.started_at)
    connection.executemany(INSERT_RETRY, (
        (cycle.collector, started_at, format_time(each.at), each.operation, each.endpoint, each.attempt, each.delay_seconds,
         each.error_type, each.error, each.outcome) for each in cycle.retries))
    connection.execute(INSERT_CYCLE, (
        cycle.collector, started_at, elapsed_ms(), cycle.fetch_ms, cycle.payload_bytes, cycle.requests, cycle.endpoint,
        len(cycle.readings), stored, spooled, cycle.tried_again(), cycle.outcome, cycle.error_type, cycle.error))
