"""Philips Hue motion sensors, each of which has a thermometer, read through the Hue Bridge on the local network.

API version 1: https://developers.meethue.com/develop/hue-api/ (behind a log-in). One request per cycle. It does not
switch lamps or listen for motion, and leaves the local network only to look up a bridge that has moved.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from collectors import CollectorSettings, NoSecrets

if TYPE_CHECKING:
    from collectors import Human
    from collectors.hue.bridge import Bridge
    from runtime.http_client import HttpClient, JsonResponse
    from storage.reading import Reading, Sighting
    from storage.state import State

log = logging.getLogger(__name__)

OUTDOOR_MODELS = ("SML002", "SML004")
# A Zigbee address, of eight bytes on bridges and nine from some emulators, an endpoint and a cluster.
FULL_ID = r"hue:([0-9a-f]{2}:){7,8}[0-9a-f]{2}-[0-9a-f]{2}-[0-9a-f]{4}"


@dataclass(frozen=True, repr=False)
class Settings(CollectorSettings):
    """`bridge_ip` is a host, host:port or URL."""

    alert: ClassVar = ("ALERT_HUE_PAIRING_NEEDED.txt", "https://discovery.meethue.com")  # shows the bridge's address
    enabled: bool = True
    bridge_ip: str | None = None
    bridge_id: str | None = None
    certificate_fingerprint: str | None = None
    ca_file: Path = Path("config/hue-bridge-ca.pem")
    discovery_url: str | None = "https://discovery.meethue.com"
    timeout_seconds: float = field(default=10.0, metadata={"range": (0.1, 300)})
    sensor_locations: dict[str, str] = field(default_factory=dict)
    temperature_min: float = 0.0
    temperature_max: float = 40.0
    outdoor_temperature_min: float = -40.0
    outdoor_temperature_max: float = 50.0
    outdoor_sensors: tuple[str, ...] = ()
    stale_after_seconds: int = field(default=3600, metadata={"range": (60, 604_800)})
    collect_battery_level: bool = True
    collect_light_level: bool = True
    collect_raw_response: bool = False

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from _bridge_problems(self, quote="{!r} ")
        for name in ("temperature", "outdoor_temperature"):
            lowest, highest = self._limits(name)
            if lowest >= highest:
                yield f"{name}_min", f"{lowest} is not below {name}_max, {highest}"
        if self.discovery_url is not None and not self.discovery_url.startswith(("https://", "http://")):
            yield "discovery_url", f"{self.discovery_url!r} must be an https:// URL (null disables discovery)"

    @cached_property
    def places(self) -> dict[str, str]:
        """Locations by device id; users write the bridge's unique id or ours, and the bridge's wins."""
        ours_first = sorted(self.sensor_locations.items(), key=lambda item: not item[0].lower().startswith("hue:"))
        return {_device_id(unique_id): place for unique_id, place in ours_first if place}

    @cached_property
    def mentioned_ids(self) -> dict[str, str]:
        return {f"{key}: {written}": _device_id(written) for key in ("sensor_locations", "outdoor_sensors")
                for written in vars(self)[key]}

    @cached_property
    def outdoor_ids(self) -> frozenset[str]:
        return frozenset(map(_device_id, self.outdoor_sensors))

    def full_id(self, text: str) -> str | None:
        device_id = _device_id(text)
        return device_id if text.lower().startswith("hue:") and re.fullmatch(FULL_ID, device_id) else None

    def plausible(self, device_id: str, model: str | None) -> tuple[float, float]:
        """Return the lowest and the highest plausible temperature of a sensor."""
        is_outdoor = model in OUTDOOR_MODELS or device_id in self.outdoor_ids
        return self._limits("outdoor_temperature" if is_outdoor else "temperature")

    def _limits(self, name: str) -> tuple[float, float]:
        return vars(self)[f"{name}_min"], vars(self)[f"{name}_max"]


@dataclass(frozen=True, repr=False)
class Secrets(NoSecrets):
    """What pairing writes to secrets.yaml. The same keys in config.yaml win."""

    api_key: str | None = None
    bridge_id: str | None = None
    bridge_ip: str | None = None
    certificate_fingerprint: str | None = None

    def missing(self) -> str | None:
        return None if self.api_key else "api_key"

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.api_key is not None and not re.fullmatch(r"[A-Za-z0-9_-]{10,}", self.api_key):
            from collectors.hue.bridge import pair_command
            yield "api_key", f"is no key of a Hue bridge: run {pair_command()}"
        yield from _bridge_problems(self, quote="")


def collect(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State",
            now: datetime) -> "Iterator[Reading | Sighting]":
    from collectors.hue import sensors
    _, response = _connect(settings, secrets, http, state)
    if (unread := sensors.unread_types(response.document)) != state.get("unread_types", []):
        state["unread_types"] = unread
        log.warning("thermometers of these types are not read: %s", ", ".join(unread) or "none any more")
    return sensors.parse(response.document, settings, now, response.date)


def collect_unoptimised(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State",
                        now: datetime) -> "Iterator[Reading | Sighting]":
    """Return the same by the predecessor's three requests: the full configuration, and the sensors twice."""
    bridge, _ = _connect(settings, secrets, http, state, in_full=True)
    bridge.fetch_sensors()
    return collect(settings, secrets, http, state, now)


def probe(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State") -> str:
    """Fetch the sensors, which no other request can replace as a test of the key; over http, verify the id too."""
    from collectors.hue import sensors
    from runtime.errors import Questionable
    from runtime.formats import pluralize
    bridge, response = _connect(settings, secrets, http, state)
    bridge.verify_id()
    count, unread = len(sensors.thermometers(response.document)), sensors.unread_types(response.document)
    found = f"bridge {bridge.bridge_id or 'of unknown id'} at {bridge.address} knows {pluralize(count, 'temperature sensor')}"
    found += f"; of types that are not read: {', '.join(unread)}" if unread else ""
    if count:
        return found
    raise Questionable(found, "add a motion sensor in the Hue app, or set collectors.hue.enabled to false in config.yaml")


def pair(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State", human: "Human") -> dict[str, str]:
    from collectors.hue import pairing
    return pairing.pair(settings, secrets, http, state, human)


def unpair(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State") -> str:
    """Have the bridge delete our key."""
    from collectors.hue import unpairing
    return unpairing.delete_key(settings, secrets, http, state)


def _connect(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State",
             in_full: bool = False) -> "tuple[Bridge, JsonResponse]":
    """Return the bridge and its sensors; if it does not answer, look it up."""
    from collectors.hue.bridge import connect
    from runtime.errors import RemoteError
    bridge, failure = connect(settings, secrets, http, state), None
    if bridge.address:
        try:
            return bridge, bridge.fetch_configuration() if in_full else bridge.fetch_sensors()
        except RemoteError as error:
            failure = error
    from collectors.hue import lookup
    return lookup.locate(bridge, settings, state, failure)


def _device_id(written: str) -> str:
    """Return the device id of a bridge's unique id, with or without our prefix, in either case."""
    return f"hue:{written.lower().removeprefix('hue:')}"


def _bridge_problems(section: Settings | Secrets, quote: str) -> Iterator[tuple[str, str]]:
    from collectors.hue.bridge import is_address, normal_id
    if section.bridge_ip is not None and not is_address(section.bridge_ip):
        address = quote.format(section.bridge_ip)
        yield "bridge_ip", f"{address}is no host, host:port, or address such as https://192.168.1.2"
    if section.bridge_id is not None and normal_id(section.bridge_id) is None:
        yield "bridge_id", f"{quote.format(section.bridge_id)}must be the bridge's id, 16 hexadecimal digits"
    fingerprint = section.certificate_fingerprint
    if fingerprint is not None and not re.fullmatch(r"[0-9A-Fa-f]{64}", fingerprint.replace(":", "")):
        yield "certificate_fingerprint", "must be a SHA-256 fingerprint: 64 hexadecimal digits, colons allowed"
