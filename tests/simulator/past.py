"""The past of the simulated house, as its collectors would have stored it: `past.fill(database, House(), PAST_WEEK)`.

Each collector has run once, so schema, registry, and the forms of rows are real; their values follow the house.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from runtime.formats import format_time, parse_time
from tests.simulator.house import House

INTERVAL = timedelta(minutes=5)
AIR = {"humidity_percent": "humidity", "pm25_ugm3": "pm25", "pm10_ugm3": "pm10", "voc_index": "voc", "co_ppm": "co",
       "iaq_score": "iaq"}
TIMES = ("timestamp", "measured_at", "created_at")
Row = dict[str, Any]


class Mishap(NamedTuple):
    """What is missing of a collector, a place, or all. Without an outcome no cycle ran; with `ok` a device is silent."""

    hours_ago: float
    hours: float
    whose: str = ""
    outcome: str | None = None
    error: str | None = None

    def hits(self, name: str, hours_ago: float) -> bool:
        return self.whose in ("", name) and 0 <= self.hours_ago - hours_ago < self.hours


WEEK = timedelta(days=7)
MISHAPS = (
    Mishap(29, 2.5), Mishap(14, 4, "Büro", "ok"), Mishap(80, 5, "hue", "unreachable", "the bridge did not answer"),
    Mishap(122, 1.5, "amazon_aqm", "throttled", "Amazon is rate-limiting us (HTTP 429)"),
)


def fill(database: Path, house: House, length: timedelta = WEEK, mishaps: Sequence[Mishap] = MISHAPS,
         every: timedelta = INTERVAL) -> None:
    """Add what was stored before the oldest cycle."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.row_factory = sqlite3.Row
        cycles = _templates(connection, "SELECT * FROM collection_cycles WHERE outcome = 'ok' GROUP BY collector")
        rows = _templates(connection, "SELECT * FROM readings GROUP BY device_id")
        collectors = dict(connection.execute("SELECT device_id, collector FROM device_registry"))
        newest = parse_time(connection.execute("SELECT MIN(started_at) FROM collection_cycles").fetchone()[0])
        for number in range(length // every, 0, -1):
            _add_cycle(connection, house, newest - number * every, number * every / timedelta(hours=1), (
                cycles, rows, collectors), mishaps)
        connection.execute("UPDATE device_registry SET first_seen = ?", (format_time(newest - length),))


def _templates(connection: sqlite3.Connection, query: str) -> list[Row]:
    return [{name: row[name] for name in row.keys() if name != "id"} for row in connection.execute(query)]


def _add_cycle(connection: sqlite3.Connection, house: House, at: datetime, hours_ago: float,
               templates: tuple[list[Row], list[Row], Mapping[str, str]], mishaps: Sequence[Mishap]) -> None:
    cycles, rows, collectors = templates
    for cycle in cycles:
        name = cycle["collector"]
        mishap = next((mishap for mishap in mishaps if mishap.hits(name, hours_ago)), None)
        stored = [*_readings(house, at, [row for row in rows if collectors[row["device_id"]] == name], hours_ago, mishaps)]
        if mishap is None or mishap.outcome:
            added = [] if mishap else stored
            _insert(connection, "collection_cycles", cycle | {
                "started_at": format_time(at), "readings": len(added), "stored": len(added),
                "outcome": mishap.outcome if mishap else "ok", "error": mishap.error if mishap else None})
            for row in added:
                _insert(connection, "readings", row)


def _readings(house: House, at: datetime, rows: list[Row], hours_ago: float,
              mishaps: Sequence[Mishap]) -> Iterator[Row]:
    for row in rows:
        if not any(mishap.hits(row["location"], hours_ago) for mishap in mishaps if mishap.outcome == "ok"):
            yield row | {name: format_time(at) for name in TIMES} | _values(house, row, at)


def _values(house: House, row: Row, at: datetime) -> Row:
    room = next((monitor.room for monitor in house.monitors if monitor.serial in row["device_id"]), None)
    if room is None:
        degrees = house.temperature(row["location"] or row["device_id"], at)
        return {"temperature_celsius": degrees, "temperature_raw": degrees}
    degrees = house.air("temperature", room, at)
    return {"temperature_celsius": degrees, "temperature_raw": degrees} | {
        column: house.air(quantity, room, at) for column, quantity in AIR.items() if row[column] is not None}


def _insert(connection: sqlite3.Connection, table: str, row: Row) -> None:
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES (:{', :'.join(row)})", row)
