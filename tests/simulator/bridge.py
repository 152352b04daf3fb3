"""A Hue bridge's v1 API, answered from a house: sensors, the full configuration, pairing.

https://developers.meethue.com/develop/hue-api/ (login needed). Errors come with HTTP status 200, as a list. It opens
no socket and reads no clock. Only its whitelist can be changed.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.simulator.alterations import alter
from tests.simulator.faults import Fault, clock_offset
from tests.simulator.furnishings import furnish
from tests.simulator.house import House, chance
from tests.simulator.messages import Answer, Request, html_answer, json_answer
from tests.simulator.sensors import format_time, show_sensors

BUTTON_SECONDS = 30
SHORT_CONFIG = ("name", "datastoreversion", "swversion", "apiversion", "mac", "bridgeid", "factorynew",
                "replacesbridgeid", "modelid", "starterkitid")


class Bridge:
    """One bridge: its id (lower case here, upper case in its answers), its keys, and its house."""

    def __init__(self, house: House) -> None:
        self.house = house
        tail = f"{int(chance('bridge', house.seed) * 2**24):06x}"
        self.bridge_id = f"001788fffe{tail}"
        self.key = _key("SimulatedApplicationKey-", house.seed)
        self.other_keys = [_key("SomebodyElsesKey-", house.seed, number) for number in range(6)]
        self.keys = {self.key: "home-monitor#simulated"}
        self.replaces: str | None = None  # the bridge whose settings were transferred to this one
        self._guests: Mapping[str, str] = {}
        self._furnishings = furnish(house, self.other_keys[0])
        self._pressed_at: datetime | None = None

    def press_link_button(self, now: datetime) -> None:
        self._pressed_at = now

    def admit(self, guests: Mapping[str, str]) -> None:
        """Accept another bridge's keys as well, like a new bridge to which its settings were transferred."""
        self._guests = guests

    def answer(self, request: Request, now: datetime, faults: list[Fault]) -> Answer:
        top, key, *rest = [*request.path.strip("/").split("/"), ""][:5]
        rest = [part for part in rest if part]
        if top != "api":
            return html_answer("Not found", 404)
        if not key:
            answer = self._pair(request, now)
            is_refused = any(fault.kind == "pairing-403" for fault in faults) and b'"error"' in answer.body
            return replace(answer, status=403) if is_refused else answer
        refused = not (key in self.keys or key in self._guests) or any(fault.kind == "key-refused" for fault in faults)
        if request.method == "GET" and (key == "config" or rest == ["config"] and refused):
            config = self._config(now, faults)
            return json_answer({name: config[name] for name in SHORT_CONFIG})
        address = "/" + "/".join(rest)
        if refused:
            return _error(1, address, "unauthorized user")
        if request.method == "DELETE" and rest[:2] == ["config", "whitelist"]:
            return self._delete_key(rest[2:], address, faults)
        if request.method != "GET":
            return _refuse_change(request, address)
        return self._show(rest, address, now, faults)

    def _show(self, rest: list[str], address: str, now: datetime, faults: list[Fault]) -> Answer:
        if rest == ["sensors"]:
            return json_answer(self._sensors(now, faults))
        content: Any = {**self._furnishings, "sensors": self._sensors(now, faults), "config": self._config(now, faults)}
        for part in rest:
            if not isinstance(content, dict) or part not in content:
                return _error(3, address, f"resource, {address}, not available")
            content = content[part]
        return json_answer(content)

    def _delete_key(self, keys: list[str], address: str, faults: list[Fault]) -> Answer:
        kept = [fault.options["error"] for fault in faults if fault.kind == "keys-kept"]
        if kept or not self.keys.pop("".join(keys), None):
            return _error(kept[0] if kept else 4, address, f"method, DELETE, not available for resource, {address}")
        return json_answer([{"success": f"{address} deleted."}])

    def _sensors(self, now: datetime, faults: list[Fault]) -> dict[str, dict[str, Any]]:
        return alter(show_sensors(self.house, now), self.house, now, faults)

    def _pair(self, request: Request, now: datetime) -> Answer:
        if request.method != "POST":
            return _error(4, "/", f"method, {request.method}, not available for resource, /")
        wanted = _parse(request.body)
        if wanted is None:
            return _error(2, "", "body contains invalid json")
        if not isinstance(wanted, dict) or not isinstance(wanted.get("devicetype"), str):
            return _error(5, "", "invalid/missing parameters in body")
        if self._pressed_at is None or not timedelta() <= now - self._pressed_at <= timedelta(seconds=BUTTON_SECONDS):
            return _error(101, "", "link button not pressed")
        key = _key("PairedApplicationKey-", self.house.seed, len(self.keys))
        self.keys[key] = wanted["devicetype"]
        return json_answer([{"success": {"username": key}}])

    def _config(self, now: datetime, faults: list[Fault]) -> dict[str, Any]:
        shown = now + clock_offset(faults)
        tail = self.bridge_id[10:]
        whitelist = dict.fromkeys(self.other_keys, "somebody#phone") | self.keys
        return {
            "name": "Philips hue", "zigbeechannel": 25, "bridgeid": self.bridge_id.upper(),
            "mac": ":".join(["00:17:88", tail[:2], tail[2:4], tail[4:]]), "dhcp": True, "ipaddress": "127.0.0.1",
            "netmask": "255.0.0.0", "gateway": "127.0.0.1", "proxyaddress": "none", "proxyport": 0,
            "UTC": format_time(shown), "localtime": format_time(shown), "timezone": "Europe/London",
            "modelid": "BSB002",
            "datastoreversion": "171", "swversion": "1971060010", "apiversion": "1.71.0",
            "swupdate2": {"checkforupdate": False, "lastchange": "2025-11-13T02:10:05", "state": "noupdates",
                          "bridge": {"state": "noupdates", "lastinstall": "2025-11-13T02:10:05"},
                          "autoinstall": {"updatetime": "T14:00:00", "on": True}},
            "linkbutton": False, "portalservices": True, "portalconnection": "connected",
            "portalstate": {"signedon": True, "incoming": False, "outgoing": True, "communication": "disconnected"},
            "internetservices": {"internet": "connected", "remoteaccess": "connected", "time": "connected",
                                 "swupdate": "connected"},
            "factorynew": False, "replacesbridgeid": self.replaces and self.replaces.upper(),
            "backup": {"status": "idle", "errorcode": 0},
            "starterkitid": "",
            "whitelist": {key: {"last use date": format_time(shown), "create date": "2024-12-24T17:01:10", "name": name}
                          for key, name in whitelist.items()}}


def _key(prefix: str, *origin: object) -> str:
    """Return 40 characters, always the same and easy to recognise."""
    digits = f"{int(chance('key', prefix, *origin) * 2**64):016x}" * 2
    return prefix + digits[:40 - len(prefix)]


def _error(kind: int, address: str, description: str) -> Answer:
    return json_answer([{"error": {"type": kind, "address": address, "description": description}}])


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _refuse_change(request: Request, address: str) -> Answer:
    if request.body and _parse(request.body) is None:
        return _error(2, address, "body contains invalid json")
    return _error(4, address, f"method, {request.method}, not available for resource, {address}")
