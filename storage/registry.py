"""The device registry: which devices there are, what people call them, where they stand, when they were last seen.

A device registers itself by being seen. What a human chose is never overwritten by what a source happens to tell. A
place in the configuration file is a human's word too: while it stands there the readings carry it, and the place that
was chosen by command waits in the registry. Rows of `readings` carry copies of name and place, so that history stays as
it was told then.
"""

import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from runtime.formats import format_time
from storage.reading import Sighting

ABSENCE = timedelta(days=7)


class Device(NamedTuple):
    """A row of `device_registry`, its fields in the order of the columns.

    `name_source` and `location_source` are `discovered`, `config` or `user`; `temperature_offset`, in kelvin, is added
    to what the device measures; `collector` is the source that tells of it, None until the first sighting.
    """

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
        """Return the device under the name that a person chose; where the name stood for its place, it still does."""
        stands_for_place = self.location_source == "discovered" and self.location == self.device_name
        return self._replace(device_name=name, name_source="user", location=name if stands_for_place else self.location)

    def placed(self, location: str) -> "Device":
        """Return the device at the place that a person chose."""
        return self._replace(location=location, location_source="user")


COLUMNS = Device._fields
INSERT = f"INSERT INTO device_registry ({', '.join(COLUMNS)}) VALUES ({', '.join(':' + each for each in COLUMNS)})"
UPDATE_SIGHTED = """
    ON CONFLICT (device_id) DO UPDATE SET
        device_type = excluded.device_type,
        device_name = excluded.device_name,
        location = excluded.location,
        model_info = excluded.model_info,
        first_seen = excluded.first_seen,
        last_seen = excluded.last_seen,
        is_active = excluded.is_active,
        name_source = excluded.name_source,
        location_source = excluded.location_source,
        collector = excluded.collector
"""
UPDATE_CHOSEN = """
    ON CONFLICT (device_id) DO UPDATE SET
        device_name = excluded.device_name,
        location = excluded.location,
        is_active = excluded.is_active,
        name_source = excluded.name_source,
        location_source = excluded.location_source,
        temperature_offset = excluded.temperature_offset
"""


def sight(connection: sqlite3.Connection, sightings: Iterable[Sighting], collector: str,
          now: datetime) -> dict[str, Device]:
    """Register what a source told of at `now`, with or without a value; return the devices as their readings have them.

    That is as they are registered now, but for a configured place. A device that had retired is active again.
    """
    told, moment = {each.device_id: each for each in sightings}, format_time(now)
    known = find(connection, told)
    seen = {each: _sighted(known.get(each), sighting, collector, moment) for each, sighting in told.items()}
    connection.executemany(INSERT + UPDATE_SIGHTED, [each._asdict() for each in seen.values()])
    return {each: _placed(device, told[each]) for each, device in seen.items()}


def _sighted(known: Device | None, sighting: Sighting, collector: str, now: str) -> Device:
    device = known or Device(device_id=sighting.device_id, unique_id=sighting.device_id)
    chosen = device.device_name is not None and device.name_source == "user"
    name = device.device_name if chosen else sighting.name or device.device_name or device.device_id
    location, location_source = _place(device, sighting, name)
    return device._replace(
        device_type=sighting.device_type, device_name=name, location=location,
        model_info=sighting.model_info or device.model_info, first_seen=device.first_seen or now, last_seen=now,
        is_active=True, name_source="user" if chosen else "discovered", location_source=location_source,
        collector=collector)


def _place(device: Device, sighting: Sighting, name: str | None) -> tuple[str | None, str]:
    if device.location is not None and device.location_source == "user":
        return device.location, "user"
    if _is_configured(sighting):
        return sighting.location, "config"
    return sighting.location or name, "discovered"


def _placed(device: Device, sighting: Sighting) -> Device:
    return device._replace(location=sighting.location) if _is_configured(sighting) else device


def _is_configured(sighting: Sighting) -> bool:
    return sighting.location is not None and sighting.location_source == "config"


def find(connection: sqlite3.Connection, device_ids: Iterable[str]) -> dict[str, Device]:
    """Return the registered ones among the given devices, by id."""
    query = f"SELECT {', '.join(COLUMNS)} FROM device_registry WHERE device_id = ?"
    rows = (connection.execute(query, (each,)).fetchone() for each in device_ids)
    values = (dict(zip(COLUMNS, row)) for row in rows if row is not None)
    return {each["device_id"]: Device(**each | {"is_active": bool(each["is_active"])}) for each in values}


def known(connection: sqlite3.Connection) -> list[Device]:
    """Return every device there is a trace of, by id: the registered ones, and those that only readings tell of.

    The latter go by what their newest reading says, and are not active, for no source tells of them.
    """
    registered = [each for each, in connection.execute("SELECT device_id FROM device_registry")]
    from storage import readings  # for those alone who look back
    others = set(readings.told_of(connection)).difference(registered)
    return sorted([*find(connection, registered).values(), *(_unregistered(connection, each) for each in others)],
                  key=lambda device: device.device_id)


def change(connection: sqlite3.Connection, device_id: str, alter: Callable[[Device], Device]) -> Device:
    """Register what a person decides about a device, given as what becomes of it; return it as it is now.

    What its source tells of it stays. A device that nobody knows yet is registered, and waits for its first sighting.
    """
    device = alter(find(connection, [device_id]).get(device_id) or _unregistered(connection, device_id))
    connection.execute(INSERT + UPDATE_CHOSEN, device._asdict())
    return device


def _unregistered(connection: sqlite3.Connection, device_id: str) -> Device:
    """Return a device as its newest reading has it; one that has none is expected, and so active."""
    from storage import readings  # for those alone who look back
    newest = readings.newest(connection, device_id)
    if newest is None:
        return Device(device_id=device_id, unique_id=device_id)
    return Device(device_id=device_id, unique_id=device_id, device_type=newest.device_type, device_name=newest.name,
                  location=newest.location, is_active=False)


def retire(connection: sqlite3.Connection, collector: str, now: datetime) -> int:
    """Mark inactive what the collector's source has answered without for 7 days; return how many devices that were.

    A source that was silent retires nobody: it takes a cycle it answered, a week ago or earlier, after the device's
    last sighting.
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
    """Register devices that people named before this program came; what is registered already stays as it is."""
    theirs = (each._replace(
        unique_id=each.device_id, name_source="discovered" if each.device_name is None else "user",
        location_source="discovered" if each.location is None else "user") for each in devices)
    connection.executemany(INSERT + " ON CONFLICT (device_id) DO NOTHING", [each._asdict() for each in theirs])
