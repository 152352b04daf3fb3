"""What one cycle brings home: its readings, the devices it saw, what it cost and what had to be retried.

The fields of `Reading` are the columns of the table `readings`, in their order; docs/data.md tells each one's unit and
origin. Nothing here talks to a source or to the database.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from runtime.formats import format_time, one_line, parse_time

RESOLVED = ("name", "location", "temperature_celsius", "temperature_raw")  # what the registry has a say in

Row = dict[str, str | float | int | None]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A device its source told of, with or without a value; `trouble` says why there is none.

    A collector yields one where it knows more than a reading tells (model, a place from the configuration) or where
    there is no reading to yield. `location_source` is `config` for a place a human wrote in config.yaml.
    """

    device_id: str
    device_type: str
    name: str | None = None
    location: str | None = None
    location_source: str = "discovered"
    model_info: str | None = None
    trouble: str | None = None

    def __post_init__(self) -> None:
        _clean(self, ("name", "location", "model_info"))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One device's values at one cycle. A missing value is None, never 0.

    `timestamp` is the cycle's time, `measured_at` the sensor's own, both aware UTC. Raise ValueError for a number that
    is not finite, or an integer beyond 64 bits: NaN and infinities are nobody's temperature.
    """

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

    def __post_init__(self) -> None:
        _clean(self, ("name", "location"))
        for name, value in vars(self).items():
            if not _measurable(value):
                raise ValueError(f"{name} of {self.device_id} is {value!r:.30}, which is no measurement")

    def as_stored(self, row: Row) -> "Reading":
        """Return this reading as the database has it: moved in time, under the registry's name, place and offset."""
        changed: dict[str, Any] = {name: row[name] for name in RESOLVED}
        return replace(self, timestamp=parse_time(str(row["timestamp"])), **changed)

    def row(self) -> Row:
        """Return the columns and their values as SQLite and JSON take them."""
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: str | float | int | datetime | None) -> str | float | int | None:
    if isinstance(value, datetime):
        return format_time(value)
    return int(value) if isinstance(value, bool) else value


def _measurable(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or abs(value) < 2 ** 63


def _clean(record: "Sighting | Reading | Retry | Cycle", names: Iterable[str] = ()) -> None:
    """Make each named text one printable line, and of every other one what UTF-8, and so SQLite, can hold."""
    for name, value in vars(record).items():
        if name in names:
            object.__setattr__(record, name, one_line(value))
        elif isinstance(value, str) and not value.isascii():
            object.__setattr__(record, name, value.encode("utf-8", "replace").decode("utf-8"))


def masked(told: Reading | Sighting, mask: Callable[[str], str]) -> Reading | Sighting:
    """Return what a source told without the secrets that its words may repeat."""
    words = {name: getattr(told, name, None) for name in ("name", "location", "model_info", "raw_response")}
    hidden: dict[str, Any] = {name: mask(text) for name, text in words.items() if text and mask(text) != text}
    return replace(told, **hidden) if hidden else told


@dataclass(frozen=True, kw_only=True)
class Retry:
    """One attempt that failed and what became of it: a row of `retry_events`.

    `attempt` counts from 1, `delay_seconds` is the wait that followed it, `outcome` is `retrying`, `recovered` or
    `exhausted`.
    """

    at: datetime
    operation: str
    endpoint: str
    attempt: int
    delay_seconds: float
    error_type: str
    error: str
    outcome: str

    def __post_init__(self) -> None:
        _clean(self)


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """One cycle of one collector: a row of `collection_cycles`, and all that it brought home."""

    collector: str
    started_at: datetime
    outcome: str
    fetch_ms: float = 0.0
    payload_bytes: int = 0
    requests: int = 0
    endpoint: str = "optimized"
    error_type: str | None = None
    error: str | None = None
    readings: tuple[Reading, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    retries: tuple[Retry, ...] = ()

    def with_places(self) -> "Cycle":
        """Return the cycle with a device's name for its place where the source tells none."""
        return replace(
            self, readings=tuple(replace(each, location=each.location or each.name) for each in self.readings),
            sightings=tuple(replace(each, location=each.location or each.name) for each in self.sightings))

    def seen(self) -> tuple[Sighting, ...]:
        """Return each device that the cycle saw once: as its source told of it, else as its first reading does."""
        told = {each.device_id: each for each in self.sightings}
        for each in self.readings:
            told.setdefault(each.device_id, Sighting(
                device_id=each.device_id, device_type=each.device_type, name=each.name, location=each.location))
        return tuple(told.values())

    def tried_again(self) -> int:
        """Return how many attempts were made again."""
        return sum(retry.outcome == "retrying" for retry in self.retries)

    def __post_init__(self) -> None:
        _clean(self)
