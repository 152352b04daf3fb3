"""One cycle of the monitors: a single request for the state of all of them, and a search for any that is missing."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from collectors.amazon_aqm.cloud import Cloud, InvalidQuery, UnknownEndpoint
from collectors.amazon_aqm.discovery import Discovery, Monitor, current_monitors, discover, list_monitors
from collectors.amazon_aqm.measurements import log_unknown_instances, parse
from collectors.amazon_aqm.queries import LABELS, Part, objects, parts, state_operation
from runtime.errors import NotUnderstood, Questionable
from runtime.formats import pluralize
from runtime.http_client import JsonResponse
from storage.reading import Reading, Sighting
from storage.state import State

if TYPE_CHECKING:
    from collectors.amazon_aqm import Settings

log = logging.getLogger(__name__)

OLD_SESSION = timedelta(hours=14)  # renewed after 12 h


class EndpointStates(NamedTuple):
    endpoints: dict[str, Part]
    is_complete: bool
    date: datetime | None


def collect(cloud: Cloud, settings: "Settings", state: State, now: datetime) -> Iterator[Reading | Sighting]:
    """Yield a sighting of every monitor and a reading of each with fresh values.

    A monitor missing from the answer may have been set up again under another id, so the list is fetched again.
    """
    monitors = _selected(current_monitors(cloud, state, now), settings)
    answer = fetch_state(cloud, monitors, state)
    yield from _parse(monitors, answer, settings, state, now)
    missing = [monitor for monitor in monitors if monitor.endpoint_id not in answer.endpoints]
    cached = Discovery.load(state)
    if answer.is_complete and missing and cached.may_search(now):
        old_ids = {monitor.endpoint_id for monitor in monitors}
        replace(cached, searched_at=now).save(state)
        monitors = _selected(discover(cloud, state, now), settings)
        new = [monitor for monitor in monitors if monitor.endpoint_id not in old_ids]
        new_answer = fetch_state(cloud, new, state) if new else EndpointStates({}, True, None)
        yield from _parse(new, new_answer, settings, state, now)
        endpoints = answer.endpoints | new_answer.endpoints
        missing = [monitor for monitor in monitors if monitor.endpoint_id not in endpoints]
    elif answer.is_complete and not missing and cached.was_empty:
        replace(cached, was_empty=False).save(state)
    for monitor in missing:
        yield monitor.sighting(settings, "is missing from the Alexa cloud's answer")


def probe(cloud: Cloud, settings: "Settings", state: State) -> str:
    """Raise Questionable if the monitors give no values, or the session is not renewed any more."""
    monitors = _selected(Discovery.load(state).monitors or list_monitors(cloud, state)[1], settings)
    answer = fetch_state(cloud, monitors, state)
    if not any(monitor.endpoint_id in answer.endpoints for monitor in monitors):
        monitors = _selected(list_monitors(cloud, state)[1], settings)
        answer = fetch_state(cloud, monitors, state)
    names = ", ".join(monitor.name or monitor.serial for monitor in monitors)
    found, now = f"the Alexa cloud at {cloud.hosts.site} lists {pluralize(len(monitors), 'device')}: {names}", answer.date
    if now is None:  # nothing shows how old its values are
        return found
    troubles = [_trouble(monitor, answer, settings, now) for monitor in monitors]
    if all(troubles):
        raise Questionable(f"{found}; no value of any can be read: {troubles[0]}",
                           "see in the Alexa app whether it is online, and whether the account that is signed in owns it; "
                           "check collectors.amazon_aqm.domain")
    age = cloud.login.session_age(now)
    if age is not None and age > OLD_SESSION:
        raise Questionable(f"{found}; but its session could not be renewed for {age // timedelta(hours=1)} h",
                           "see the log for why; when it is a day old, nothing can be read")
    return found


def _trouble(monitor: Monitor, answer: EndpointStates, settings: "Settings", now: datetime) -> str | None:
    if monitor.endpoint_id not in answer.endpoints:
        return "it is missing from the answer"
    items = list(parse(monitor, answer.endpoints[monitor.endpoint_id], settings, now, answer.date))
    return next((item.trouble for item in items if isinstance(item, Sighting)), None)


def fetch_state(cloud: Cloud, monitors: Sequence[Monitor], state: State) -> EndpointStates:
    """Return the state of the monitors, fetched in one operation.

    An id that the cloud does not know spoils the whole operation; then each id gets its own, still in one request.
    """
    ids = [monitor.endpoint_id for monitor in monitors]
    try:
        answer = _fetch(cloud, [ids], state)
    except UnknownEndpoint:
        try:
            answer = _fetch(cloud, [[endpoint_id] for endpoint_id in ids], state)
        except UnknownEndpoint:
            return EndpointStates({}, True, None)
    results = parts(answer.document, "listEndpoints")
    endpoints = {endpoint["endpointId"]: endpoint for result in results for endpoint in objects(result, "endpoints")
                 if isinstance(endpoint.get("endpointId"), str)}
    return EndpointStates(endpoints, all(result.get("completeResult") is not False for result in results), answer.date)


def _fetch(cloud: Cloud, batches: Sequence[Sequence[str]], state: State) -> JsonResponse:
    """Fetch the state in the fullest form of the query that the cloud understands, and remember that form."""
    cached = Discovery.load(state)
    form = cached.query_form
    while True:
        body = [state_operation(ids, LABELS[form]) for ids in batches]
        try:
            answer = cloud.fetch(body, "listEndpoints", "endpoints", is_proven=cached.has_worked or not LABELS[form])
        except NotUnderstood as error:
            if not LABELS[form] or not (isinstance(error, InvalidQuery) or error.status == 400):
                raise
            log.warning("retrying with a simpler query: %s", error)
            form += 1
        else:
            cloud.login.accept()
            if (form, True) != (cached.query_form, cached.has_worked):
                replace(cached, query_form=form, has_worked=True).save(state)
            return answer


def _selected(monitors: Sequence[Monitor], settings: "Settings") -> list[Monitor]:
    wanted = (settings.device_serial or "").casefold()
    selected = [monitor for monitor in monitors if wanted in ("", monitor.serial.casefold())]
    if not selected:
        serials = ", ".join(monitor.serial for monitor in monitors)
        raise NotUnderstood(f"device_serial {settings.device_serial!r} is none of the account's: {serials}",
                            "set collectors.amazon_aqm.device_serial to one of them, or to null")
    return selected


def _parse(monitors: Iterable[Monitor], answer: EndpointStates, settings: "Settings", state: State,
           now: datetime) -> Iterator[Reading | Sighting]:
    for monitor in monitors:
        if monitor.endpoint_id in answer.endpoints:
            endpoint = answer.endpoints[monitor.endpoint_id]
            yield from parse(monitor, endpoint, settings, now, answer.date)
            log_unknown_instances(endpoint, state)
