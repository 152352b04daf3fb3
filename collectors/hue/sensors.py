"""Turns the bridge's sensors into sightings and readings.

A device shows as several entries, such as ZLLPresence and ZLLTemperature, which share what stands before the first `-` of
`uniqueid`: the radio's address, of eight bytes, nine from some emulators. Their numbers change at each pairing. Only a
value's age counts: `reachable` lags by hours (ioBroker.hue issue 736, 2025). A broken entry does not affect the others.
"""

import json
import logging
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from runtime.formats import finite_number, one_line, parse_time
from storage.reading import Reading, Sighting

if TYPE_CHECKING:
    from collectors.hue import Settings

log = logging.getLogger(__name__)

TYPES = {"ZLLTemperature": "hue_sensor", "ZHATemperature": "zigbee_sensor"}  # ZHA: deCONZ
NAMED = ("ZLLPresence",)  # the app lets people rename this entry only
LIGHT, HUMIDITY = ("ZLLLightLevel", "ZHALightLevel"), ("ZHAHumidity",)
MAX_CELSIUS = 200.0  # beyond it nothing was measured: -327.68 is Zigbee's 0x8000, "invalid"
INVALID_LIGHT = 65_535  # Zigbee's 0xffff
FUTURE = timedelta(minutes=5)  # a value this much newer than the bridge's own clock means that the clock jumped
YEARS = timedelta(days=365)
NEVER = datetime.min.replace(tzinfo=timezone.utc)

Entry = dict[str, Any]


def thermometers(document: object) -> dict[str, Entry]:
    """Return the temperature sensors by unique id in lower case, the youngest of each: re-pairing may leave an old one."""
    entries: dict[str, Entry] = {}
    for entry in _entries(document, TYPES):
        unique_id = entry.get("uniqueid")
        if not isinstance(unique_id, str) or unique_id != one_line(unique_id):
            log.warning("ignoring a temperature sensor without uniqueid: %s", one_line(entry.get("name")))
            continue
        unique_id = unique_id.lower()
        if unique_id not in entries or _updated(entries[unique_id]) < _updated(entry):
            entries[unique_id] = entry
    return entries


def unread_types(document: object) -> list[str]:
    """Return the types of devices that report a temperature and are not read; CLIP... are made up by other programs."""
    entries = document.values() if isinstance(document, dict) else ()
    types = {one_line(entry.get("type")) or "no type" for entry in entries
             if isinstance(entry, dict) and "temperature" in _part(entry, "state")}
    return sorted(kind for kind in types if kind not in TYPES and not kind.startswith("CLIP"))


def parse(document: object, settings: "Settings", now: datetime,
          bridge_now: datetime | None) -> Iterator[Sighting | Reading]:
    """Yield every thermometer, and a reading if fresh by the bridge's own clock: one clock's error cancels out."""
    named, light, humidity = (_youngest(document, types) for types in (NAMED, LIGHT, HUMIDITY))
    for unique_id, entry in thermometers(document).items():
        mac = _mac(unique_id)
        sensor = _Sensor(unique_id, entry, settings, now, bridge_now or now)
        name = one_line(named.get(mac, {}).get("name")) or one_line(entry.get("name"))
        trouble = sensor.trouble()
        yield sensor.sighting(name, trouble)
        if trouble is None:
            yield sensor.reading(name, light.get(mac, {}), humidity.get(mac, {}))


class _Sensor:
    def __init__(self, unique_id: str, entry: Entry, settings: "Settings", now: datetime, bridge_now: datetime) -> None:
        self._device_id, self._device_type = f"hue:{unique_id}", TYPES[entry["type"]]
        self._entry, self._state, self._config = entry, _part(entry, "state"), _part(entry, "config")
        self._settings, self._now, self._bridge_now = settings, now, bridge_now
        self._place = settings.places.get(self._device_id)
        self._updated = _updated(entry)
        hundredths = finite_number(self._state.get("temperature"))  # of a degree Celsius; negative, zero or null
        self._celsius = None if hundredths is None else round(hundredths / 100, 2)
        self._model = one_line(self._entry.get("modelid"))
        self._lowest, self._highest = settings.plausible(self._device_id, self._model)

    def trouble(self) -> str | None:
        is_off = self._config.get("on") is False  # emulators show it on living sensors, too
        if self._celsius is None or self._state.get("lastupdated") == "none":
            return "switched off in the app" if is_off else "has reported nothing since the bridge started"
        if abs(self._celsius) > MAX_CELSIUS:
            return f"reports {self._celsius:.2f} °C, which is no measurement"
        if self._updated == NEVER:
            return "does not say when it measured"
        if self._is_fresh(self._updated):
            return None
        return "switched off in the app" if is_off else f"last heard of {_format_age(self._bridge_now - self._updated)} ago"

    def sighting(self, name: str | None, trouble: str | None) -> Sighting:
        return Sighting(
            device_id=self._device_id, device_type=self._device_type, name=name, location=self._place,
            location_source="config" if self._place else "discovered", model_info=self._model, trouble=trouble,
            doubt=f"outside {self._lowest:g} to {self._highest:g}" if trouble is None and self._is_anomalous() else None)

    def reading(self, name: str | None, light: Entry, humidity: Entry) -> Reading:
        settings, celsius, battery = self._settings, self._celsius, self._config.get("battery")
        has_battery = settings.collect_battery_level and type(battery) is int and 0 <= battery <= 100
        return Reading(
            timestamp=self._now, device_id=self._device_id, device_type=self._device_type, name=name,
            location=self._place, temperature_celsius=celsius, temperature_raw=celsius,
            humidity_percent=self._humidity(humidity),
            light_lux=self._lux(light) if settings.collect_light_level else None,
            battery_level=battery if has_battery else None,
            is_anomalous=self._is_anomalous(),
            measured_at=self._measured_at(),
            raw_response=json.dumps(self._entry) if settings.collect_raw_response else None)

    def _is_anomalous(self) -> bool:
        return self._celsius is None or not self._lowest <= self._celsius <= self._highest

    def _is_fresh(self, updated: datetime) -> bool:
        age = self._age(updated)
        return updated != NEVER and (age is None or age.total_seconds() <= self._settings.stale_after_seconds)

    def _age(self, updated: datetime) -> timedelta | None:
        """Return a value's age, None if the bridge's clock cannot be right: years ahead while ours calls it fresh."""
        age, age_by_ours = self._bridge_now - updated, self._now - updated
        is_fresh_by_ours = -FUTURE <= age_by_ours <= timedelta(seconds=self._settings.stale_after_seconds)
        return None if updated == NEVER or age < -FUTURE or age > YEARS and is_fresh_by_ours else age

    def _measured_at(self) -> datetime | None:
        is_absurd = abs(self._now - self._updated) > YEARS and self._clocks_differ_by_years()
        return None if is_absurd or self._age(self._updated) is None else self._updated

    def _clocks_differ_by_years(self) -> bool:
        return abs(self._bridge_now - self._now) > YEARS

    def _lux(self, light: Entry) -> float | None:
        """Return the light level in lux; the bridge reports 10 000 log10(lux) + 1, and 0 for darkness."""
        level = finite_number(_part(light, "state").get("lightlevel"))
        if level is None or not 0 <= level < INVALID_LIGHT or not self._is_fresh(_updated(light)):
            return None
        return round(10 ** ((level - 1) / 10_000), 2) if level else 0.0

    def _humidity(self, humidity: Entry) -> float | None:
        """Return the relative humidity in percent; the gateway reports hundredths."""
        hundredths = finite_number(_part(humidity, "state").get("humidity"))
        if hundredths is None or not 0 <= hundredths <= 10_000 or not self._is_fresh(_updated(humidity)):
            return None
        return round(hundredths / 100, 2)


def _entries(document: object, types: Collection[str]) -> list[Entry]:
    entries = document.values() if isinstance(document, dict) else ()
    return [entry for entry in entries if isinstance(entry, dict) and str(entry.get("type")) in types]


def _mac(unique_id: str) -> str:
    return unique_id.partition("-")[0].lower()


def _youngest(document: object, types: Collection[str]) -> dict[str, Entry]:
    """Return the entries of these types by radio address, the most recently updated of each."""
    entries = sorted(_entries(document, types), key=_updated)
    return {_mac(str(entry.get("uniqueid"))): entry for entry in entries}


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
