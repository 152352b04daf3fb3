"""The Amazon Smart Air Quality Monitor, read from the Alexa cloud as the Alexa app does.

There is no official API and no documentation; sources are cited where they matter. One request per cycle. It controls
nothing and never sees the account's password.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from collectors import CollectorSettings, NoSecrets
from runtime.commands import command

if TYPE_CHECKING:
    from collectors import Human
    from runtime.http_client import HttpClient
    from storage.reading import Reading, Sighting
    from storage.state import State


FULL_ID = r"alexa:[A-Z0-9]{10,20}"
# 65535 is a sensor's "invalid"; the monitor measures particles to 500 and carbon monoxide to 1000.
SCALES = {"voc_index": ("VOC", 0, 100), "iaq_score": ("IAQ", 0, 100), "pm25_ugm3": ("PM2.5", 0, 1000),
          "pm10_ugm3": ("PM10", 0, 1000), "co_ppm": ("CO", 0, 1000)}


@dataclass(frozen=True, repr=False)
class Settings(CollectorSettings):
    """`domain` is the Amazon site of the account, such as amazon.de or alexa.amazon.de; null: the one that pairing found.

    `base_url` stands for https://alexa.<site>, `auth_url` for https://www.<site> and https://api.amazon.com.
    """

    alert: ClassVar = ("ALERT_TOKEN_REFRESH_NEEDED.txt", "https://www.amazon.com/ap/signin")
    enabled: bool = False
    domain: str | None = None
    include_echo: bool = False
    device_serial: str | None = None
    timeout_seconds: float = field(default=8.0, metadata={"range": (0.1, 300)})
    device_locations: dict[str, str] = field(default_factory=dict)
    temperature_min: float = 0.0
    temperature_max: float = 40.0
    humidity_min: float = 0.0
    humidity_max: float = 100.0
    stale_after_seconds: int = field(default=10_800, metadata={"range": (60, 604_800)})
    collect_raw_response: bool = False
    base_url: str | None = None
    auth_url: str | None = None

    @cached_property
    def places(self) -> dict[str, str]:
        return {_device_id(serial): place for serial, place in self.device_locations.items() if place}

    @cached_property
    def mentioned_ids(self) -> dict[str, str]:
        return {f"device_locations: {serial}": _device_id(serial) for serial in self.device_locations}

    def full_id(self, text: str) -> str | None:
        device_id = _device_id(text)
        return device_id if text.lower().startswith("alexa:") and re.fullmatch(FULL_ID, device_id) else None

    def doubt(self, values: Mapping[str, float]) -> str | None:
        """Return why values, by column, are implausible, if they are."""
        limits = {"temperature_celsius": ("temperature", self.temperature_min, self.temperature_max),
                  "humidity_percent": ("humidity", self.humidity_min, self.humidity_max), **SCALES}
        return ", ".join(f"{name} outside {lowest:g} to {highest:g}" for column, (name, lowest, highest) in limits.items()
                         if column in values and not lowest <= values[column] <= highest) or None

    def problems(self) -> Iterator[tuple[str, str]]:
        from collectors.amazon_aqm.addresses import is_safe, site
        if self.domain is not None and site(self.domain) is None:
            yield "domain", f"{self.domain!r} is no Amazon site such as amazon.de or alexa.amazon.co.uk"
        for name, address in (("base_url", self.base_url), ("auth_url", self.auth_url)):
            if address is not None and not is_safe(address):
                yield name, f"{address!r} must be an https:// URL (http:// is allowed for this machine only)"
        if self.temperature_min >= self.temperature_max:
            yield "temperature_min", f"{self.temperature_min} is not below temperature_max, {self.temperature_max}"
        if self.humidity_min >= self.humidity_max:
            yield "humidity_min", f"{self.humidity_min} is not below humidity_max, {self.humidity_max}"


@dataclass(frozen=True, repr=False)
class Secrets(NoSecrets):
    """The token that pairing writes, or the cookies that an earlier program captured."""

    refresh_token: str | None = None
    cookies: dict[str, str] = field(default_factory=dict)
    domain: str | None = None
    device_serial: str | None = None  # of the device registered at pairing

    def missing(self) -> str | None:
        return None if self.refresh_token or self.cookies else "refresh_token"

    def problems(self) -> Iterator[tuple[str, str]]:
        from collectors.amazon_aqm.addresses import site
        if self.domain is not None and site(self.domain) is None:
            yield "domain", "is no Amazon site such as amazon.de"
        if self.refresh_token and not self.refresh_token.startswith("Atnr|"):
            yield "refresh_token", ("is no refresh token of Amazon, which begins with Atnr: run "
                                    + command("devices.py", "pair", "amazon_aqm"))


def _device_id(written: str) -> str:
    """Return the device id of a serial number, with or without our prefix, in either case."""
    return f"alexa:{written.upper().removeprefix('ALEXA:')}"


def collect(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State",
            now: datetime) -> "Iterator[Reading | Sighting]":
    from collectors.amazon_aqm import cloud, monitors
    with cloud.escalating_backoff(state):
        yield from monitors.collect(cloud.open_cloud(settings, secrets, http, state, now), settings, state, now)


def probe(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State") -> str:
    from collectors.amazon_aqm import cloud, monitors
    return monitors.probe(cloud.open_cloud(settings, secrets, http, state, None), settings, state)


def pair(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State", human: "Human") -> dict[str, str]:
    from collectors.amazon_aqm import pairing
    return pairing.pair(settings, secrets, http, state, human)


def unpair(settings: Settings, secrets: Secrets, http: "HttpClient", state: "State") -> str:
    """Deregister our device in the Amazon account."""
    from collectors.amazon_aqm import unpairing
    return unpairing.deregister(settings, secrets, http)
