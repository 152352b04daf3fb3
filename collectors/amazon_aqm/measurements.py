"""What a monitor measures: its features made into a sighting and a reading.

Temperature is a feature of its own; the other values are ranges that differ by `instance`. A name that comes with one
says what it is; where none does, the table below does, which real devices agree on (alexa_media_player issues 3245 and
3483, ioBroker.alexa2 issue 960). The device measures carbon monoxide and no carbon dioxide. A null or a fault costs
nobody but itself.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import NamedTuple

from collectors.amazon_aqm import Settings
from collectors.amazon_aqm.discovery import Monitor
from collectors.amazon_aqm.queries import Part, objects, part, text
from runtime.formats import finite_number, one_line, parse_time
from storage.reading import Reading, Sighting

log = logging.getLogger(__name__)

FUTURE = timedelta(minutes=5)  # a sample this much younger than the cloud's own clock tells of a clock that is wrong
UNSURE_SECONDS = 3600  # the age at which a value is old where nobody says that its monitor can be reached
MANY = 50  # unknown instances remembered

BY_INSTANCE: Mapping[str, str] = {
    "4": "humidity_percent",
    "5": "voc_index",  # 0 to 100, higher is worse
    "6": "pm25_ugm3",
    "7": "pm10_ugm3",  # the one that devices give no name
    "8": "co_ppm",
    "9": "iaq_score",  # 0 to 100, higher is better
}
BY_NAME: Mapping[str, str] = {
    "humidity": "humidity_percent", "indoorhumidity": "humidity_percent", "relativehumidity": "humidity_percent",
    "volatileorganiccompounds": "voc_index", "voc": "voc_index",
    "particulatematter": "pm25_ugm3", "pm25": "pm25_ugm3", "pm10": "pm10_ugm3", "particulatematter10": "pm10_ugm3",
    "carbonmonoxide": "co_ppm", "carbondioxide": "co2_ppm",
    "indoorairquality": "iaq_score", "airquality": "iaq_score",
}
ASSET = "Alexa.AirQuality."


class Sample(NamedTuple):
    """One value and when it was measured, None if the cloud does not say, or nothing that can be true."""

    value: float
    at: datetime | None


def parse(monitor: Monitor, endpoint: Part, settings: Settings, now: datetime,
          cloud_now: datetime | None) -> Iterator[Reading | Sighting]:
    """Given the state of a monitor's endpoint, yield its sighting, and a reading if anything in it is fresh.

    `cloud_now` is the cloud's own clock, if it told: ages are judged by the clock that the samples' times are of.
    """
    name = one_line(text(endpoint, "friendlyNameObject"))
    samples = dict(_samples(endpoint, (cloud_now or now) + FUTURE))
    longest = settings.stale_after_seconds
    limit = (cloud_now or now) - timedelta(
        seconds=longest if "OK" in _reachability(endpoint) else min(longest, UNSURE_SECONDS))
    fresh = {name: each for name, each in samples.items() if each.at is not None and each.at >= limit}
    trouble = _trouble(endpoint, samples, fresh, cloud_now or now)
    yield monitor.sighting(settings, trouble, name)
    if trouble is None:
        yield _reading(monitor, name, endpoint, fresh, settings, now)


def note_unknown(endpoint: Part, memory: MutableMapping[str, object]) -> None:
    """Log the instances nobody has heard of, each once in a lifetime."""
    remembered = memory.get("unknown_instances")
    known = [each for each in remembered if isinstance(each, str)] if isinstance(remembered, list) else []
    for feature in objects(endpoint, "features"):
        instance = one_line(feature.get("instance"), 20)
        if feature.get("name") == "range" and instance not in (None, *known) and _quantity(feature) is None:
            known.append(f"{instance}")
            log.warning("a monitor tells a value of unknown meaning, which is not stored: instance %s", instance)
            memory["unknown_instances"] = known[-MANY:]


def _reading(monitor: Monitor, name: str | None, endpoint: Part, samples: Mapping[str, Sample], settings: Settings,
             now: datetime) -> Reading:
    values = {quantity: sample.value for quantity, sample in samples.items()}
    celsius, humidity = values.pop("temperature_celsius", None), values.get("humidity_percent")
    times = [sample.at for sample in samples.values() if sample.at is not None]
    told = samples["temperature_celsius"].at if celsius is not None else None
    return Reading(
        timestamp=now, device_id=f"alexa:{monitor.serial}", device_type="alexa_aqm", name=name or monitor.name,
        location=settings.device_locations.get(monitor.serial) or monitor.room,
        temperature_celsius=celsius, temperature_raw=celsius, **values,  # type: ignore[arg-type]  # all are numbers
        is_anomalous=_is_outside(celsius, settings.temperature_min, settings.temperature_max)
        or _is_outside(humidity, settings.humidity_min, settings.humidity_max),
        measured_at=told or max(times, default=None),
        raw_response=json.dumps(endpoint) if settings.collect_raw_response else None)


def _is_outside(value: float | None, lowest: float, highest: float) -> bool:
    return value is not None and not lowest <= value <= highest


def _trouble(endpoint: Part, samples: Mapping[str, Sample], fresh: Mapping[str, Sample], now: datetime) -> str | None:
    """Say why there is no fresh value, or None if there is one. Offline monitors keep telling their last values."""
    if any(each != "OK" for each in _reachability(endpoint)):
        return "cannot be reached by the Alexa cloud"
    if fresh:
        return None
    times = [sample.at for sample in samples.values() if sample.at is not None]
    if not times:
        return "tells no values of a believable time" if samples else "tells no values"
    return f"last heard of {int((now - max(times)).total_seconds()) // 3600} h ago"


def _reachability(endpoint: Part) -> list[str]:
    states = [each.get("reachabilityStatusValue") for feature in objects(endpoint, "features")
              if feature.get("name") == "connectivity" for each in objects(feature, "properties")]
    return [each for each in states if isinstance(each, str)]


def _samples(endpoint: Part, latest: datetime) -> Iterator[tuple[str, Sample]]:
    """Yield each quantity that the endpoint tells, once, the lower instance first where two claim to be the same.

    What is measured later than `latest` is not believed.
    """
    seen = set()
    for feature in sorted(objects(endpoint, "features"), key=_order):
        quantity = _quantity(feature)
        for each in objects(feature, "properties"):
            value = _value(feature, each)
            if quantity is not None and value is not None and quantity not in seen:
                seen.add(quantity)
                at = _time(each.get("timeOfSample"))
                yield quantity, Sample(value, at if at is not None and at <= latest else None)


def _order(feature: Part) -> tuple[int, str]:
    instance = str(feature.get("instance"))
    return len(instance), instance


def _quantity(feature: Part) -> str | None:
    """Return the column that a feature's value belongs in, None for one that belongs in none."""
    if feature.get("name") == "temperatureSensor":
        return "temperature_celsius"
    if feature.get("name") != "range":
        return None
    asset, labels = _names(feature)
    if asset is not None:
        return BY_NAME.get(_plain(asset.removeprefix(ASSET)))
    known = (BY_NAME[_plain(label)] for label, _ in labels if _plain(label) in BY_NAME)
    # A name in a language we do not know says nothing against the table; an English one that nobody knows does.
    is_other = any(locale.casefold().startswith("en") for _, locale in labels)
    return next(known, None if is_other else BY_INSTANCE.get(str(feature.get("instance"))))


def _names(feature: Part) -> tuple[str | None, list[tuple[str, str]]]:
    """Return the asset id that comes with a feature and its names, each with its locale, empty if that is not told."""
    configuration, resources = part(feature, "configuration"), part(feature, "resources")
    named = [part(configuration, "friendlyName"), *objects(configuration, "friendlyNames"),
             *objects(resources, "friendlyNames")]
    values = [part(each, "value") for each in named]
    assets = [asset for each in values if (asset := one_line(each.get("assetId")))]
    labels = [(label, one_line(each.get("locale")) or "") for each in values if (label := one_line(each.get("text")))]
    return next(iter(assets), None), labels


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _value(feature: Part, each: Part) -> float | None:
    """Return the number that a property tells, temperatures in degrees Celsius; None for one not to be relied on."""
    if each.get("type") != "RETRIEVABLE" or each.get("error") is not None:
        return None
    if feature.get("name") == "range":
        return finite_number(part(each, "rangeValue").get("value")) if each.get("name") == "rangeValue" else None
    told = part(each, "value") if each.get("name") == "temperature" else {}
    degrees, scale = finite_number(told.get("value")), told.get("scale")
    if degrees is None or scale not in ("CELSIUS", "FAHRENHEIT"):
        return None
    return round(degrees if scale == "CELSIUS" else (degrees - 32) * 5 / 9, 2)


def _time(told: object) -> datetime | None:
    try:
        return parse_time(told if isinstance(told, str) else "").replace(microsecond=0)
    except (ValueError, OverflowError):
        return None
