"""The device registry: names and places of devices, and when they were last seen.

A source never overwrites what a person chose. A configured place goes into the readings, but replaces no chosen one here.
"""

import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from runtime.formats import format_time
from storage.reading import Sighting

ABSENCE = timedelta(days=7)


class Device(NamedTuple):
    """A row of `device_registry`; docs/data.md explains the columns. `temperature_offset` is in kelvin."""

    device_id: str
    device_type: str | None = None
    device_name: str | None = None
    location: str | None = None
    unique_id: str | None = None
    model_info: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    is_active: bool = True
    name_source: str = "discovered"
    location_source: str = "discovered"
    temperature_offset: float = 0.0
    collector: str | None = None

    def named(self, name: str) -> "Device":
        """Return the device under a person's name for it; a place that was only the name changes too."""
        is_place = self.location_source == "discovered" and self.location == self.device_name
        return self._replace(device_name=name, name_source="user", location=name if is_place else self.location)

    def placed(self, location: str) -> "Device":
        return self._replace(location=location, location_source="user")

    def label(self) -> str:
        return f"{self.device_id} ({self.device_name})" if self.device_name else self.device_id


COLUMNS = Device._fields
SELECT = f"SELECT {', '.join(COLUMNS)} FROM device_registry WHERE device_id = ?"
INSERT = f"INSERT INTO device_registry ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
UPDATE = "ON CONFLICT (device_id) DO UPDATE SET"
SIGHTED = ("device_type", "device_name", "location", "model_info", "first_seen", "last_seen", "is_active", "name_source",
           "location_source", "collector")
CHOSEN = ("device_name", "location", "is_active", "name_source", "location_source", "temperature_offset")
INSERT_SIGHTED, INSERT_CHOSEN = (
    f"{INSERT} {UPDATE} {', '.join(f'{column} = excluded.{column}' for column in columns)}"
    for columns in (SIGHTED, CHOSEN))


def record_sightings(connection: sqlite3.Connection, sightings: Iterable[Sighting], collector: str,
                     now: datetime) -> dict[str, Device]:
    """Register and activate the devices that a source listed; return them by id, at their configured places."""
    by_id, moment = {sighting.device_id: sighting for sighting in sightings}, format_time(now)
    registered = find(connection, by_id)
    devices = [_updated(registered.get(device_id), sighting, collector, moment) for device_id, sighting in by_id.items()]
    connection.executemany(INSERT_SIGHTED, devices)
    return {device.device_id: device._replace(location=sighting.location) if _is_configured(sighting) else device
            for device, sighting in zip(devices, by_id.values())}


def _updated(registered: Device | None, sighting: Sighting, collector: str, now: str) -> Device:
    device = registered or Device(device_id=sighting.device_id, unique_id=sighting.device_id)
    chosen = device.device_name is not None and device.name_source == "user"
    name = device.device_name if chosen else sighting.name or device.device_name or device.device_id
    location, location_source = _place(device, sighting, name)
    return device._replace(
        device_type=sighting.device_type, device_name=name, location=location, location_source=location_source,
        name_source="user" if chosen else "discovered", model_info=sighting.model_info or device.model_info,
        first_seen=device.first_seen or now, last_seen=now, is_active=True, collector=collector)


def _place(device: Device, sighting: Sighting, name: str | None) -> tuple[str | None, str]:
    if device.location is not None and device.location_source == "user":
        return device.location, "user"
    if _is_configured(sighting):
        return sighting.location, "config"
    return sighting.location or name, "discovered"


def _is_configured(sighting: Sighting) -> bool:
    return sighting.location is not None and sighting.location_source == "config"


def find(connection: sqlite3.Connection, device_ids: Iterable[str]) -> dict[str, Device]:
    devices = {}
    for device_id in device_ids:
        for row in connection.execute(SELECT, (device_id,)):
            device = Device(*row)
            devices[device_id] = device._replace(is_active=bool(device.is_active))
    return devices


def all_devices(connection: sqlite3.Connection) -> list[Device]:
    """Return all devices, by id; unregistered ones as in their newest reading, and inactive."""
    from storage import readings  # no cycle needs it
    ids = [device_id for device_id, in connection.execute("SELECT device_id FROM device_registry")]
    registered, all_ids = find(connection, ids), {*ids, *readings.device_ids(connection)}
    return [registered.get(device_id) or _unregistered(connection, device_id) for device_id in sorted(all_ids)]


def change(connection: sqlite3.Connection, device_id: str, alter: Callable[[Device], Device]) -> Device:
    """Apply a person's decision to a device, which may be one not seen yet; return it as it is now."""
    device = alter(find(connection, [device_id]).get(device_id) or _unregistered(connection, device_id))
    connection.execute(INSERT_CHOSEN, device)
    return device


def replace(connection: sqlite3.Connection, old_id: str, new_id: str) -> None:
    """Give the name and place of one device to another; the first one becomes inactive and keeps its history."""
    old = change(connection, old_id, lambda device: device._replace(is_active=False))
    change(connection, new_id, lambda device: _succeed(device, old))


def _succeed(device: Device, old: Device) -> Device:
    named = device.named(old.device_name) if old.device_name else device
    return (named.placed(old.location) if old.location else named)._replace(is_active=True)


def remove_unseen(connection: sqlite3.Connection, device_id: str) -> bool:
    """Remove a device that no source has listed and that has no readings; return whether it was one."""
    return connection.execute("""
        DELETE FROM device_registry
        WHERE device_id = :device_id
            AND first_seen IS NULL
            AND last_seen IS NULL
            AND NOT EXISTS (SELECT 1 FROM readings WHERE device_id = :device_id)
    """, {"device_id": device_id}).rowcount > 0


def _unregistered(connection: sqlite3.Connection, device_id: str) -> Device:
    from storage import readings  # no cycle needs it
    device, newest = Device(device_id=device_id, unique_id=device_id), readings.newest(connection, device_id)
    if newest is None:  # yet to be seen, and so active
        return device
    return device._replace(device_type=newest.device_type, device_name=newest.name, location=newest.location,
                           is_active=False)


def deactivate_absent(connection: sqlite3.Connection, collector: str, now: datetime) -> int:
    """Deactivate devices that their source has not listed for 7 days; return how many.

    Only if it answered a cycle after the device's last sighting and at least a week ago: a silent source proves nothing.
    """
    return connection.execute("""
        UPDATE device_registry
        SET is_active = 0
        WHERE collector = :collector
            AND is_active = 1
            AND last_seen <= :week_ago
            AND last_seen < (
                SELECT started_at
                FROM collection_cycles
                WHERE collector = :collector
                    AND outcome IN ('ok', 'partial')
                    AND started_at <= :week_ago
                ORDER BY started_at DESC
                LIMIT 1
            )
    """, {"collector": collector, "week_ago": format_time(now - ABSENCE)}).rowcount


def adopt(connection: sqlite3.Connection, devices: Iterable[Device]) -> None:
    """Register devices that people named in an earlier program; leave registered ones alone."""
    chosen = (device._replace(
        unique_id=device.device_id, name_source="discovered" if device.device_name is None else "user",
        location_source="discovered" if device.location is None else "user") for device in devices)
    connection.executemany(INSERT + " ON CONFLICT (device_id) DO NOTHING", chosen)
