"""One cycle of the monitors: whom to ask for, what to do about those that the cloud is silent about.

A normal cycle is one request, for the state of all known monitors.
"""

import logging
from collections.abc import Iterator, MutableMapping, Sequence
from datetime import datetime
from typing import NamedTuple

from collectors.amazon_aqm import Settings, discovery, measurements, queries
from collectors.amazon_aqm.cloud import Cloud, InvalidQuery, UnknownEndpoint
from collectors.amazon_aqm.discovery import Monitor
from collectors.amazon_aqm.queries import Part, objects
from runtime.errors import NotAuthorised, NotUnderstood, RemoteError, Throttled
from runtime.formats import pluralize
from runtime.http_client import JsonResponse
from storage.reading import Reading, Sighting

log = logging.getLogger(__name__)

State = MutableMapping[str, object]


class EndpointStates(NamedTuple):
    """What the cloud tells of some endpoints, by id; `date` is its own clock."""

    endpoints: dict[str, Part]
    is_complete: bool
    date: datetime | None


def collect(cloud: Cloud, settings: Settings, memory: State, now: datetime) -> Iterator[Reading | Sighting]:
    """Yield a sighting of every known monitor and a reading of each with fresh values.

    A monitor that the cloud is silent about may have been set up anew under another id: that is looked up, once.
    """
    known = _monitors(cloud, settings, memory, now)
    state = fetch_state(cloud, known, memory)
    yield from _told(known, state, settings, memory, now)
    silent = _silent(known, state)
    if state.is_complete and discovery.is_news(memory, silent, now):
        discovery.note_search(memory, now)
        found = _chosen(discovery.discover(cloud, memory, now), settings)
        new = [each for each in found if each.endpoint_id not in {each.endpoint_id for each in known}]
        second = fetch_state(cloud, new, memory) if new else EndpointStates({}, True, None)
        yield from _told(new, second, settings, memory, now)
        silent = _silent(found, EndpointStates(state.endpoints | second.endpoints, True, None))
    if state.is_complete:
        discovery.note_silent(memory, silent, now)
    yield from (each.sighting(settings, "the Alexa cloud tells nothing of it") for each in silent)


def probe(cloud: Cloud, settings: Settings, memory: State) -> str:
    """Say how many monitors the cloud tells of. Raise NotUnderstood for none."""
    known = _chosen(discovery.known(memory), settings) if discovery.known(memory) else []
    told = fetch_state(cloud, known, memory).endpoints if known else {}
    names = [each.name or each.serial for each in known if each.endpoint_id in told]
    if not names:
        names = [each.name or each.serial for each in _chosen(discovery.listed(cloud, memory)[1], settings)]
    count = pluralize(len(names), "air quality monitor")
    return f"the Alexa cloud at {cloud.hosts.site} tells of {count}: {', '.join(names)}"


def fetch_state(cloud: Cloud, monitors: Sequence[Monitor], memory: State) -> EndpointStates:
    """Return what the cloud tells of some monitors, asked for together.

    An id that the cloud does not know spoils the answer for all, so then each is asked for by itself, in one request.
    """
    ids = [each.endpoint_id for each in monitors]
    try:
        answer = _fetch(cloud, [ids], memory)
    except UnknownEndpoint:
        try:
            answer = _fetch(cloud, [[each] for each in ids], memory) if len(ids) > 1 else JsonResponse(None, None)
        except UnknownEndpoint:
            answer = JsonResponse(None, None)
    parts = queries.parts(answer.document, "listEndpoints")
    told = {each["endpointId"]: each for part in parts for each in objects(part, "endpoints")
            if isinstance(each.get("endpointId"), str)}
    return EndpointStates(told, not any(part.get("completeResult") is False for part in parts), answer.date)


def _fetch(cloud: Cloud, batches: Sequence[Sequence[str]], memory: State) -> JsonResponse:
    """Ask for the state in the fullest form of the query that the cloud understands, and remember which that is."""
    first = memory.get("labels")
    for choice in range(first if type(first) is int and first in (1, 2) else 0, len(queries.LABELS)):
        body = [queries.state(ids, queries.LABELS[choice]) for ids in batches]
        try:
            answer = cloud.fetch(body, "listEndpoints", "endpoints")
        except NotUnderstood as error:
            if not queries.LABELS[choice] or not (isinstance(error, InvalidQuery) or error.status == 400):
                raise
            log.warning("asking again for fewer names: %s", error)
        else:
            memory["labels"] = choice
            break
    return answer


def _monitors(cloud: Cloud, settings: Settings, memory: State, now: datetime) -> list[Monitor]:
    """Return the monitors to ask for, discovered anew once a day; if that fails, those known have to do."""
    known = discovery.known(memory)
    if known and not discovery.is_due(memory, now):
        return _chosen(known, settings)
    if not known:
        discovery.check_hope(cloud, memory, now)
    try:
        found = discovery.discover(cloud, memory, now, share=0.5 if known else 1.0)
        memory.pop("labels", None)
    except (NotAuthorised, Throttled):
        raise
    except RemoteError as error:
        if not known:
            raise
        log.warning("the monitors of yesterday have to do: %s", error)
        discovery.put_off(memory, now)
        found = known
    return _chosen(found, settings)


def _chosen(monitors: Sequence[Monitor], settings: Settings) -> list[Monitor]:
    wanted = (settings.device_serial or "").casefold()
    chosen = [each for each in monitors if wanted in ("", each.serial.casefold())]
    if not chosen:
        serials = ", ".join(each.serial for each in monitors)
        raise NotUnderstood(f"device_serial {settings.device_serial!r} is none of the account's: {serials}",
                            "set collectors.amazon_aqm.device_serial to one of them, or to null")
    return chosen


def _told(monitors: Sequence[Monitor], state: EndpointStates, settings: Settings, memory: State,
          now: datetime) -> Iterator[Reading | Sighting]:
    for each in monitors:
        if each.endpoint_id in state.endpoints:
            endpoint = state.endpoints[each.endpoint_id]
            yield from measurements.parse(each, endpoint, settings, now, state.date)
            measurements.note_unknown(endpoint, memory)


def _silent(monitors: Sequence[Monitor], state: EndpointStates) -> list[Monitor]:
    return [each for each in monitors if each.endpoint_id not in state.endpoints]
