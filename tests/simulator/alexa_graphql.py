"""The cloud's GraphQL at /nexus/v1/graphql: a recorded answer for each operation that the product sends.

A list of operations is answered by a list, a single one by an object. Queries are not parsed: an answer holds the
recorded fields whose names occur in the query. Refusals come at HTTP status 200, per operation; words and codes as
recorded in peternicholls/Home-Temperature-Monitoring, m0nkmaster/alexa-mcp and home-assistant/core#154214.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tests.simulator.alexa_alterations import alter_endpoints
from tests.simulator.alexa_answers import PREFIX, Entry, endpoint_id, show_echoes, show_endpoints, show_groups
from tests.simulator.alexa_login import sign_in_page
from tests.simulator.faults import Fault
from tests.simulator.house import House
from tests.simulator.messages import Answer

OPERATIONS = {"getEndpointState": "state", "getAirQualityMonitors": "discovery", "getEchoDevices": "echoes",
              "getDeviceGroups": "groups"}
FORBIDDEN = ("Unauthenticated call", "FORBIDDEN")
THROTTLED = ("Too many requests", "UNOFFICIAL_CLIENT_TOO_MANY_REQUESTS")
BAD_ID = ("Invalid Input. Invalid Id", "BAD_REQUEST")
REFUSED_IN_WORDS = {"forbidden": FORBIDDEN, "throttled": THROTTLED}


class Operation(NamedTuple):
    """One operation: state, discovery or groups; the ids it asks for, and the names in its query."""

    kind: str
    ids: list[str]
    names: set[str]

    @property
    def root(self) -> str:
        return "listDeviceGroups" if self.kind == "groups" else "listEndpoints"


def parse_operations(body: bytes) -> tuple[list[Operation], bool]:
    """Return a request's operations and whether they came as a list. Raise ValueError for any that is not recorded."""
    content = json.loads(body)
    listed = isinstance(content, list)
    try:
        return [Operation(OPERATIONS[asked["operationName"]], asked["variables"].get("endpointIds", []),
                          {*re.findall(r"\w+", asked["query"])})
                for asked in (content if listed else [content])], listed
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not one of {', '.join(OPERATIONS)}") from error


class Graph:
    """Answers operations about a house at a moment; `abroad` is the wrong country's site, which has no devices."""

    def __init__(self, house: House, scale: str, now: datetime, faults: list[Fault], abroad: bool) -> None:
        self._house, self._scale, self._now, self._faults, self._abroad = house, scale, now, faults, abroad

    def answer(self, operation: Operation) -> Entry:
        for fault in self._concerning(operation, *REFUSED_IN_WORDS, "bad-request", "invalid-query"):
            if fault.kind in REFUSED_IN_WORDS:
                return refuse_operation(operation, *REFUSED_IN_WORDS[fault.kind])
            if fault.kind == "bad-request" and not fault.options["partial"]:
                return refuse_operation(operation, *BAD_ID)
            if fault.kind == "invalid-query" and fault.options["field"] in operation.names:
                return _invalid(fault.options["field"])
        if not all(asked.startswith(PREFIX) for asked in operation.ids):
            return refuse_operation(operation, *BAD_ID)
        content = {"completeResult": not self._concerning(operation, "incomplete"), **self._items(operation)}
        refused = [BAD_ID for bad in self._bad_ids(operation) if bad in operation.ids]
        return {"data": {operation.root: _named(content, operation.names)},
                **({"errors": [_error(*each) for each in refused]} if refused else {})}

    def _items(self, operation: Operation) -> Entry:
        if operation.kind == "groups":
            empty = self._abroad or self._concerning(operation, "groupless")
            return {"deviceGroups": [] if empty else show_groups(self._house)}
        if self._abroad or self._concerning(operation, "empty"):
            return {"endpoints": []}
        monitors, echoes = show_endpoints(self._house, self._now, self._scale), show_echoes(self._house, self._now)
        endpoints = {"discovery": monitors, "echoes": echoes}.get(operation.kind, [*monitors, *echoes])
        alter_endpoints(endpoints, self._house, self._now, self._scale, self._faults)
        bad = self._bad_ids(operation)
        chosen = [each for each in endpoints if each["endpointId"] not in bad
                  and (operation.kind in ("discovery", "echoes") or each["endpointId"] in operation.ids)]
        if operation.kind == "echoes" and self._concerning(operation, "unlisted-features"):
            chosen = [{**each, "features": None} for each in chosen]
        for fault in self._concerning(operation, "incomplete"):
            chosen = chosen[:fault.options["kept"]]
        return {"endpoints": chosen}

    def _bad_ids(self, operation: Operation) -> list[str]:
        wanted = [fault.options["monitor"] for fault in self._concerning(operation, "bad-request")]
        return [endpoint_id(monitor) for monitor in self._house.monitors
                if {None, monitor.serial, monitor.room} & {*wanted}]

    def _concerning(self, operation: Operation, *kinds: str) -> list[Fault]:
        return [fault for fault in self._faults if fault.kind in kinds
                and fault.options.get("operation") in (None, operation.kind)]


def _named(value: Any, names: set[str]) -> Any:
    """Return a value without the fields whose names are not among these."""
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if isinstance(value, dict):
        return {name: _named(item, names) for name, item in value.items() if name in names}
    return value


def refuse_operation(operation: Operation, message: str, code: str) -> Entry:
    return {"errors": [_error(message, code)], "data": {operation.root: None}}


def _error(message: str, code: str) -> Entry:
    return {"message": message, "extensions": {"errorCode": code, "isRetryable": False}}


def _invalid(field: str) -> Entry:
    message = f"Validation error (FieldUndefined@[{field}]) : Field '{field}' is undefined"
    return {"errors": [{"message": message, "extensions": {"classification": "ValidationError"}}], "data": None}


def _redirect_to_sign_in(site: str) -> Answer:
    to = f"https://www.{site}/ap/signin?openid.return_to=https%3A%2F%2Falexa.{site}%2F&openid.mode=checkid_setup"
    return Answer(b"", 302, {"Location": to, "Content-Type": "text/html"})


REFUSALS_BY_HTTP: Mapping[str, Callable[[str], Answer]] = {
    "401": lambda site: Answer(b"", 401), "403": lambda site: Answer(b'{"message":null}', 403),
    "302": _redirect_to_sign_in, "sign-in": lambda site: sign_in_page(),
}
