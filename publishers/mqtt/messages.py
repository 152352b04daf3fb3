"""What a broker is sent, with announcements for Home Assistant (https://www.home-assistant.io/integrations/mqtt/).

One announcement per quantity: all versions understand that. No identity holds a name, so renamed devices keep theirs.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import runtime
from runtime.formats import finite_number
from storage.quantities import QUANTITIES, Quantity

if TYPE_CHECKING:
    from storage.changes import Changes
    from storage.overview import DeviceOverview
    from storage.registry import Device

EXPIRE_INTERVALS = 3
PLAIN_ID = re.compile(r"[a-z_]+:[A-Za-z0-9:-]+")


class Messages(NamedTuple):
    """Payloads by topic; an empty retained one removes what the broker has.

    `announcement` changes when any does, and is empty without one.
    """

    retained: dict[str, str]
    states: dict[str, str]
    announcement: str


class House(NamedTuple):
    house_id: str
    prefix: str | None
    expire_seconds: int

    def topic(self, device: "Device", leaf: str) -> str:
        """Return a topic of the device. No id adds a level or a wildcard."""
        return f"home_monitor/{self.house_id}/{quote(device.device_id, safe=':')}/{leaf}"

    def name(self, device: "Device") -> str:
        """Return the device's name in announcements, which may have letters, digits, - and _."""
        plain = re.sub(r"[^A-Za-z0-9-]", "_", device.device_id)
        if not PLAIN_ID.fullmatch(device.device_id):
            plain += f"_{hashlib.sha256(device.device_id.encode()).hexdigest()[:8]}"
        return f"home_monitor_{self.house_id}_{plain}"

    def config_topic(self, device: "Device", quantity: Quantity) -> str:
        return f"{self.prefix}/sensor/{self.name(device)}/{quantity.column}/config"


def compose(house_id: str, prefix: str | None, changes: "Changes", now: datetime, remembered: Collection[str]) -> Messages:
    """Return all messages, given the topics that the broker may retain from earlier runs."""
    house = House(house_id, prefix, EXPIRE_INTERVALS * changes.home.interval_seconds)
    configs: dict[str, str] = {}
    availability: dict[str, str] = {}
    states: dict[str, str] = {}
    for overview in changes.present(now).devices:
        device, is_fresh = overview.device, overview.is_fresh(changes.home, now)
        availability[house.topic(device, "availability")] = "online" if is_fresh else "offline"
        if prefix is not None:
            configs |= _announcements(house, overview, remembered)
        if is_fresh and overview.newest is not None:
            states[house.topic(device, "state")] = _json(_state(overview.newest))
    removed = {topic: "" for topic in remembered if topic not in configs and topic not in availability}
    announcement = hashlib.sha256(_json(configs).encode()).hexdigest() if configs else ""
    return Messages(removed | configs | availability, states, announcement)


def _announcements(house: House, overview: "DeviceOverview", remembered: Collection[str]) -> dict[str, str]:
    """Announce what the newest reading has, and what earlier ones had: a battery may be reported once a day."""
    values: Mapping[str, object] = overview.newest or {}
    topics = {house.config_topic(overview.device, quantity): quantity for quantity in QUANTITIES}
    return {topic: _json(_announcement(house, overview.device, quantity)) for topic, quantity in topics.items()
            if topic in remembered or finite_number(values.get(quantity.column)) is not None}


def _announcement(house: House, device: "Device", quantity: Quantity) -> dict[str, object]:
    name = house.name(device)
    fields = {
        "name": quantity.name[0].upper() + quantity.name[1:],
        "unique_id": f"{name}_{quantity.column}",
        "state_topic": house.topic(device, "state"),
        "value_template": f"{{{{ value_json.{quantity.column} | default('') }}}}",  # without a value, the last one stays
        "availability_topic": house.topic(device, "availability"),
        "expire_after": house.expire_seconds,
        "unit_of_measurement": quantity.unit or None,
        "device_class": quantity.device_class,
        "state_class": "measurement",
        "entity_category": "diagnostic" if quantity.device_class == "battery" else None,
        "device": _present({"identifiers": [name], "name": device.device_name or device.device_id,
                            "model": device.model_info, "suggested_area": device.location}),
        "origin": {"name": "Home Temperature Monitoring", "sw_version": runtime.VERSION},
    }
    return _present(fields)


def _state(row: Mapping[str, object]) -> dict[str, object]:
    values = {quantity.column: row.get(quantity.column) for quantity in QUANTITIES}
    return {"timestamp": row["timestamp"], "is_anomalous": bool(row["is_anomalous"]),
            **{column: value for column, value in values.items() if finite_number(value) is not None}}


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
