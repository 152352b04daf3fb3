"""The device registry: which devices there are, what people call them, where they stand, when they were last seen.

A device registers itself by being seen. What a human chose is never overwritten by what a source happens to tell. A
place in the configuration file is a human's word too: while it stands there the readings carry it, and the place that
was chosen by command waits in the registry. Rows of `readings` carry copies of name and place, so that history stays as
it was told then.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from storage.reading import Sighting, stamp

ABSENCE = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Device:
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


COLUMNS = tuple(each.name for each in fields(Device))
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


def sight(connection: sqlite3.Connection, sightings: Iterable[Sighting], collector: str,
          now: datetime) -> dict[str, Device]:
    """Register what a source told of at `now`, with or without a value; return the devices as their readings have them.

    That is as they are registered now, but for a configured place. A device that had retired is active again.
    """
    told, moment = {each.device_id: each for each in sightings}, stamp(now)
    known = find(connection, told)
    seen = {each: _sighted(known.get(each), sighting, collector, moment) for each, sighting in told.items()}
    connection.executemany(INSERT + UPDATE_SIGHTED, map(vars, seen.values()))
    return {each: _placed(device, told[each]) for each, device in seen.items()}


def _sighted(known: Device | None, sighting: Sighting, collector: str, now: str) -> Device:
    device = known or Device(device_id=sighting.device_id, unique_id=sighting.device_id)
    chosen = device.device_name is not None and device.name_source == "user"
    name = device.device_name if chosen else sighting.name or device.device_name or device.device_id
    location, location_source = _place(device, sighting, name)
    return replace(device, device_type=sighting.device_type, device_name=name, location=location,
                   model_info=sighting.model_info or device.model_info, first_seen=device.first_seen or now,
                   last_seen=now, is_active=True, name_source="user" if chosen else "discovered",
                   location_source=location_source, collector=collector)


def _place(device: Device, sighting: Sighting, name: str | None) -> tuple[str | None, str]:
    if device.location is not None and device.location_source == "user":
        return device.location, "user"
    if _is_configured(sighting):
        return sighting.location, "config"
    return sighting.location or name, "discovered"


def _placed(device: Device, sighting: Sighting) -> Device:
    return replace(device, location=sighting.location) if _is_configured(sighting) else device


def _is_configured(sighting: Sighting) -> bool:
    return sighting.location is not None and sighting.location_source == "config"


def find(connection: sqlite3.Connection, device_ids: Iterable[str]) -> dict[str, Device]:
    """Return the registered ones among the given devices, by id."""
    query = f"SELECT {', '.join(COLUMNS)} FROM device_registry WHERE device_id = ?"
    rows = (connection.execute(query, (each,)).fetchone() for each in device_ids)
    values = (dict(zip(COLUMNS, row)) for row in rows if row is not None)
    return {each["device_id"]: Device(**each | {"is_active": bool(each["is_active"])}) for each in values}


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
    """, {"collector": collector, "week_ago": stamp(now - ABSENCE)}).rowcount


def adopt(connection: sqlite3.Connection, devices: Iterable[Device]) -> None:
    """Register devices that people named before this program came; what is registered already stays as it is."""
    theirs = (replace(each, unique_id=each.device_id,
                      name_source="discovered" if each.device_name is None else "user",
                      location_source="discovered" if each.location is None else "user") for each in devices)
    connection.executemany(INSERT + " ON CONFLICT (device_id) DO NOTHING", map(vars, theirs))
