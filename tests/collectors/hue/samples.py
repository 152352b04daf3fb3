"""A bridge's JSON for one motion sensor, and the collector's readings of it.

Shapes as recorded in initialed85/mqtt_things (pkg/sensors_client/client_test.go). The clock stands at `NOW`.
"""

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import responses

import config
from collectors import hue
from runtime.deadline import Deadline
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.reading import Reading, Sighting
from storage.state import State

NOW = datetime(2026, 11, 22, 0, 55, tzinfo=timezone.utc)
MAC = "00:17:88:01:09:15:e6:3e"
OTHER_MAC = "00:17:88:01:02:02:aa:01"
UNIQUE_ID = f"{MAC}-02-0402"
KEY = "ApplicationKeyOfTheTests-0123456789abcdef"
CLUSTERS = {"ZLLPresence": "0406", "ZLLTemperature": "0402", "ZLLLightLevel": "0400"}

Entry = dict[str, Any]


def stamp(ago: timedelta = timedelta(minutes=1)) -> str:
    """Return a moment that long before `NOW` as the bridge writes it."""
    return (NOW - ago).replace(tzinfo=None).isoformat()


def entry(kind: str, name: str, mac: str = MAC, **state: Any) -> Entry:
    """Return one of the three entries that a motion sensor shows as."""
    return {"state": {"lastupdated": stamp(), **state},
            "config": {"on": True, "battery": 100, "reachable": True, "alert": "none", "pending": []},
            "name": name, "type": kind, "modelid": "SML001", "uniqueid": f"{mac}-02-{CLUSTERS[kind]}"}


def box(mac: str = MAC, name: str = "Kitchen", temperature: Any = 2029, first: int = 4,
        light: Any = 20_001) -> dict[str, Entry]:
    """Return a whole motion sensor: its three entries, numbered from `first`."""
    return {str(first): entry("ZLLPresence", name, mac, presence=False),
            str(first + 1): entry("ZLLTemperature", "Hue temperature sensor 1", mac, temperature=temperature),
            str(first + 2): entry("ZLLLightLevel", "Hue ambient light sensor 1", mac, lightlevel=light)}


def updated(lastupdated: Any) -> dict[str, Entry]:
    """Return a motion sensor with this `lastupdated`."""
    sensors = box()
    for each in sensors.values():
        each["state"]["lastupdated"] = lastupdated
    return sensors


def with_literal(sensors: dict[str, Entry], literal: str) -> str:
    """Return the sensors as JSON, with the text HERE replaced by a literal that json.dumps would not write."""
    return json.dumps(sensors).replace('"HERE"', literal)


def collect(said: object, *, date: datetime | str | None = NOW, now: datetime = NOW,
            **settings: Any) -> list[Sighting | Reading]:
    """Return what is collected from an answer (text, or anything else as JSON)."""
    body = said if isinstance(said, str) else json.dumps(said)
    if isinstance(date, datetime):
        date = format_datetime(date, usegmt=True)
    chosen = hue.Settings(bridge_ip="http://bridge", discovery_url=None, **settings)
    policy = retry_policy(config.Retry(base_delay_seconds=0))
    with responses.RequestsMock() as bridge, HttpClient(Deadline(20), policy) as http:
        bridge.get(f"http://bridge/api/{KEY}/sensors", body=body, headers={} if date is None else {"Date": date})
        return list(hue.collect(chosen, hue.Secrets(api_key=KEY), http, State(Path("nowhere")), now))


def readings(said: object, **circumstances: Any) -> list[Reading]:
    return [item for item in collect(said, **circumstances) if isinstance(item, Reading)]


def reading(said: object, **circumstances: Any) -> Reading:
    [only] = readings(said, **circumstances)
    return only


def trouble(said: object, **circumstances: Any) -> str | None:
    """Return why the one device seen has no fresh value; there must be no reading then."""
    [only] = collect(said, **circumstances)
    assert isinstance(only, Sighting)
    return only.trouble
