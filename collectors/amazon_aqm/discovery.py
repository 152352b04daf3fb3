"""Which monitors the account has, and in which rooms: asked once a day, and remembered.

Polling this would get the account throttled, and its owner's app with it (alexa_media_player issue 3032). Monitors of
other makes have no serial number, and so no identity (aioamazondevices commit 45e28dc).
"""

import logging
from collections.abc import Collection, Iterator, MutableMapping
from datetime import datetime, timedelta
from typing import NamedTuple

from collectors.amazon_aqm import Settings, queries
from collectors.amazon_aqm.cloud import Cloud
from collectors.amazon_aqm.queries import Part, objects, part, text
from runtime.errors import NotUnderstood, RemoteError, Throttled
from runtime.formats import format_time, one_line, parse_time, pluralize
from runtime.http_client import JsonResponse
from storage.reading import Sighting

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)
AGAIN = timedelta(hours=1)  # before a monitor that comes and goes, or an account without any, is looked into again


class Monitor(NamedTuple):
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
    return not _is_recent(_notes(memory).get("discovered_at"), now, EVERY)


def put_off(memory: MutableMapping[str, object], now: datetime) -> None:
    """Let the next discovery wait for a day."""
    memory["monitors"] = {**_notes(memory), "discovered_at": format_time(now)}


def is_news(memory: MutableMapping[str, object], silent: Collection[Monitor], now: datetime) -> bool:
    """Tell whether the cloud is silent about a monitor of which it was not so before, nor lists it just now.

    One that comes and goes is news once an hour.
    """
    notes = _notes(memory)
    return (notes.get("discovered_at") != format_time(now) and not _is_recent(notes.get("searched_at"), now, AGAIN)
            and any(each.endpoint_id not in _expected(notes) for each in silent))


def note_search(memory: MutableMapping[str, object], now: datetime) -> None:
    """Remember that a silent monitor is looked for."""
    memory["monitors"] = {**_notes(memory), "searched_at": format_time(now)}


def note_silent(memory: MutableMapping[str, object], silent: Collection[Monitor], now: datetime) -> None:
    """Remember monitors that the cloud lists but does not tell the state of: no use in discovering them again.

    One that could not be looked for yet stays news.
    """
    notes = _notes(memory)
    is_listed = notes.get("discovered_at") == format_time(now)
    ids = [each.endpoint_id for each in silent if is_listed or each.endpoint_id in _expected(notes)]
    memory["monitors"] = {**notes, "silent": ids, "is_doubtful": notes.get("is_doubtful") is True and bool(silent)}


def check_hope(cloud: Cloud, memory: MutableMapping[str, object], now: datetime) -> None:
    """Raise NotUnderstood if the account had no monitor within the last hour: no use in asking yet."""
    if _is_recent(_notes(memory).get("none_at"), now, AGAIN):
        raise _none(cloud)


def discover(cloud: Cloud, memory: MutableMapping[str, object], now: datetime | None,
             share: float = 1.0) -> list[Monitor]:
    """Ask which monitors there are and in which rooms; remember and return them. Raise NotUnderstood for none.

    Each of the two takes no more than that `share` of the time left to the cycle.
    """
    answer, found = listed(cloud, memory, now, share)
    discovered_at = now or answer.date
    remembered = {"discovered_at": format_time(discovered_at) if discovered_at else None,
                  "searched_at": _notes(memory).get("searched_at")}
    memory["monitors"] = remembered | {"found": [each._asdict() for each in found]}
    rooms = _rooms(cloud, share)
    found = [each._replace(room=rooms.get(each.endpoint_id)) for each in found] if rooms is not None else found
    memory["monitors"] = remembered | {"found": [each._asdict() for each in found]}
    log.info("discovered %s", pluralize(len(found), "air quality monitor"))
    return found


def listed(cloud: Cloud, memory: MutableMapping[str, object], now: datetime | None = None,
           share: float = 1.0) -> tuple[JsonResponse, list[Monitor]]:
    """Ask which monitors there are. What the cloud leaves out this time is taken from what is remembered.

    Raise NotUnderstood for none; those remembered are forgotten when that happens twice in a row.
    """
    answer = cloud.fetch(queries.monitors(), "listEndpoints", "endpoints", share)
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
        is_sure = not before or _notes(memory).get("is_doubtful") is True
        memory["monitors"] = ({"none_at": format_time(now) if now else None} if is_sure
                              else {**_notes(memory), "is_doubtful": True})
        raise _none(cloud)
    return answer, list(found.values())


def _none(cloud: Cloud) -> NotUnderstood:
    return NotUnderstood(f"there is no monitor in this account on {cloud.hosts.site}: is the domain right?",
                         "set collectors.amazon_aqm.domain to the Amazon site of the account's own country")


def _parse(endpoint: Part, before: dict[str, Monitor]) -> Monitor | None:
    """Return a monitor of Amazon's own make; None for another one, or one without identity."""
    endpoint_id = endpoint.get("endpointId")
    if not isinstance(endpoint_id, str) or not endpoint_id:
        return None
    known = before.get(endpoint_id, Monitor(endpoint_id, ""))
    maker = one_line(text(endpoint, "manufacturer")) or ("amazon" if known.serial else "")
    serial = one_line(text(endpoint, "serialNumber")) or known.serial
    name = one_line(text(endpoint, "friendlyNameObject")) or known.name
    if maker.casefold() != "amazon" or not serial:
        log.info("a monitor that is not Amazon's own, or has no serial number, is left out: %s", name)
        return None
    return Monitor(endpoint_id, serial, name, one_line(text(endpoint, "model")) or known.model, known.room)


def _rooms(cloud: Cloud, share: float) -> dict[str, str] | None:
    """Return the room of each endpoint that is in one; None where the cloud does not tell, which costs nothing else."""
    try:
        answer = cloud.send(queries.groups(), "listDeviceGroups", "deviceGroups", cloud.login.cookies(), once=True,
                            share=share)
    except Throttled:
        raise
    except RemoteError as error:
        log.info("the rooms remain unknown: %s", error)
        return None
    rooms: dict[str, str] = {}
    for each in queries.parts(answer.document, "listDeviceGroups"):
        for group in objects(each, "deviceGroups"):
            name = one_line(text(group, "friendlyName"))
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


def _expected(notes: Part) -> list[object]:
    silent = notes.get("silent")
    return silent if isinstance(silent, list) else []


def _is_recent(moment: object, now: datetime, span: timedelta) -> bool:
    """Tell whether a moment remembered is less than a span away; one in the future may be of a clock that was wrong."""
    try:
        return isinstance(moment, str) and abs(now - parse_time(moment)) < span
    except ValueError:
        return False


def _remembered(values: Part) -> Monitor | None:
    match values:
        case {"endpoint_id": str(endpoint_id), "serial": str(serial), **rest}:
            return Monitor(endpoint_id, serial, *(one_line(rest.get(name)) for name in ("name", "model", "room")))
    return None
