"""Requests to a simulated bridge without the product: over http, with its key, without following redirects."""

from typing import Any

import requests

from tests.simulator.server import Simulator

Entry = dict[str, Any]


def ask(simulator: Simulator, path: str = "/sensors", **options: Any) -> requests.Response:
    """Request a path below the key; options go to requests."""
    address = f"{simulator.http_url}/api/{simulator.key}{path}"
    return requests.get(address, allow_redirects=False, **{"timeout": 5, **options})


def logical_sensors(simulator: Simulator, kind: str) -> dict[str, Entry]:
    """Return the sensors of a type such as ZLLTemperature, keyed by the bridge's ids."""
    return {number: entry for number, entry in ask(simulator).json().items() if entry["type"] == kind}


def temperatures(simulator: Simulator) -> list[Entry]:
    return list(logical_sensors(simulator, "ZLLTemperature").values())


def port(url: str) -> int:
    return int(url.rpartition(":")[2])
