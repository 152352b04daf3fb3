"""Which monitors the account has, and in which rooms: asked once a day, and remembered.

Polling this would get the account throttled, and its owner's app with it (alexa_media_player issue 3032). Monitors of
other makes have no serial number, and so no identity (aioamazondevices commit 45e28dc).
"""

import logging
from collections.abc import Collection, Iterator, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from collectors.amazon_aqm import Settings, queries
from collectors.amazon_aqm.cloud import Cloud
from collectors.amazon_aqm.queries import Part, objects, part, text
from collectors.kit.errors import CollectorError, NotUnderstood, Throttled
from collectors.kit.session import Answer
from storage.reading import Sighting, instant, printable, stamp

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)


@dataclass(frozen=True)
class Monitor:
    """A monitor as it was discovered. Its endpoint id changes when it is set up anew, its serial number never."""

    endpoint_id: str
    serial: str
    name: str | None = None
    model: str | None = None
    room: str | None = None

    def sighting(self, settings: Settings, trouble: str | None, name: str | None = None) -> Sighting:
        """Return it as the registry takes it, under the name it was just called by, if it was."""
        place = settings.device_locations.get(self.serial)
        return Sighting(
            device_id=f"alexa:{self.serial}", device_type="alexa_aqm", name=name or self.name,
            location=place or self.room, location_source="config" if place else "discovered", model_info=self.model,
            trouble=trouble)


def known(memory: MutableMapping[str, object]) -> list[Monitor]:
    """Return the monitors remembered."""
    return [monitor for each in objects(_notes(memory), "found") if (monitor := _remembered(each))]


def is_due(memory: MutableMapping[str, object], now: datetime) -> bool:
    """Tell whether the last discovery was a day ago."""
    match memory.get("monitors"):
        case {"discovered_at": str(moment)}:
            try:
                return abs(now - instant(moment)) >= EVERY
            except ValueError:
                pass
    return True


def put_off(memory: MutableMapping[str, object], now: datetime) -> None:
    """Let the next discovery wait for a day."""
    memory["monitors"] = {**_notes(memory), "discovered_at": stamp(now)}


def is_news(memory: MutableMapping[str, object], silent: Collection[Monitor], now: datetime) -> bool:
    """Tell whether the cloud is silent about a monitor of which it was not so before, nor lists it just now."""
    notes = _notes(memory)
    noted = notes.get("silent")
    expected = noted if isinstance(noted, list) else []
    return notes.get("discovered_at") != stamp(now) and any(each.endpoint_id not in expected for each in silent)


def note_silent(memory: MutableMapping[str, object], silent: Collection[Monitor]) -> None:
    """Remember monitors that the cloud lists but does not tell the state of: no use in discovering them again."""
    memory["monitors"] = {**_notes(memory), "silent": [each.endpoint_id for each in silent]}


def discover(cloud: Cloud, memory: MutableMapping[str, object], now: datetime | None) -> list[Monitor]:
    """Ask which monitors there are and in which rooms; remember and return them. Raise NotUnderstood for none."""
    answer, found = listed(cloud, memory)
    discovered_at = now or answer.date
    remembered = {"discovered_at": stamp(discovered_at) if discovered_at else None}
    memory["monitors"] = remembered | {"found": [vars(each) for each in found]}
    rooms = _rooms(cloud)
    found = [replace(each, room=rooms.get(each.endpoint_id)) for each in found] if rooms is not None else found
    memory["monitors"] = remembered | {"found": [vars(each) for each in found]}
    log.info("discovered %d air quality monitors", len(found))
    return found


def listed(cloud: Cloud, memory: MutableMapping[str, object]) -> tuple[Answer, list[Monitor]]:
    """Ask which monitors there are. What the cloud leaves out this time is taken from what is remembered."""
    answer = cloud.fetch(queries.monitors(), "listEndpoints", "endpoints")
    before = known(memory)
    found: dict[str, Monitor] = {}
    for each in queries.parts(answer.document, "listEndpoints"):
        for endpoint in objects(each, "endpoints"):
            monitor = _parse(endpoint, {each.endpoint_id: each for each in before})
            if monitor is not None:
                found.setdefault(monitor.serial, monitor)
        if each.get("completeResult") is False:
            found = {monitor.serial: monitor for monitor in before} | found
    if not found:
        memory.pop("monitors", None)
        raise NotUnderstood(f"there is no monitor in this account on {cloud.hosts.site}: is the domain right?",
                            "set collectors.amazon_aqm.domain to the Amazon site of the account's own country")
    return answer, list(found.values())


def _parse(endpoint: Part, before: dict[str, Monitor]) -> Monitor | None:
    """Return a monitor of Amazon's own make; None for another one, or one without identity."""
    endpoint_id = endpoint.get("endpointId")
    if not isinstance(endpoint_id, str) or not endpoint_id:
        return None
    known = before.get(endpoint_id, Monitor(endpoint_id, ""))
    maker = printable(text(endpoint, "manufacturer")) or ("amazon" if known.serial else "")
    serial = printable(text(endpoint, "serialNumber")) or known.serial
    name = printable(text(endpoint, "friendlyNameObject")) or known.name
    if maker.casefold() != "amazon" or not serial:
        log.info("a monitor that is not Amazon's own, or has no serial number, is left out: %s", name)
        return None
    return Monitor(endpoint_id, serial, name, printable(text(endpoint, "model")) or known.model, known.room)


def _rooms(cloud: Cloud) -> dict[str, str] | None:
    """Return the room of each endpoint that is in one; None where the cloud does not tell, which costs nothing else."""
    try:
        answer = cloud.send(queries.groups(), "listDeviceGroups", "deviceGroups", cloud.login.cookies(), once=True)
    except Throttled:
        raise
    except CollectorError as error:
        log.info("the rooms remain unknown: %s", error)
        return None
    rooms: dict[str, str] = {}
    for each in queries.parts(answer.document, "listDeviceGroups"):
        for group in objects(each, "deviceGroups"):
            name = printable(text(group, "friendlyName"))
            if name is not None:
                rooms = {member: name for member in _members(group)} | rooms
    return rooms


def _members(group: Part) -> Iterator[str]:
    for item in objects(part(group, "memberDevices"), "items"):
        if isinstance(endpoint_id := item.get("id"), str):
            yield endpoint_id


def _notes(memory: MutableMapping[str, object]) -> Part:
    notes = memory.get("monitors")
    return notes if isinstance(notes, dict) else {}


def _remembered(values: Part) -> Monitor | None:
    match values:
        case {"endpoint_id": str(endpoint_id), "serial": str(serial), **rest}:
            return Monitor(endpoint_id, serial, *(printable(rest.get(name)) for name in ("name", "model", "room")))
    return None
