"""A home at a glance: its devices, their newest readings, their gaps, and the active alerts."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from storage import alert_files, cycle_history, gaps, past, registry, spool
from storage.gaps import Coverage
from storage.reading import Cycle, Row
from storage.readings import seconds
from storage.registry import Device

ALERTS = "ALERT_*.txt"
INTERVALS, AT_LEAST = 3, timedelta(minutes=15)  # after which a device is silent


class Home(NamedTuple):
    """The home in config.yaml. `places` are by device id, `stopped` are disabled collectors."""

    data: Path
    name: str
    time_zone: str | None
    interval_seconds: int
    cycle_seconds: float
    keep_days: int
    places: Mapping[str, str]
    stopped: Collection[str]

    @property
    def stale_after(self) -> timedelta:
        """How old a device's newest reading may be."""
        return stale_after(self.interval_seconds)


class DeviceOverview(NamedTuple):
    """`newest_at` is the time of the newest reading, in seconds since 1970; without `coverage` none was expected."""

    device: Device
    newest: Row | None
    newest_at: int | None
    coverage: Coverage | None

    def is_fresh(self, home: Home, now: datetime) -> bool:
        """Return whether the newest reading still tells what the air is like, as the health check sees it."""
        limit = home.stale_after.total_seconds()
        return self.newest_at is not None and -limit <= now.timestamp() - self.newest_at <= limit


class Present(NamedTuple):
    """`devices` are those in use, `successes` each collector's last complete cycle in seconds since 1970."""

    devices: list[DeviceOverview]
    alerts: list[dict[str, str]]
    successes: dict[str, int]


class Overview(NamedTuple):
    devices: list[DeviceOverview]
    alerts: list[dict[str, str]]


def stale_after(interval_seconds: int) -> timedelta:
    return max(INTERVALS * timedelta(seconds=interval_seconds), AT_LEAST)


def present(connection: sqlite3.Connection, home: Home, now: datetime) -> Present:
    """Raise OSError."""
    cycles = connection.execute("""
        SELECT
            collector,
            MAX(started_at)
        FROM collection_cycles
        WHERE outcome = 'ok'
        GROUP BY collector
    """)
    successes = {collector: at for collector, started_at in cycles if (at := seconds(started_at)) is not None}
    return Present([device for device in _devices(connection, home) if device.device.is_active], [*_alerts(home.data)],
                   successes)


def survey(connection: sqlite3.Connection, home: Home, now: datetime, since: datetime) -> Overview:
    """Return the devices by place: those in use, and those with readings since then. Raise OSError."""
    waiting = _waiting(home, now)  # before the database: a cycle stored in between counts once, not never
    devices = [device for device in _devices(connection, home)
               if device.device.is_active or (device.newest_at or 0) >= since.timestamp()]
    window = cycle_history.Window(since, now, home.interval_seconds, home.keep_days, home.stopped)
    coverages = {coverage.device.device_id: coverage for coverage in gaps.report(
        connection, [device.device for device in devices], window, waiting)}
    return Overview([device._replace(coverage=coverages.get(device.device.device_id)) for device in devices],
                    [*_alerts(home.data)])


def _waiting(home: Home, now: datetime) -> Collection[Cycle]:
    """Return the cycles in the spool that cannot be running any more."""
    return [cycle for cycle in spool.pending_cycles(home.data)
            if now - cycle.started_at >= timedelta(seconds=home.cycle_seconds)]


def _devices(connection: sqlite3.Connection, home: Home) -> list[DeviceOverview]:
    found = []
    for device in registry.all_devices(connection):
        newest = past.newest_row(connection, device.device_id)
        placed = device._replace(location=home.places.get(device.device_id) or device.location)
        found.append(DeviceOverview(placed, newest, seconds(str(newest["timestamp"])) if newest else None, None))
    return sorted(found, key=lambda item: ((item.device.location or "").casefold(), item.device.label()))


def _alerts(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the alerts' keys and values, with `name`, their file's, and `sentence`, its first line."""
    for path in sorted(folder.glob(ALERTS)):
        text = path.read_text(encoding="utf-8", errors="replace")
        yield {**alert_files.parse(text), "name": path.name, "sentence": text.partition("\n")[0] or path.name}
