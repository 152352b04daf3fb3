"""Gathers what the page shows: devices, the series of their quantities, gaps, and alerts."""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from publishers.page import series
from publishers.page.series import Axis, Line
from runtime.formats import parse_time
from storage.changes import Changes

if TYPE_CHECKING:
    from storage.overview import DeviceOverview

YEAR = "year"
GAP_DAYS = 90
SPARK_STEPS = 96


class Look(NamedTuple):
    """`color` is a variable of page.css; a chart shows at least the range `least`, so that noise looks small."""

    color: str
    decimals: int
    least: float


LOOKS = {
    "temperature_celsius": Look("temperature", 1, 4), "humidity_percent": Look("humidity", 0, 15),
    "pm25_ugm3": Look("dust", 0, 10), "pm10_ugm3": Look("dust", 0, 10), "voc_index": Look("gas", 0, 20),
    "voc_ppb": Look("gas", 0, 100), "co_ppm": Look("gas", 1, 4), "co2_ppm": Look("gas", 0, 200),
    "iaq_score": Look("score", 0, 20),
}
COLUMNS = [*LOOKS]


class Device(NamedTuple):
    """`lines` are by axis and column; `spark` are temperatures of the last days, for a line without axes."""

    overview: "DeviceOverview"
    label: str
    is_fresh: bool
    lines: Mapping[str, Mapping[str, Line]]
    spark: list[float | None]

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
    axes: list[Axis]
    devices: list[Device]
    alerts: list[dict[str, str]]


def gather(changes: Changes, now: datetime, zone: tzinfo) -> Page:
    home = changes.home
    interval, gap_days = timedelta(seconds=home.interval_seconds), min(GAP_DAYS, home.keep_days)
    overview = changes.overview(now, now - timedelta(days=gap_days))
    newest = max((device.newest_at or 0 for device in overview.devices), default=0)
    axes = series.axes(now, datetime.fromtimestamp(newest, timezone.utc) if newest else now, interval, zone)
    labels = _labels(overview.devices)
    with changes.reading() as connection:
        devices = [_device(connection, device, labels[device.device.device_id], device.is_fresh(home, now), axes)
                   for device in overview.devices]
    return Page(now, zone, interval, gap_days, axes, devices, overview.alerts)


def _device(connection: sqlite3.Connection, overview: "DeviceOverview", label: str, is_fresh: bool,
            axes: list[Axis]) -> Device:
    steps = {axis.name: series.read(connection, overview.device.device_id, COLUMNS, axis) for axis in axes}
    lines = {name: {column: series.line(values, scale(column)) for column, values in columns.items()}
             for name, columns in steps.items()}
    warmth = steps[axes[0].name].get("temperature_celsius", [])
    return Device(overview, label, is_fresh, lines,
                  [part and part.mean for part in warmth[::max(1, len(warmth) // SPARK_STEPS)]])


def scale(column: str) -> int:
    """Return in which part of a unit the column's values are sent."""
    return int(10 ** LOOKS[column].decimals)


def _labels(devices: "list[DeviceOverview]") -> dict[str, str]:
    """Name devices by their places, with their names where a place has several."""
    places = {item.device.device_id: item.device.location or item.device.device_name or item.device.device_id
              for item in devices}
    labels = {}
    for item in devices:
        place, name = places[item.device.device_id], item.device.device_name or item.device.device_id
        is_shared = sum(other == place for other in places.values()) > 1
        labels[item.device.device_id] = f"{place} ({name})" if is_shared and name != place else place
    return labels
