"""The tables at the destination, with the SQL that fills them.

The SQL is what PostgreSQL 13 and its relatives share: no temporary table, COPY, sequence, trigger or clock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from runtime.formats import finite_number, parse_time

VERSION = 1
TIME, TEXT, NUMBER, FLAG = "timestamptz", "text", "double precision", "boolean"
MOMENTS = 20_000  # texts of times that are kept parsed: many rows share them


class Table(NamedTuple):
    """`key` and `columns` without `house_id`, with which every key begins."""

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]

    def unique(self, rows: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
        """Return the rows that have a key, of each key the last one: no statement may write a row twice."""
        last = {}
        for row in rows:
            key = tuple(CONVERTERS[self.columns[column]](row[column]) for column in self.key)
            if None not in key:
                last[key] = row
        return list(last.values())

    def arrays(self, rows: Sequence[Mapping[str, object]]) -> list[list[object]]:
        """Return the values by column, each column of one type."""
        return [[None if (value := row[column]) is None else convert(value) for row in rows]
                for column, convert in ((column, CONVERTERS[kind]) for column, kind in self.columns.items())]


READINGS = Table("readings", ("device_id", "timestamp"), {
    "timestamp": TIME,
    **dict.fromkeys(("device_id", "device_type", "name", "location"), TEXT),
    **dict.fromkeys(("temperature_celsius", "temperature_raw", "humidity_percent", "pm25_ugm3", "pm10_ugm3", "voc_index",
                     "voc_ppb", "co_ppm", "co2_ppm", "iaq_score", "light_lux", "battery_level", "signal_strength"), NUMBER),
    "is_anomalous": FLAG,
    "measured_at": TIME,
    **dict.fromkeys(("thermostat_mode", "thermostat_state", "day_night", "weather_conditions", "raw_response"), TEXT),
    "created_at": TIME,
})
DEVICES = Table("device_registry", ("device_id",), {
    **dict.fromkeys(("device_id", "device_type", "device_name", "location", "unique_id", "model_info"), TEXT),
    **dict.fromkeys(("first_seen", "last_seen"), TIME),
    "is_active": FLAG,
    **dict.fromkeys(("name_source", "location_source"), TEXT),
    "temperature_offset": NUMBER,
    "collector": TEXT,
})
CYCLES = Table("collection_cycles", ("collector", "started_at"), {
    "collector": TEXT,
    "started_at": TIME,
    **dict.fromkeys(("duration_ms", "fetch_ms", "payload_bytes", "requests"), NUMBER),
    "endpoint": TEXT,
    **dict.fromkeys(("readings", "stored", "spooled", "retries"), NUMBER),
    **dict.fromkeys(("outcome", "error_type", "error"), TEXT),
    "clock_offset_seconds": NUMBER,
})
HOUSES = {
    "record_id": TEXT, "cursor_id": "bigint", "cursor_device": TEXT, "cursor_timestamp": TEXT, "change_id": "bigint",
    "cycle_id": "bigint", "published_at": TIME, "program_version": TEXT}


def _time(value: object) -> datetime | None:
    return _moment(value) if isinstance(value, str) else None


@lru_cache(MOMENTS)
def _moment(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None


def _text(value: object) -> str | None:
    """Return a text without NUL, which PostgreSQL cannot hold."""
    return None if value is None else str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")


def _number(value: object) -> float | None:
    number = finite_number(value)
    return None if number is None else number + 0.0  # no -0.0, which PostgreSQL counts as equal to 0.0


def _flag(value: object) -> bool | None:
    return None if value is None else bool(value)


CONVERTERS: Mapping[str, Callable[[object], object]] = {TIME: _time, TEXT: _text, NUMBER: _number, FLAG: _flag}


def upsert(schema: str, table: Table) -> bytes:
    """Return the statement for the house's id and an array per column; it leaves equal rows as they are."""
    values = [column for column in table.columns if column not in table.key]
    return f"""
        INSERT INTO "{schema}".{table.name} AS present (house_id, {", ".join(table.columns)})
        SELECT
            %s::text,
            *
        FROM unnest({", ".join(f"%s::{kind}[]" for kind in table.columns.values())})
        ON CONFLICT (house_id, {", ".join(table.key)}) DO UPDATE SET
            {", ".join(f"{column} = excluded.{column}" for column in values)}
        WHERE ({", ".join(f"present.{column}" for column in values)})
            IS DISTINCT FROM ({", ".join(f"excluded.{column}" for column in values)})
    """.encode()


def deletion(schema: str) -> bytes:
    """Return the statement for the house's id, a device, a time and a later one, and the times of rows to keep."""
    return f"""
        DELETE FROM "{schema}".readings
        WHERE house_id = %s
            AND device_id = %s
            AND timestamp >= %s
            AND timestamp < %s
            AND timestamp <> ALL (%s::timestamptz[])
    """.encode()


def enter_house(schema: str) -> bytes:
    return f"""
        INSERT INTO "{schema}".houses (house_id, cursor_id, change_id, cycle_id)
        VALUES (%s, 0, 0, 0)
        ON CONFLICT (house_id) DO NOTHING
    """.encode()


def lock_house(schema: str) -> bytes:
    return f"""
        SELECT
            record_id,
            cursor_id,
            cursor_device,
            cursor_timestamp,
            change_id,
            cycle_id
        FROM "{schema}".houses
        WHERE house_id = %s
        FOR UPDATE
    """.encode()


def look_at_house(schema: str) -> bytes:
    return f'SELECT published_at FROM "{schema}".houses WHERE house_id = %s'.encode()


def update_house(schema: str, columns: Iterable[str]) -> bytes:
    """Return the statement for values of these columns, then the house's id."""
    return f'UPDATE "{schema}".houses SET {", ".join(f"{column} = %s" for column in columns)} WHERE house_id = %s'.encode()


def read_version(schema: str) -> bytes:
    return f'SELECT version FROM "{schema}".schema_version'.encode()
