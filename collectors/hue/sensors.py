"""Turns the bridge's sensors into sightings and readings.

One motion sensor shows as three entries, ZLLPresence, ZLLTemperature and ZLLLightLevel, which share the first 23
characters of `uniqueid`, the radio's address. Their numbers change at each pairing. Only a value's age counts:
`reachable` lags by hours (ioBroker.hue issue 736, 2025). A broken entry does not affect the others.
"""

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from runtime.formats import finite_number, one_line, parse_time
from storage.reading import Reading, Sighting

if TYPE_CHECKING:
    from collectors.hue import Settings

log = logging.getLogger(__name__)

MAC_LENGTH = 23  # of 00:17:88:01:09:15:e6:3e in 00:17:88:01:09:15:e6:3e-02-0402
FUTURE = timedelta(minutes=5)  # a value this much newer than the bridge's own clock means that the clock jumped
YEARS = timedelta(days=365)
NEVER = datetime.min.replace(tzinfo=timezone.utc)

Entry = dict[str, Any]


def thermometers(document: object) -> dict[str, Entry]:
    """Return the temperature sensors by unique id in lower case, the latest of each: re-pairing may leave an old one."""
    entries: dict[str, Entry] = {}
    for entry in _entries(document, "ZLLTemperature"):
        unique_id = entry.get("uniqueid")
        if not isinstance(unique_id, str) or unique_id != one_line(unique_id):
            log.warning("ignoring a temperature sensor without uniqueid: %s", one_line(entry.get("name")))
            continue
        unique_id = unique_id.lower()
        if unique_id not in entries or _updated(entries[unique_id]) < _updated(entry):
            entries[unique_id] = entry
    return entries


def parse(document: object, settings: "Settings", now: datetime,
          bridge_now: datetime | None) -> Iterator[Sighting | Reading]:
    """Yield every thermometer, and a reading if fresh by the bridge's own clock: one clock's error cancels out."""
    presence, light = _by_mac(document, "ZLLPresence"), _by_mac(document, "ZLLLightLevel")
    for unique_id, entry in thermometers(document).items():
        mac = unique_id[:MAC_LENGTH]
        sensor = _Sensor(unique_id, entry, settings, now, bridge_now or now)
        # The app lets people rename the presence entry only.
        name = one_line(presence.get(mac, {}).get("name")) or one_line(entry.get("name"))
        trouble = sensor.trouble()
        yield sensor.sighting(name, trouble)
        if trouble is None:
            yield sensor.reading(name, light.get(mac, {}))


class _Sensor:
    def __init__(self, unique_id: str, entry: Entry, settings: "Settings", now: datetime, bridge_now: datetime) -> None:
        self._device_id = f"hue:{unique_id}"
        self._entry, self._state, self._config = entry, _part(entry, "state"), _part(entry, "config")
        self._settings, self._now, self._bridge_now = settings, now, bridge_now
        self._place = settings.places.get(self._device_id)
        self._updated = _updated(entry)
        hundredths = finite_number(self._state.get("temperature"))  # of a degree Celsius; negative, zero or null
        self._celsius = None if hundredths is None else round(hundredths / 100, 2)
        self._model = one_line(self._entry.get("modelid"))
        self._lowest, self._highest = settings.plausible(self._device_id, self._model)

    def trouble(self) -> str | None:
        if self._celsius is None or self._state.get("lastupdated") == "none":
            off = self._config.get("on") is False
            return "switched off in the app" if off else "has reported nothing since the bridge started"
        if self._updated == NEVER:
            return "does not say when it measured"
        age = self._age(self._updated)
        if age is None or age.total_seconds() <= self._settings.stale_after_seconds:
            return None
        return f"last heard of {_format_age(age)} ago"

    def sighting(self, name: str | None, trouble: str | None) -> Sighting:
        return Sighting(
            device_id=self._device_id, device_type="hue_sensor", name=name, location=self._place,
            location_source="config" if self._place else "discovered", model_info=self._model, trouble=trouble,
            doubt=f"outside {self._lowest:g} to {self._highest:g}" if trouble is None and self._is_anomalous() else None)

    def reading(self, name: str | None, light: Entry) -> Reading:
        settings, celsius, battery = self._settings, self._celsius, self._config.get("battery")
        has_battery = settings.collect_battery_level and type(battery) is int and 0 <= battery <= 100
        return Reading(
            timestamp=self._now, device_id=self._device_id, device_type="hue_sensor", name=name,
            location=self._place, temperature_celsius=celsius, temperature_raw=celsius,
            light_lux=self._lux(light) if settings.collect_light_level else None,
            battery_level=battery if has_battery else None,
            is_anomalous=self._is_anomalous(),
            measured_at=self._measured_at(),
            raw_response=json.dumps(self._entry) if settings.collect_raw_response else None)

    def _is_anomalous(self) -> bool:
        return self._celsius is None or not self._lowest <= self._celsius <= self._highest

    def _age(self, updated: datetime) -> timedelta | None:
        """Return a value's age, None if the bridge's clock cannot be right."""
        age = self._bridge_now - updated
        if updated == NEVER or age < -FUTURE or age > YEARS and self._clocks_differ_by_years():
            return None
        return age

    def _measured_at(self) -> datetime | None:
        is_absurd = abs(self._now - self._updated) > YEARS and self._clocks_differ_by_years()
        return None if is_absurd or self._age(self._updated) is None else self._updated

    def _clocks_differ_by_years(self) -> bool:
        return abs(self._bridge_now - self._now) > YEARS

    def _lux(self, light: Entry) -> float | None:
        """Return the light level in lux; the bridge reports 10 000 log10(lux) + 1, and 0 for darkness."""
        level = finite_number(_part(light, "state").get("lightlevel"))
        if level is None or not 0 <= level <= 65_535:
            return None
        age = self._age(_updated(light))
        if age is not None and age.total_seconds() > self._settings.stale_after_seconds:
            return None
        return round(10 ** ((level - 1) / 10_000), 2) if level else 0.0


def _entries(document: object, kind: str) -> list[Entry]:
    entries = document.values() if isinstance(document, dict) else ()
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("type") == kind]


def _by_mac(document: object, kind: str) -> dict[str, Entry]:
    return {str(entry.get("uniqueid"))[:MAC_LENGTH].lower(): entry for entry in _entries(document, kind)}


def _part(entry: Entry, name: str) -> Entry:
    part = entry.get(name)
    return part if isinstance(part, dict) else {}


def _updated(entry: Entry) -> datetime:
    """Return `lastupdated`: UTC, to which emulators add a Z or milliseconds. NEVER if absent or invalid."""
    text = _part(entry, "state").get("lastupdated")
    try:
        return parse_time(text if isinstance(text, str) else "").replace(microsecond=0)
    except ValueError:
        return NEVER


def _format_age(age: timedelta) -> str:
    hours, minutes = divmod(int(age.total_seconds()) // 60, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"
