"""What the bridge's sensors say: its JSON made into sightings and readings.

One motion sensor shows as three entries, ZLLPresence, ZLLTemperature and ZLLLightLevel, that share the first 23
characters of `uniqueid`, the radio's address. Entries are numbered by the bridge, anew at each pairing: the number is
nobody's identity. Whether a value is fresh is judged by its age alone, for `reachable` lags by hours
(ioBroker.hue issue 736, 2025). A broken entry costs nobody but itself.
"""

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from collectors.hue import Settings
from runtime.formats import finite_number, one_line
from storage.reading import Reading, Sighting

log = logging.getLogger(__name__)

MAC_LENGTH = 23  # of 00:17:88:01:09:15:e6:3e in 00:17:88:01:09:15:e6:3e-02-0402
FUTURE = timedelta(minutes=5)  # a value this much younger than the bridge's own clock tells of a clock that jumped
YEARS = timedelta(days=365)

Entry = dict[str, Any]


def thermometers(document: object) -> list[Entry]:
    """Return the entries of temperature sensors that can be told apart, the younger one where two share an identity.

    A sensor paired anew gets a new number, and the entry under its old one may linger.
    """
    found: dict[str, Entry] = {}
    for entry in _entries(document, "ZLLTemperature"):
        unique_id = _unique_id(entry)
        if unique_id is None:
            log.warning("a temperature sensor without uniqueid is left out: %s", one_line(entry.get("name")))
        elif unique_id not in found or _updated(found[unique_id]) < _updated(entry):
            found[unique_id] = entry
    return list(found.values())


def parse(document: object, settings: Settings, now: datetime,
          bridge_now: datetime | None) -> Iterator[Sighting | Reading]:
    """Given the sensors, yield a sighting of every thermometer and a reading of each whose value is fresh.

    `bridge_now` is the bridge's own clock, if it told: a value's age is the difference of two times of one clock, so
    that neither a wrong clock there nor one here matters.
    """
    presence = {_mac(entry): entry for entry in _entries(document, "ZLLPresence")}
    light = {_mac(entry): entry for entry in _entries(document, "ZLLLightLevel")}
    for entry in thermometers(document):
        sensor = _Sensor(entry, presence.get(_mac(entry)), light.get(_mac(entry)), settings, now, bridge_now)
        trouble = sensor.trouble()
        yield sensor.sighting(trouble)
        if trouble is None:
            yield sensor.reading()


class _Sensor:
    """One motion sensor at one cycle: its three entries, and the clocks to judge them by."""

    def __init__(self, entry: Entry, presence: Entry | None, light: Entry | None, settings: Settings, now: datetime,
                 bridge_now: datetime | None) -> None:
        self._entry, self._presence, self._light, self._settings = entry, presence or {}, light or {}, settings
        self._now, self._bridge_now = now, bridge_now or now
        self._unique_id = _unique_id(entry) or ""
        self._celsius = _celsius(_part(entry, "state").get("temperature"))

    @property
    def _name(self) -> str | None:
        """The presence entry's name: it is the one that the app lets people change."""
        return one_line(self._presence.get("name")) or one_line(self._entry.get("name"))

    def sighting(self, trouble: str | None) -> Sighting:
        place = self._settings.places.get(f"hue:{self._unique_id}")
        return Sighting(
            device_id=f"hue:{self._unique_id}", device_type="hue_sensor", name=self._name, location=place,
            location_source="config" if place else "discovered", model_info=one_line(self._entry.get("modelid")),
            trouble=trouble)

    def trouble(self) -> str | None:
        """Say why there is no fresh value, or None if there is one."""
        state = _part(self._entry, "state")
        if self._celsius is None or state.get("lastupdated") == "none":
            off = _part(self._entry, "config").get("on") is False
            return "switched off in the app" if off else "has told nothing since the bridge started"
        if _updated(self._entry) == NEVER:
            return "does not say when it measured"
        age = self._age(self._entry)
        if age is None or age.total_seconds() <= self._settings.stale_after_seconds:
            return None
        return f"last heard of {_span(age)} ago"

    def reading(self) -> Reading:
        settings, config = self._settings, _part(self._entry, "config")
        celsius, battery = self._celsius, config.get("battery")
        is_battery = settings.collect_battery_level and type(battery) is int and 0 <= battery <= 100
        return Reading(
            timestamp=self._now, device_id=f"hue:{self._unique_id}", device_type="hue_sensor", name=self._name,
            location=settings.places.get(f"hue:{self._unique_id}"), temperature_celsius=celsius,
            temperature_raw=celsius, light_lux=self._lux(), battery_level=battery if is_battery else None,
            is_anomalous=celsius is None or not settings.temperature_min <= celsius <= settings.temperature_max,
            measured_at=self._measured_at(),
            raw_response=json.dumps(self._entry) if settings.collect_raw_response else None)

    def _age(self, entry: Entry) -> timedelta | None:
        """Return how old an entry's value is by the bridge's clock; None where that clock cannot tell."""
        updated = _updated(entry)
        age = self._bridge_now - updated
        is_lost = age > YEARS and self._clock_is_years_off()
        return None if updated == NEVER or age < -FUTURE or is_lost else age

    def _measured_at(self) -> datetime | None:
        """Return the sensor's own time; None for one in the future, or years away by a clock that is years off."""
        updated = _updated(self._entry)
        if self._age(self._entry) is None or (abs(self._now - updated) > YEARS and self._clock_is_years_off()):
            return None
        return updated

    def _clock_is_years_off(self) -> bool:
        return abs(self._bridge_now - self._now) > YEARS

    def _lux(self) -> float | None:
        """Return the light level in lux, rounded; the bridge gives 10 000 log10(lux) + 1, and 0 for darkness."""
        level = finite_number(_part(self._light, "state").get("lightlevel"))
        age = self._age(self._light)
        is_stale = age is not None and age.total_seconds() > self._settings.stale_after_seconds
        if level is None or is_stale or not self._settings.collect_light_level or not 0 <= level <= 65_535:
            return None
        return round(10 ** ((level - 1) / 10_000), 2) if level else 0.0


NEVER = datetime.min.replace(tzinfo=timezone.utc)


def _entries(document: object, kind: str) -> Iterator[Entry]:
    for entry in document.values() if isinstance(document, dict) else ():
        if isinstance(entry, dict) and entry.get("type") == kind:
            yield entry


def _part(entry: Entry, name: str) -> Entry:
    part = entry.get(name)
    return part if isinstance(part, dict) else {}


def _unique_id(entry: Entry) -> str | None:
    unique_id = entry.get("uniqueid")
    return unique_id if isinstance(unique_id, str) and unique_id == one_line(unique_id) else None


def _mac(entry: Entry) -> str:
    return (_unique_id(entry) or "")[:MAC_LENGTH]


def _updated(entry: Entry) -> datetime:
    """Return an entry's `lastupdated`: UTC, to which emulators add a Z or milliseconds. NEVER if there is none."""
    text = _part(entry, "state").get("lastupdated")
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        moment = moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return NEVER
    return moment.replace(microsecond=0)


def _celsius(value: object) -> float | None:
    """Return the temperature in degrees Celsius; the bridge gives hundredths, negative, zero or null."""
    hundredths = finite_number(value)
    return None if hundredths is None else round(hundredths / 100, 2)


def _span(age: timedelta) -> str:
    hours, minutes = divmod(int(age.total_seconds()) // 60, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"
