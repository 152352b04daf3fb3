"""The records of a cycle: readings, sightings of devices, retries, and the cycle itself.

The fields of `Reading` are the columns of the table `readings`; docs/data.md gives units and origins.
"""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from runtime.formats import TEXT_LIMIT, format_time, one_line

NAMES = ("name", "location", "model_info")
REDACTED = (*NAMES, "raw_response")  # a source may repeat in them what we sent to it

CLOCK_TOLERANCE = timedelta(minutes=2)  # between our clock and a source's

Row = dict[str, str | float | int | None]


class Sighting(NamedTuple):
    """A device without a reading (`trouble` is why it has no fresh value), or more about one that has a reading.

    `doubt` is why its reading is anomalous.
    """

    device_id: str
    device_type: str
    name: str | None = None
    location: str | None = None
    location_source: str = "discovered"
    model_info: str | None = None
    trouble: str | None = None
    doubt: str | None = None


class Reading(NamedTuple):
    """One device's values. `timestamp` is the cycle's time, `measured_at` the sensor's own, both aware UTC."""

    timestamp: datetime
    device_id: str
    device_type: str
    name: str | None = None
    location: str | None = None
    temperature_celsius: float | None = None
    temperature_raw: float | None = None
    humidity_percent: float | None = None
    pm25_ugm3: float | None = None
    pm10_ugm3: float | None = None
    voc_index: float | None = None
    voc_ppb: float | None = None
    co_ppm: float | None = None
    co2_ppm: float | None = None
    iaq_score: float | None = None
    light_lux: float | None = None
    battery_level: int | None = None
    signal_strength: int | None = None
    is_anomalous: bool = False
    measured_at: datetime | None = None
    thermostat_mode: str | None = None
    thermostat_state: str | None = None
    day_night: str | None = None
    weather_conditions: str | None = None
    raw_response: str | None = None

    def row(self) -> Row:
        measured_at = None if self.measured_at is None else format_time(self.measured_at)
        return self._asdict() | {"timestamp": format_time(self.timestamp), "measured_at": measured_at,
                                 "is_anomalous": int(self.is_anomalous)}


Item = TypeVar("Item", Reading, Sighting, Reading | Sighting)


def clean(item: Item, redact: Callable[[str], str]) -> Item:
    """Redact what a source yielded, and put names on one line. Raise ValueError for what SQLite cannot hold."""
    changed: dict[str, Any] = {}
    for field, value in zip(item._fields, item):
        if isinstance(value, str):
            # JSON can spell lone surrogates; UTF-8, and so SQLite, cannot hold them.
            text = _name(value) if field in NAMES else value.encode("utf-8", "replace").decode("utf-8")
            text = redact(text) if text and field in REDACTED else text
            if text != value:
                changed[field] = text
        elif isinstance(value, float) and not math.isfinite(value) or isinstance(value, int) and abs(value) >= 2 ** 63:
            raise ValueError(f"{field} of {item.device_id} is {value!r:.30}, which is no measurement")
        elif not isinstance(value, int | float | datetime | None):
            raise ValueError(f"{field} of {item.device_id} is a {type(value).__name__}, which cannot be stored")
    return item._replace(**changed) if changed else item


def _name(text: str) -> str | None:
    is_clean = text.isascii() and text.isprintable() and len(text) <= TEXT_LIMIT and " ".join(text.split()) == text
    return text if text and is_clean else one_line(text)


class Retry(NamedTuple):
    """A failed attempt (1, 2, ...) as a row of `retry_events`; `outcome` is `retrying`, `recovered` or `exhausted`."""

    at: datetime
    operation: str
    endpoint: str
    attempt: int
    delay_seconds: float
    error_type: str
    error: str
    outcome: str


class Cycle(NamedTuple):
    """A row of `collection_cycles`, and all that belongs to it."""

    collector: str
    started_at: datetime
    outcome: str
    fetch_ms: float = 0.0
    payload_bytes: int = 0
    requests: int = 0
    endpoint: str = "optimized"
    error_type: str | None = None
    error: str | None = None
    clock_offset_seconds: int | None = None  # our clock minus the source's
    readings: tuple[Reading, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    retries: tuple[Retry, ...] = ()

    def with_places(self) -> "Cycle":
        """Use names as locations where the source gives none."""
        return self._replace(
            readings=tuple(item._replace(location=item.location or item.name) for item in self.readings),
            sightings=tuple(item._replace(location=item.location or item.name) for item in self.sightings))

    def seen(self) -> tuple[Sighting, ...]:
        """Return a sighting per device, made of its first reading if the source gave none."""
        sightings = {sighting.device_id: sighting for sighting in self.sightings}
        for reading in self.readings:
            sighting = Sighting(reading.device_id, reading.device_type, reading.name, reading.location)
            sightings.setdefault(reading.device_id, sighting)
        return tuple(sightings.values())

    def tried_again(self) -> int:
        return sum(retry.outcome == "retrying" for retry in self.retries)
