"""Gathers what the page shows: devices, the series of their quantities, gaps, and alerts."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, NamedTuple

import runtime
from publishers.page.series import Axis, Line, make_axes, make_line, read_steps
from runtime.formats import format_time, parse_time
from storage.changes import Changes, Cursor
from storage.state import State
from storage.statistics import Summary

if TYPE_CHECKING:
    from sqlite3 import Connection

    from storage.overview import DeviceOverview

YEAR = "year"
GAP_DAYS = 90
SPARK_STEPS = 96
MISSED, OLD_AFTER = 3, timedelta(minutes=15)  # after which the page has missed news
Lines = Mapping[str, Line]


class Look(NamedTuple):
    """`color` is a variable of page.css. A chart shows at least the range `least`, so that noise looks small."""

    color: str
    decimals: int
    least: float
    floor: int | None = 0


LOOKS = {
    "temperature_celsius": Look("temperature", 1, 4, None), "humidity_percent": Look("humidity", 0, 15),
    "pm25_ugm3": Look("dust", 0, 10), "pm10_ugm3": Look("dust", 0, 10), "voc_index": Look("gas", 0, 20),
    "voc_ppb": Look("gas", 0, 100), "co_ppm": Look("gas", 1, 4), "co2_ppm": Look("gas", 0, 200),
    "iaq_score": Look("score", 0, 20),
}
COLUMNS = [*LOOKS]
WHOLE = ("voc_ppb", "co2_ppm")  # hundreds of them: tenths are noise


class Device(NamedTuple):
    """`lines` are by axis and column; `spark` are temperatures of the last days, for a line without axes."""

    overview: "DeviceOverview"
    place: str
    detail: str  # which of the devices of a place
    is_fresh: bool
    lines: Mapping[str, Lines]
    spark: list[float | None]

    @property
    def label(self) -> str:
        return f"{self.place} ({self.detail})" if self.detail else self.place

    def has(self, column: str) -> bool:
        return any(column in columns for columns in self.lines.values())

    def first_seen(self) -> int:
        with suppress(TypeError, ValueError):
            return int(parse_time(str(self.overview.device.first_seen)).timestamp())
        return 0


class Page(NamedTuple):
    """`gap_days` is how far back the reasons of gaps are known."""

    now: datetime
    zone: tzinfo
    interval: timedelta
    gap_days: int
    old_after: timedelta
    axes: list[Axis]
    devices: list[Device]
    alerts: list[dict[str, str]]


def gather(changes: Changes, state: State, now: datetime, zone: tzinfo) -> Page:
    """Read everything; the complete days of a year come from the state unless a reading of theirs has changed."""
    home = changes.home
    interval, gap_days = timedelta(seconds=home.interval_seconds), min(GAP_DAYS, home.keep_days)
    overview = changes.overview(now, now - timedelta(days=gap_days))
    newest = max((device.newest_at or 0 for device in overview.devices), default=0)
    axes = make_axes(now, datetime.fromtimestamp(newest, timezone.utc) if newest else now, interval, zone)
    places = _places(overview.devices)
    cursor, years = changes.newest(), _known_years(changes, state, axes[-1])
    with changes.reading() as connection:
        devices = [_device(connection, device, places[device.device.device_id], device.is_fresh(home, now), axes, years)
                   for device in overview.devices]
    state[YEAR] = {"key": _year_key(axes[-1]), "cursor": cursor,
                   "lines": {device.overview.device.device_id: device.lines[YEAR] for device in devices}}
    return Page(now, zone, interval, gap_days, max(MISSED * interval, OLD_AFTER), axes, devices, overview.alerts)


def _device(connection: "Connection", overview: "DeviceOverview", place: tuple[str, str], is_fresh: bool,
            axes: list[Axis], years: Mapping[str, Lines]) -> Device:
    device_id, (days, month, year) = overview.device.device_id, axes
    recent = read_steps(connection, device_id, COLUMNS, month)
    measured = [*recent] or COLUMNS
    today = read_steps(connection, device_id, measured, days)
    lines = {days.name: _lines(today), month.name: _lines(recent), YEAR: years.get(device_id) or _lines(
        read_steps(connection, device_id, COLUMNS, year))}
    warmth = today.get("temperature_celsius", [])
    return Device(overview, *place, is_fresh, lines,
                  [part and part.mean for part in warmth[::max(1, len(warmth) // SPARK_STEPS)]])


def _lines(columns: Mapping[str, list[Summary | None]]) -> Lines:
    return {column: make_line(steps, scale(column)) for column, steps in columns.items()}


def _known_years(changes: Changes, state: State, axis: Axis) -> Mapping[str, Lines]:
    year = state.get(YEAR)
    if (not isinstance(year, dict) or year.get("key") != _year_key(axis)
            or not changes.are_unchanged(Cursor.load(year.get("cursor")), axis.periods[-1].end)):
        return {}
    return {device_id: {column: Line(*line) for column, line in lines.items()}
            for device_id, lines in year["lines"].items()}


def _year_key(axis: Axis) -> list[str]:
    first, last = axis.periods[0], axis.periods[-1]
    return [runtime.VERSION, *Line._fields, format_time(first.start), format_time(last.end)]


def scale(column: str) -> int:
    """Return in which part of a unit the column's values are sent."""
    return 1 if column in WHOLE else 10


def _places(devices: "list[DeviceOverview]") -> dict[str, tuple[str, str]]:
    """Return each device's place, and its name where the place has several."""
    places = {item.device.device_id: item.device.location or item.device.device_name or item.device.device_id
              for item in devices}
    shared = {place for place, number in Counter(places.values()).items() if number > 1}
    names = {item.device.device_id: item.device.device_name or item.device.device_id for item in devices}
    return {device_id: (place, names[device_id] if place in shared and names[device_id] != place else "")
            for device_id, place in places.items()}
