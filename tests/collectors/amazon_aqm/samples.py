"""Answers of the cloud about one monitor, and the collector's readings of them. The clock stands at `NOW`."""

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import responses

import config
from collectors import amazon_aqm
from runtime.deadline import Deadline
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.reading import Reading, Sighting
from storage.state import State

NOW = datetime(2026, 11, 22, 0, 55, tzinfo=timezone.utc)
ID = "amzn1.alexa.endpoint.11111111-2222-4333-8444-555555555555"
SERIAL = "GAJ23005314600H3"
URL = "https://alexa.amazon.de/nexus/v1/graphql"

Part = dict[str, Any]


def stamp(ago: timedelta = timedelta(minutes=3)) -> str:
    """Return a moment that long before `NOW` as the cloud writes it."""
    return (NOW - ago).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def value(instance: str, number: Any, **changes: Any) -> Part:
    """Return the feature of one range; `changes` are laid over its property."""
    return {"name": "range", "instance": instance, "configuration": None, "properties": [{
        "name": "rangeValue", "type": "RETRIEVABLE", "accuracy": "HIGH", "error": None, "__typename": "RangeValue",
        "rangeValue": {"value": number}, "timeOfSample": stamp(), **changes}]}


def named(feature: Part, *values: Part) -> Part:
    """Give a feature names in the form of a capability's resources."""
    return {**feature, "resources": {"friendlyNames": [{"@type": "asset", "value": each} for each in values]}}


def temperature(degrees: Any, scale: Any = "CELSIUS", **changes: Any) -> Part:
    return {"name": "temperatureSensor", "instance": None, "configuration": None, "properties": [{
        "name": "temperature", "type": "RETRIEVABLE", "accuracy": "HIGH", "error": None,
        "__typename": "TemperatureSensor", "value": {"value": degrees, "scale": scale}, "timeOfSample": stamp(),
        **changes}]}


def reachable(status: Any = "OK", **changes: Any) -> Part:
    return {"name": "connectivity", "instance": None, "configuration": None, "properties": [{
        "name": "reachability", "type": "RETRIEVABLE", "error": None, "__typename": "Reachability",
        "reachabilityStatusValue": status, "timeOfSample": stamp(), **changes}]}


def text(content: Any) -> Part:
    return {"value": {"text": content}}


def listed(**changes: Any) -> Part:
    return {"endpointId": ID, "friendlyNameObject": text("Monitor"), "manufacturer": text("Amazon"),
            "model": text("Smart Air Quality Monitor"), "serialNumber": text(SERIAL), **changes}


def wrapped(name: str, items: str, *content: Any, **changes: Any) -> Part:
    return {"data": {name: {"completeResult": True, items: list(content), **changes}}}


def group(name: Any, *members: Any) -> Part:
    return {"id": "amzn1.alexa.endpointGroup.1", "friendlyName": text(name),
            "memberDevices": {"items": [{"id": member} for member in members]}}


def collect(*features: Any, monitors: Any = None, groups: Any = None, state: Any = None, date: datetime | None = NOW,
            **settings: Any) -> list[Sighting | Reading]:
    """Return what is collected from a monitor's features, or from whole answers."""
    answers = {
        "AIR_QUALITY_MONITOR": wrapped("listEndpoints", "endpoints", listed()) if monitors is None else monitors,
        "listDeviceGroups": wrapped("listDeviceGroups", "deviceGroups") if groups is None else groups,
        "getEndpointState": [wrapped("listEndpoints", "endpoints", {"endpointId": ID, "features": list(features)})]
        if state is None else state}

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        asked = next(each for each in answers if each in str(request.body))
        return 200, {} if date is None else {"Date": format_datetime(date, usegmt=True)}, json.dumps(answers[asked])

    chosen = amazon_aqm.Settings(domain="amazon.de", **settings)
    with responses.RequestsMock() as cloud, HttpClient(
            Deadline(20), retry_policy(config.Retry(base_delay_seconds=0))) as http:
        cloud.add_callback("POST", URL, answer)
        return list(amazon_aqm.collect(chosen, amazon_aqm.Secrets(cookies={"session-id": "1"}), http,
                                       State(Path("nowhere")), NOW))


def reading(*features: Any, **circumstances: Any) -> Reading:
    [only] = [item for item in collect(*features, **circumstances) if isinstance(item, Reading)]
    return only


def sighting(*features: Any, **circumstances: Any) -> Sighting:
    [only] = [item for item in collect(*features, **circumstances) if isinstance(item, Sighting)]
    return only


def trouble(*features: Any, **circumstances: Any) -> str | None:
    """Return why the one device seen has no fresh value; there must be no reading then."""
    [only] = collect(*features, **circumstances)
    assert isinstance(only, Sighting)
    return only.trouble
