"""Years of stored readings, made in minutes: `years.fill(database, readings)`.

The program has made the database and stored one cycle in it, so schema, registry and rows are real. That cycle is
repeated for every five minutes of the past, in the order of time, as cron would have stored it, so the indexes grow as
they do in a house. Values change with the time of day. Cycles reach back as far as the program keeps them.

Nothing is synced, and nothing can be rolled back: such a database is easily made again.
"""

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runtime.formats import format_time, parse_time

INTERVAL = timedelta(minutes=5)
KEPT = timedelta(days=90)
A_DAY = 288  # cycles
SLICE = 100_000  # cycles in a transaction
MADE_OF_TIME = ("timestamp", "measured_at", "created_at")
FAST = ("locking_mode = EXCLUSIVE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -400000")


def fill(database: Path, readings: int, kept: timedelta = KEPT) -> None:
    """Multiply the only cycle of a database to so many readings, of which it stays the newest."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for pragma in FAST:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        _multiply(connection, readings, kept)
        for pragma in ("journal_mode = WAL", "locking_mode = NORMAL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()


def _multiply(connection: sqlite3.Connection, readings: int, kept: timedelta) -> None:
    columns, rows = _table(connection, "readings")
    last, count = parse_time(str(rows[0]["timestamp"])), math.ceil(readings / len(rows))
    connection.execute("DELETE FROM readings")
    query = _insert("readings", columns)
    for first in range(0, count, SLICE):
        numbers = range(first, min(first + SLICE, count))
        with connection:
            connection.execute("BEGIN")
            connection.executemany(query, _rows(rows, columns, last, count, numbers))
    _fill_cycles(connection, last, min(count, kept // INTERVAL))
    first_seen = format_time(last - (count - 1) * INTERVAL)
    connection.execute("UPDATE device_registry SET first_seen = ?", (first_seen,))


def _rows(rows: list[dict[str, Any]], columns: list[str], last: datetime, count: int,
          numbers: range) -> Iterator[tuple[Any, ...]]:
    """Yield the readings of the cycles with these numbers, of `count` in all."""
    waves = [round(3 * math.sin(2 * math.pi * number / A_DAY), 2) for number in range(A_DAY)]
    at = {name: columns.index(name) for name in columns}
    changing = [at[name] for name in MADE_OF_TIME]
    templates = [[row[name] for name in columns] for row in rows]
    for number in numbers:
        text, wave = format_time(last - (count - 1 - number) * INTERVAL), waves[number % A_DAY]
        for place, template in enumerate(templates):
            row = template.copy()
            for column in changing:
                row[column] = text
            row[at["temperature_raw"]] = row[at["temperature_celsius"]] = round(20 + place / 10 + wave, 2)
            yield tuple(row)


def _fill_cycles(connection: sqlite3.Connection, last: datetime, count: int) -> None:
    """Multiply the only cycle on record."""
    columns, rows = _table(connection, "collection_cycles")
    at = columns.index("started_at")
    values = [rows[0][name] for name in columns]
    connection.execute("DELETE FROM collection_cycles")
    with connection:
        connection.execute("BEGIN")
        connection.executemany(_insert("collection_cycles", columns), (
            [*values[:at], format_time(last - number * INTERVAL), *values[at + 1:]]
            for number in reversed(range(count))))


def _table(connection: sqlite3.Connection, table: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns without `id`, and the rows."""
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY id")
    names = [name for name, *_ in cursor.description]
    return names[1:], [dict(zip(names, row)) for row in cursor.fetchall()]


def _insert(table: str, columns: list[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
