"""The cloud's GraphQL at /nexus/v1/graphql: a list of operations is answered by a list, one alone by an object.

What it refuses it refuses at HTTP status 200, within the answer, each operation by itself; words and codes as recorded
in peternicholls/Home-Temperature-Monitoring, m0nkmaster/alexa-mcp and home-assistant/core#154214.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.simulator.alexa_alterations import alter_endpoints
from tests.simulator.alexa_answers import PREFIX, Entry, endpoint_id, show_endpoints, show_groups
from tests.simulator.alexa_login import sign_in_page
from tests.simulator.alexa_query import Field, InvalidQuery, names, parse_query, select, undefined
from tests.simulator.faults import Fault
from tests.simulator.house import House
from tests.simulator.messages import Answer

FORBIDDEN = ("Unauthenticated call", "FORBIDDEN")
THROTTLED = ("Too many requests", "UNOFFICIAL_CLIENT_TOO_MANY_REQUESTS")
BAD_ID = ("Invalid Input. Invalid Id", "BAD_REQUEST")
REFUSED_IN_WORDS = {"forbidden": FORBIDDEN, "throttled": THROTTLED}


@dataclass(frozen=True)
class Operation:
    """One query: the fields at its root, or why it cannot be answered."""

    roots: tuple[Field, ...]
    error: str = ""

    @property
    def kinds(self) -> list[str]:
        """What it asks for: state, discovery, groups."""
        return [_kind(root) for root in self.roots]


def parse_operations(body: bytes) -> tuple[list[Operation], bool]:
    """Given a request's body, return its operations and whether they came as a list. Raise ValueError for neither."""
    content = json.loads(body)
    listed = isinstance(content, list)
    return [_parse(each) for each in (content if listed else [content])], listed


def _parse(content: Any) -> Operation:
    if not isinstance(content, dict) or not isinstance(content.get("query"), str):
        raise ValueError("an operation is an object with a query")
    try:
        return Operation(parse_query(content["query"], content.get("variables") or {}))
    except InvalidQuery as error:
        return Operation((), str(error))


def _kind(root: Field) -> str:
    if root.name != "listEndpoints":
        return "groups" if root.name == "listDeviceGroups" else root.name
    return "discovery" if _input(root).get("endpointIds") is None else "state"


def _input(root: Field) -> Mapping[str, Any]:
    given = root.arguments.get(f"{root.name}Input")
    return given if isinstance(given, dict) else {}


class Graph:
    """Answers operations about a house at a moment; `abroad` is the wrong country's site, where nothing is known."""

    def __init__(self, house: House, scale: str, now: datetime, faults: list[Fault], abroad: bool) -> None:
        self._house, self._scale, self._now, self._faults, self._abroad = house, scale, now, faults, abroad

    def answer(self, operation: Operation) -> Entry:
        """Return what stands in the answer for this operation."""
        for fault in self._concerning(operation, *REFUSED_IN_WORDS, "bad-request", "invalid-query"):
            if fault.kind in REFUSED_IN_WORDS:
                return refuse_operation(operation, *REFUSED_IN_WORDS[fault.kind])
            if fault.kind == "bad-request" and not fault.options["partial"]:
                return refuse_operation(operation, *BAD_ID)
            if fault.kind == "invalid-query" and fault.options["field"] in names(operation.roots):
                return _invalid(str(undefined(fault.options["field"])))
        if any(not f"{each}".startswith(PREFIX) for root in operation.roots for each in _ids(root) or ()):
            return refuse_operation(operation, *BAD_ID)
        try:
            data = {root.key: select(self._content(operation, root), root.selections, root.name)
                    for root in operation.roots}
        except InvalidQuery as error:
            return _invalid(str(error))
        return {"data": data, **self._bad_ids(operation)} if operation.roots else _invalid(operation.error)

    def _content(self, operation: Operation, root: Field) -> Entry:
        complete = not self._concerning(operation, "incomplete")
        if root.name == "listDeviceGroups":
            groups = [] if self._abroad or self._concerning(operation, "groupless") else show_groups(self._house)
            return {"deviceGroups": groups, "completeResult": complete}
        if root.name == "listEndpoints":
            return {"endpoints": self._endpoints(operation, root), "completeResult": complete, "paginationInfo": None}
        raise undefined(root.name)

    def _endpoints(self, operation: Operation, root: Field) -> list[Entry]:
        if self._abroad or self._concerning(operation, "empty"):
            return []
        endpoints = show_endpoints(self._house, self._now, self._scale)
        alter_endpoints(endpoints, self._house, self._now, self._scale, self._faults)
        ids, category = _ids(root), _input(root).get("displayCategory", "AIR_QUALITY_MONITOR")
        chosen = [each for each in endpoints if category == "AIR_QUALITY_MONITOR"
                  and (ids is None or each["id"] in ids) and each["id"] not in self._bad(operation)]
        for fault in self._concerning(operation, "incomplete"):
            chosen = chosen[:fault.options["kept"]]
        return chosen

    def _bad(self, operation: Operation) -> list[str]:
        """Return the ids of known monitors that are called invalid."""
        wanted = [fault.options["monitor"] for fault in self._concerning(operation, "bad-request")]
        return [endpoint_id(monitor) for monitor in self._house.monitors
                if {None, monitor.serial, monitor.room} & {*wanted}]

    def _bad_ids(self, operation: Operation) -> Entry:
        asked = {each for root in operation.roots for each in _ids(root) or ()}
        errors = [_error(*BAD_ID) for each in self._bad(operation) if each in asked]
        return {"errors": errors} if errors else {}

    def _concerning(self, operation: Operation, *kinds: str) -> list[Fault]:
        return [fault for fault in self._faults if fault.kind in kinds
                and fault.options.get("operation") in (None, *operation.kinds)]


def _ids(root: Field) -> list[Any] | None:
    ids = _input(root).get("endpointIds")
    return ids if isinstance(ids, list) else None if ids is None else [ids]


def refuse_operation(operation: Operation, message: str, code: str) -> Entry:
    """Return the refusal of a whole operation, whatever it asked for."""
    return {"errors": [_error(message, code)], "data": {root.key: None for root in operation.roots} or None}


def _error(message: str, code: str) -> Entry:
    return {"message": message, "extensions": {"errorCode": code, "isRetryable": False}}


def _invalid(message: str) -> Entry:
    return {"errors": [{"message": message, "extensions": {"classification": "ValidationError"}}], "data": None}


def refuse_visit(kind: str, site: str) -> Answer:
    """Given a kind of REFUSALS_BY_HTTP, return how a web server turns away whoever it does not know."""
    return REFUSALS_BY_HTTP[kind](site)


def _elsewhere(site: str) -> Answer:
    to = f"https://www.{site}/ap/signin?openid.return_to=https%3A%2F%2Falexa.{site}%2F&openid.mode=checkid_setup"
    return Answer(b"", 302, {"Location": to, "Content-Type": "text/html"})


REFUSALS_BY_HTTP: Mapping[str, Callable[[str], Answer]] = {
    "401": lambda site: Answer(b"", 401), "403": lambda site: Answer(b'{"message":null}', 403), "302": _elsewhere,
    "sign-in": lambda site: sign_in_page(),
}
