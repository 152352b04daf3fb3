"""Minimum, mean, maximum and count of a device's quantities, by local hour, day, night, week, month or year.

Means are of the stored values, unweighted. Anomalous values count; what is not a finite number does not.
"""

import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import NamedTuple

from runtime.formats import finite_number, format_time
from storage.readings import seconds

STEPS = ("hour", "day", "night", "week", "month", "year")
EVENING, MORNING = time(22), time(7)
ROWS_AT_ONCE = 10_000


class Period(NamedTuple):
    """From `start` up to but not including `end`, both aware UTC; `name` is local, `2026-11-22` or `2026-11`."""

    name: str
    start: datetime
    end: datetime

    def due(self, first: datetime, now: datetime, interval_seconds: float) -> int:
        """Return how many readings a device first seen at `first` should have in it by now."""
        seconds = (min(self.end, now) - max(self.start, first)).total_seconds()
        return max(0, int(seconds // interval_seconds))


class Summary(NamedTuple):
    """`number` is how many values there are; the times are as stored."""

    number: int
    mean: float
    low: float
    low_at: str
    high: float
    high_at: str


def periods(since: datetime, until: datetime, step: str | timedelta, zone: tzinfo) -> Iterator[Period]:
    """Yield the local periods between two times, the first and last cut off; days have 23 or 25 hours if clocks change."""
    for name, start, end in _whole(since, until, step, zone):
        if end > since and start < until:
            yield Period(name, max(start, since), min(end, until))


def summarize(connection: sqlite3.Connection, device_id: str, columns: Sequence[str],
              wanted: Iterable[Period]) -> Iterator[tuple[Period, int, dict[str, Summary]]]:
    """Yield for each period with readings their number, and a summary per column that has values. The index is used."""
    query = f"""
        SELECT
            timestamp,
            {", ".join(columns)}
        FROM readings
        WHERE device_id = ?
            AND timestamp >= ?
            AND timestamp < ?
        ORDER BY timestamp
    """
    for period in wanted:
        count, parts = 0, dict[str, list[Summary]]()
        with closing(connection.execute(query, (device_id, bound(period.start), bound(period.end)))) as rows:
            while batch := rows.fetchmany(ROWS_AT_ONCE):
                count += len(batch)
                times, *values = zip(*batch)
                for column, cells in zip(columns, values):
                    if summary := _summary(times, cells):
                        parts.setdefault(column, []).append(summary)
        if count:
            yield period, count, {column: _merged(summaries) for column, summaries in parts.items()}


def values(connection: sqlite3.Connection, device_id: str, column: str, since: datetime,
           until: datetime) -> list[tuple[int, float]]:
    """Return the finite values of a column, oldest first, with their times in seconds since 1970. The index is used."""
    rows = connection.execute(f"""
        SELECT
            timestamp,
            {column}
        FROM readings
        WHERE device_id = ?
            AND timestamp >= ?
            AND timestamp < ?
        ORDER BY timestamp
    """, (device_id, bound(since), bound(until)))
    return [(at, value) for timestamp, cell in rows
            if (at := seconds(timestamp)) is not None and (value := finite_number(cell)) is not None]


def bound(moment: datetime) -> str:
    """Return a time that sorts at its place among the stored ones, with or without fractions of a second."""
    return format_time(moment)[:19]


def _summary(times: Sequence[str], cells: Sequence[object]) -> Summary | None:
    if cells.count(None) == len(cells):
        return None
    values = [value for value in cells if isinstance(value, int | float) and math.isfinite(value)]
    if not values:
        return None
    low, high = min(values), max(values)
    return Summary(len(values), math.fsum(values) / len(values), low, times[cells.index(low)], high,
                   times[cells.index(high)])


def _merged(parts: Sequence[Summary]) -> Summary:
    count = sum(part.number for part in parts)
    lowest, highest = min(parts, key=lambda part: part.low), max(parts, key=lambda part: part.high)
    return Summary(count, math.fsum(part.mean * part.number for part in parts) / count, lowest.low, lowest.low_at,
                   highest.high, highest.high_at)


def _whole(since: datetime, until: datetime, step: str | timedelta, zone: tzinfo) -> Iterator[tuple[str, datetime, datetime]]:
    day, last = since.astimezone(zone).date() - timedelta(days=1), until.astimezone(zone).date()
    if step in ("week", "month", "year"):
        day = _first(day, str(step))
    while day <= last:
        following = _following(day, step)
        if step == "night":
            yield day.isoformat(), _moment(day, zone, EVENING), _moment(following, zone, MORNING)
        elif isinstance(step, timedelta) or step == "hour":
            length = step if isinstance(step, timedelta) else timedelta(hours=1)
            yield from _slices(_moment(day, zone), _moment(following, zone), length, zone)
        else:
            yield _name(day, step), _moment(day, zone), _moment(following, zone)
        day = following


def _slices(start: datetime, end: datetime, length: timedelta, zone: tzinfo) -> Iterator[tuple[str, datetime, datetime]]:
    while start < end:
        yield start.astimezone(zone).isoformat(timespec="minutes"), start, min(start + length, end)
        start += length


def _first(day: date, step: str) -> date:
    if step == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if step == "month" else day.replace(month=1, day=1)


def _following(day: date, step: str | timedelta) -> date:
    if step == "month":
        return (day + timedelta(days=31)).replace(day=1)
    if step == "year":
        return day.replace(year=day.year + 1)
    return day + timedelta(days=7 if step == "week" else 1)


def _name(day: date, step: str | timedelta) -> str:
    return day.isoformat()[:{"month": 7, "year": 4}.get(str(step), 10)]


def _moment(day: date, zone: tzinfo, at: time = time()) -> datetime:
    """Return when a local day begins: at the change itself where midnight is skipped, at the first of two midnights."""
    return datetime.combine(day, at, zone).astimezone(timezone.utc)
