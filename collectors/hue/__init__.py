"""The Philips Hue motion sensors, each of which has a thermometer, asked through the Hue Bridge on the local network.

The bridge's API, version 1: https://developers.meethue.com/develop/hue-api/ (behind a log-in; what was learnt about it
elsewhere is said where it matters). One request per cycle. It does not switch lamps, listen for motion, or leave the
house except to ask where a bridge that has moved is now.
"""

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
    from runtime.http_client import HttpClient
    from storage.reading import Reading, Sighting
    from storage.state import State


@dataclass(frozen=True, repr=False)
class Settings(CollectorSettings):
    """Its section of config.yaml. `bridge_ip` is a host, host:port or an address with its scheme."""

    alert: ClassVar = ("ALERT_HUE_PAIRING_NEEDED.txt", "https://discovery.meethue.com")  # shows the bridge's address
    enabled: bool = True
    bridge_ip: str | None = None
    bridge_id: str | None = None
    certificate_fingerprint: str | None = None
    ca_file: Path = field(default=Path("config/hue-bridge-ca.pem"), metadata={"path": True})
    discovery_url: str | None = "https://discovery.meethue.com"
    timeout_seconds: float = field(default=10.0, metadata={"range": (0.1, 300)})
    sensor_locations: dict[str, str] = field(default_factory=dict)
    temperature_min: float = 0.0
    temperature_max: float = 40.0
    stale_after_seconds: int = field(default=3600, metadata={"range": (60, 604_800)})
    collect_battery_level: bool = True
    collect_light_level: bool = True
    collect_raw_response: bool = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with values that each look right by themselves."""
        from collectors.hue.address import is_address
        if self.bridge_ip is not None and not is_address(self.bridge_ip):
            yield "bridge_ip", f"{self.bridge_ip!r} is no host, host:port, or address such as https://192.168.1.2"
        yield from _doubts(self.bridge_id, self.certificate_fingerprint, quoted=f"{self.bridge_id!r} ")
        if self.temperature_min >= self.temperature_max:
            yield "temperature_min", f"{self.temperature_min} is not below temperature_max, {self.temperature_max}"
        if self.discovery_url is not None and not self.discovery_url.startswith(("https://", "http://")):
            yield "discovery_url", f"{self.discovery_url!r} is no https:// address (null turns looking up off)"

    @cached_property
    def places(self) -> dict[str, str]:
        """The configured places by device id; people write the bridge's own unique id, or ours."""
        ours_first = sorted(self.sensor_locations.items(), key=lambda item: not item[0].startswith("hue:"))
        return {f"hue:{each.removeprefix('hue:')}": place for each, place in ours_first if place}


@dataclass(frozen=True, repr=False)
class Secrets(NoSecrets):
    """Its section of secrets.yaml, as pairing writes it. What config.yaml says of the same wins."""

    api_key: str | None = None
    bridge_id: str | None = None
    bridge_ip: str | None = None
    certificate_fingerprint: str | None = None

    def missing(self) -> str | None:
        """Return the key without which no bridge lets us in, None if it is there."""
        return None if self.api_key else "api_key"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the key, without telling it, and with the rest."""
        from collectors.hue.address import is_address
        if self.bridge_ip is not None and not is_address(self.bridge_ip):
            yield "bridge_ip", "is no host, host:port, or address such as https://192.168.1.2"
        if self.api_key is not None and not re.fullmatch(r"[A-Za-z0-9_-]{10,}", self.api_key):
            yield "api_key", "is no key of a Hue bridge: run `python devices.py pair hue`"
        yield from _doubts(self.bridge_id, self.certificate_fingerprint)


def collect(settings: Settings, secrets: Secrets, http: "HttpClient", memory: "State",
            now: datetime) -> "Iterator[Reading | Sighting]":
    """Yield every temperature sensor the bridge knows, and a reading of each whose value is fresh."""
    from collectors.hue import lookup, sensors
    _, answer = lookup.reach(settings, secrets, http, memory)
    yield from sensors.parse(answer.document, settings, now, answer.date)


def collect_unoptimised(settings: Settings, secrets: Secrets, http: "HttpClient", memory: "State",
                        now: datetime) -> "Iterator[Reading | Sighting]":
    """Yield the same by three requests, as the predecessor did at each cycle: what there is to compare with.

    The full configuration, to see whether the bridge is there; the sensors, to see which there are; and these again.
    """
    from collectors.hue import lookup, sensors
    bridge, _ = lookup.reach(settings, secrets, http, memory, in_full=True)
    for _ in ("which", "what they tell"):
        answer = bridge._replace(in_full=False).fetch_sensors()
    yield from sensors.parse(answer.document, settings, now, answer.date)


def probe(settings: Settings, secrets: Secrets, http: "HttpClient", memory: "State") -> str:
    """Ask the bridge for its sensors, for its other addresses do not tell whether the key is good; then who it is."""
    from collectors.hue import lookup, sensors
    from runtime.formats import pluralize
    bridge, answer = lookup.reach(settings, secrets, http, memory)
    lookup.recognise(bridge)
    count = pluralize(len(sensors.thermometers(answer.document)), "temperature sensor")
    return f"bridge {bridge.bridge_id or 'of unknown id'} at {bridge.address} knows {count}"


def pair(settings: Settings, http: "HttpClient", memory: "State", human: "Human") -> dict[str, str]:
    """Ask the person to press the bridge's button; return what belongs in secrets.yaml."""
    from collectors.hue import pairing
    return pairing.pair(settings, http, memory, human)


def _doubts(bridge_id: str | None, fingerprint: str | None, quoted: str = "") -> Iterator[tuple[str, str]]:
    from collectors.hue.address import normal_id
    if bridge_id is not None and normal_id(bridge_id) is None:
        yield "bridge_id", f"{quoted}is not the 16 hexadecimal digits that a bridge has for an id"
    if fingerprint is not None and not re.fullmatch(r"[0-9A-Fa-f]{64}", fingerprint.replace(":", "")):
        yield "certificate_fingerprint", "is no SHA-256 fingerprint: 64 hexadecimal digits, with or without colons"
