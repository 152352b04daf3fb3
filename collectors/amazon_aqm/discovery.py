"""Which monitors the account has, and in which rooms: fetched daily, and at most hourly while a monitor is missing.

Polling this would get the account throttled, and its owner's app with it (alexa_media_player issue 3032). Monitors of
other makes have no serial number, and so no identity (aioamazondevices commit 45e28dc).
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from collectors import DISCOVERED
from collectors.amazon_aqm.cloud import Cloud
from collectors.amazon_aqm.login import OTHER_SITE
from collectors.amazon_aqm.queries import GROUPS, LABELS, Part, discovery_operations, moment, objects, part, parts, text
from runtime.errors import NotAuthorised, NotUnderstood, RemoteError, Throttled
from runtime.formats import format_time, one_line, pluralize
from runtime.http_client import JsonResponse
from storage.reading import Sighting
from storage.state import State

if TYPE_CHECKING:
    from collectors.amazon_aqm import Settings

log = logging.getLogger(__name__)

REFRESH_AFTER = timedelta(days=1)
SEARCH_AFTER = timedelta(hours=1)


class Monitor(NamedTuple):
    """A discovered monitor. Its endpoint id changes when it is set up again, its serial number never."""

    endpoint_id: str
    serial: str
    name: str | None = None
    model: str | None = None
    room: str | None = None
    is_echo: bool = False

    @property
    def device_type(self) -> str:
        return "alexa_echo" if self.is_echo else "alexa_aqm"

    def place(self, settings: "Settings") -> str | None:
        """Return the configured place, if any."""
        return settings.places.get(f"alexa:{self.serial.upper()}")

    def sighting(self, settings: "Settings", trouble: str | None, name: str | None = None) -> Sighting:
        place = self.place(settings)
        return Sighting(
            device_id=f"alexa:{self.serial}", device_type=self.device_type, name=name or self.name, model_info=self.model,
            location=place or self.room, location_source="config" if place else "discovered", trouble=trouble)


@dataclass(frozen=True)
class Discovery:
    """The account's monitors, as kept in the collector's state."""

    monitors: tuple[Monitor, ...] = ()
    discovered_at: datetime | None = None
    searched_at: datetime | None = None  # when a missing monitor was last searched for
    was_empty: bool = False  # the last list, perhaps by a fault of the cloud
    query_form: int = 0  # the index in LABELS that the cloud understands
    has_worked: bool = False  # that form, here
    with_echo: bool = False  # the Echo devices were listed, too

    @classmethod
    def load(cls, state: State) -> "Discovery":
        stored = part(dict(state), DISCOVERED)
        form = stored.get("query_form")
        return cls(
            monitors=tuple(_load_monitors(stored)), discovered_at=moment(stored.get("discovered_at")),
            searched_at=moment(stored.get("searched_at")), was_empty=stored.get("was_empty") is True,
            query_form=form if type(form) is int and 0 <= form < len(LABELS) else 0,
            has_worked=stored.get("has_worked") is True, with_echo=stored.get("with_echo") is True)

    def save(self, state: State) -> None:
        state[DISCOVERED] = {
            "found": [monitor._asdict() for monitor in self.monitors],
            "discovered_at": self.discovered_at and format_time(self.discovered_at),
            "searched_at": self.searched_at and format_time(self.searched_at),
            "was_empty": self.was_empty, "query_form": self.query_form, "has_worked": self.has_worked,
            "with_echo": self.with_echo}

    def wanted(self, cloud: Cloud) -> tuple[Monitor, ...]:
        return tuple(monitor for monitor in self.monitors if cloud.include_echo or not monitor.is_echo)

    def may_search(self, now: datetime) -> bool:
        """Return whether to search for a missing monitor: at most hourly, and not right after the daily discovery."""
        return self.discovered_at != now and not _is_recent(self.searched_at, now, SEARCH_AFTER)


def current_monitors(cloud: Cloud, state: State, now: datetime) -> tuple[Monitor, ...]:
    """Return the account's monitors, fetched once a day, and when `include_echo` changes; if that fails, the cached list."""
    cached = Discovery.load(state)
    is_other = cached.with_echo != cloud.include_echo
    if not cached.monitors:
        if cached.was_empty and not is_other and _is_recent(cached.searched_at, now, SEARCH_AFTER):
            raise _no_monitor(cloud)
        return discover(cloud, state, now)
    if not is_other and _is_recent(cached.discovered_at, now, REFRESH_AFTER):
        return cached.monitors
    try:
        return discover(cloud, state, now, share=0.5)
    except (NotAuthorised, Throttled):
        raise
    except RemoteError as error:
        log.warning("discovery failed, using the cached monitor list: %s", error)
        tried_at = now - REFRESH_AFTER + SEARCH_AFTER if is_other else now  # a changed setting gets another try in an hour
        kept = Discovery.load(state)
        replace(kept, monitors=kept.wanted(cloud), discovered_at=tried_at, query_form=0, has_worked=False,
                with_echo=cloud.include_echo).save(state)
        if not cached.wanted(cloud):
            raise
        return cached.wanted(cloud)


def discover(cloud: Cloud, state: State, now: datetime | None, share: float = 1.0) -> tuple[Monitor, ...]:
    """Fetch the account's monitors and their rooms, each within that `share` of the time left."""
    answer, monitors = list_monitors(cloud, state, now, share)
    cached = Discovery.load(state)
    result = replace(cached, monitors=tuple(monitors), discovered_at=now or answer.date, was_empty=False, query_form=0,
                     has_worked=False, with_echo=cloud.include_echo)
    result.save(state)
    rooms = _fetch_rooms(cloud, share)
    if rooms is not None:
        monitors = [monitor._replace(room=rooms.get(monitor.endpoint_id)) for monitor in monitors]
        result = replace(result, monitors=tuple(monitors))
        result.save(state)
    log.info("discovered %s", pluralize(len(monitors), "air quality monitor"))
    return result.monitors


def list_monitors(cloud: Cloud, state: State, now: datetime | None = None,
                  share: float = 1.0) -> tuple[JsonResponse, list[Monitor]]:
    """Fetch the account's monitors, an incomplete list completed from the cache.

    Raise NotUnderstood for an empty list; the second in a row clears the cache.
    """
    operations = discovery_operations(cloud.include_echo)
    answer = cloud.fetch(operations if cloud.include_echo else operations[0], "listEndpoints", "endpoints", share)
    cached = Discovery.load(state)
    by_id = {monitor.endpoint_id: monitor for monitor in cached.monitors}
    monitors: dict[str, Monitor] = {}
    left_out: list[str] = []
    for is_echo, result in _results(answer.document):
        for endpoint in objects(result, "endpoints"):
            monitor = _parse(endpoint, by_id, is_echo, left_out)
            if monitor is not None:
                monitors.setdefault(monitor.serial, monitor)
        if result.get("completeResult") is False:
            monitors = {monitor.serial: monitor for monitor in cached.wanted(cloud)} | monitors
    _log_left_out(sorted(left_out), state)
    if not monitors:
        replace(cached, monitors=() if cached.was_empty else cached.monitors, was_empty=True,
                searched_at=now or cached.searched_at, with_echo=cloud.include_echo).save(state)
        raise _no_monitor(cloud)
    return answer, list(monitors.values())


def _no_monitor(cloud: Cloud) -> NotUnderstood:
    return NotUnderstood(f"there is no monitor in this account on {cloud.hosts.site}: is the domain right?", OTHER_SITE)


def _results(document: object) -> Iterator[tuple[bool, Part]]:
    """Yield the lists of the operations, and whether each is that of the Echo devices, which is the second."""
    for position, answer in enumerate(document if isinstance(document, list) else [document]):
        yield position > 0, part(part(answer, "data"), "listEndpoints")


def _log_left_out(names: list[str], state: State) -> None:
    """Log the names once until they change."""
    if names != state.get("left_out", []):
        state["left_out"] = names
        listed = ", ".join(names) or "none any more"
        log.info("ignoring monitors that are not Amazon's own, or have no serial number: %s", listed)


def _parse(endpoint: Part, cached: dict[str, Monitor], is_echo: bool, left_out: list[str]) -> Monitor | None:
    endpoint_id = endpoint.get("endpointId")
    if not isinstance(endpoint_id, str) or not endpoint_id:
        return None
    previous = cached.get(endpoint_id, Monitor(endpoint_id, ""))
    maker = one_line(text(endpoint, "manufacturer")) or ("amazon" if previous.serial else "")
    serial = one_line(text(endpoint, "serialNumber")) or previous.serial
    name = one_line(text(endpoint, "friendlyNameObject")) or previous.name
    if not maker.casefold().startswith("amazon") or not serial:
        left_out.append(name or "one without a name")
        return None
    has_thermometer = "temperatureSensor" in [feature.get("name") for feature in objects(endpoint, "features")]
    if is_echo and not has_thermometer and (endpoint.get("features") is not None or not previous.is_echo):
        return None
    return Monitor(endpoint_id, serial, name, one_line(text(endpoint, "model")) or previous.model, previous.room, is_echo)


def _fetch_rooms(cloud: Cloud, share: float) -> dict[str, str] | None:
    try:
        answer = cloud.send(GROUPS, "listDeviceGroups", "deviceGroups", cloud.login.cookies(), once=True, share=share)
    except Throttled:
        raise
    except RemoteError as error:
        log.info("could not fetch the rooms: %s", error)
        return None
    rooms: dict[str, str] = {}
    for result in parts(answer.document, "listDeviceGroups"):
        for group in objects(result, "deviceGroups"):
            name = one_line(text(group, "friendlyName"))
            for member in objects(part(group, "memberDevices"), "items"):
                if name is not None and isinstance(member.get("id"), str):
                    rooms.setdefault(member["id"], name)
    return rooms


def _load_monitors(stored: Part) -> Iterator[Monitor]:
    for values in objects(stored, "found"):
        match values:
            case {"endpoint_id": str(endpoint_id), "serial": str(serial), **rest}:
                name, model, room = (one_line(rest.get(key)) for key in ("name", "model", "room"))
                yield Monitor(endpoint_id, serial, name, model, room, rest.get("is_echo") is True)


def _is_recent(time: datetime | None, now: datetime, span: timedelta) -> bool:
    return time is not None and abs(now - time) < span  # the clock may have been set back since
