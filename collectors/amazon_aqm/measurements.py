"""Turns a monitor's features into a sighting and a reading.

Ranges are identified by their names, else by the table below, on which real devices agree (alexa_media_player issues
3245 and 3483, ioBroker.alexa2 issue 960). The device measures carbon monoxide, not carbon dioxide.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from collectors.amazon_aqm.discovery import Monitor
from collectors.amazon_aqm.queries import Part, moment, objects, part, text
from runtime.formats import finite_number, one_line
from storage.reading import Reading, Sighting
from storage.state import State

if TYPE_CHECKING:
    from collectors.amazon_aqm import Settings

log = logging.getLogger(__name__)

FUTURE = timedelta(minutes=5)  # a sample this much newer than the cloud's own clock means that a clock is wrong
# Samples come when a value changes, so a single one may be old; the newest of seven noisy values is a heartbeat. Accounts
# showed one value for six days, as reachable (home-assistant/core 182083, 2026-09).
LONGEST_AGE = timedelta(days=1)
ECHO_STALE_SECONDS = 86_400  # an Echo tells its temperature a few times a day (home-assistant/core 172241, 2026-05)
UNCONFIRMED_SECONDS = 3600  # a value's maximum age if the cloud does not call the monitor reachable
MOST_INSTANCES = 50  # unknown ones that are remembered

BY_INSTANCE: Mapping[str, str] = {
    "4": "humidity_percent",
    "5": "voc_index",  # 0 to 100, higher is worse
    "6": "pm25_ugm3",
    "7": "pm10_ugm3",  # comes without a name
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
    value: float
    at: datetime | None


def parse(monitor: Monitor, endpoint: Part, settings: "Settings", now: datetime,
          cloud_now: datetime | None) -> Iterator[Reading | Sighting]:
    """Yield the monitor's sighting, and a reading if any value is fresh by the cloud's own clock, if that is known."""
    name, clock = one_line(text(endpoint, "friendlyNameObject")), cloud_now or now
    samples = dict(_samples(endpoint, clock + FUTURE))
    longest = ECHO_STALE_SECONDS if monitor.is_echo else settings.stale_after_seconds
    if "OK" not in _reachability(endpoint):
        longest = min(longest, UNCONFIRMED_SECONDS)
    newest = max((sample.at for sample in samples.values() if sample.at is not None), default=None)
    oldest = clock - LONGEST_AGE
    is_alive = newest is not None and clock - newest <= timedelta(seconds=longest)
    fresh = {quantity: sample for quantity, sample in samples.items()
             if is_alive and sample.at is not None and sample.at >= oldest}
    trouble = _trouble(endpoint, samples, fresh, clock)
    sighting = monitor.sighting(settings, trouble, name)
    if trouble is not None:
        yield sighting
        return
    reading = _reading(monitor, name, endpoint, fresh, settings, now)
    doubt = settings.doubt({quantity: sample.value for quantity, sample in fresh.items()})
    yield sighting._replace(doubt=doubt)
    yield reading._replace(is_anomalous=doubt is not None)


def log_unknown_instances(endpoint: Part, state: State) -> None:
    """Log each range of unknown meaning once, ever."""
    stored = state.get("unknown_instances")
    logged = [instance for instance in stored if isinstance(instance, str)] if isinstance(stored, list) else []
    for feature in objects(endpoint, "features"):
        instance = one_line(feature.get("instance"), 20)
        if feature.get("name") == "range" and instance not in (None, *logged) and _quantity(feature) is None:
            logged.append(f"{instance}")
            log.warning("a monitor reports a value of unknown meaning, which is not stored: instance %s", instance)
            state["unknown_instances"] = logged[-MOST_INSTANCES:]


def _reading(monitor: Monitor, name: str | None, endpoint: Part, samples: Mapping[str, Sample], settings: "Settings",
             now: datetime) -> Reading:
    values = {quantity: sample.value for quantity, sample in samples.items()}
    celsius = values.pop("temperature_celsius", None)
    times = [sample.at for sample in samples.values() if sample.at is not None]
    return Reading(
        timestamp=now, device_id=f"alexa:{monitor.serial}", device_type=monitor.device_type, name=name or monitor.name,
        location=monitor.place(settings) or monitor.room,
        temperature_celsius=celsius, temperature_raw=celsius, **values,  # type: ignore[arg-type]  # all are numbers
        measured_at=max(times, default=None),
        raw_response=json.dumps(endpoint) if settings.collect_raw_response else None)


def _trouble(endpoint: Part, samples: Mapping[str, Sample], fresh: Mapping[str, Sample], now: datetime) -> str | None:
    if any(status != "OK" for status in _reachability(endpoint)):
        return "cannot be reached by the Alexa cloud"  # it keeps reporting the last values
    if fresh:
        return None
    times = [sample.at for sample in samples.values() if sample.at is not None]
    if not times:
        return "reports no values of a believable time" if samples else "reports no values"
    return f"last heard of {int((now - max(times)).total_seconds()) // 3600} h ago"


def _reachability(endpoint: Part) -> list[str]:
    values = [item.get("reachabilityStatusValue") for feature in objects(endpoint, "features")
              if feature.get("name") == "connectivity" for item in objects(feature, "properties")]
    return [value for value in values if isinstance(value, str)]


def _samples(endpoint: Part, latest: datetime) -> Iterator[tuple[str, Sample]]:
    """Yield each quantity once, from its lowest instance. Times after `latest` are impossible."""
    seen = set()
    for feature in sorted(objects(endpoint, "features"), key=lambda feature: str(feature.get("instance")).rjust(20)):
        quantity = _quantity(feature)
        for item in objects(feature, "properties"):
            value = _value(feature, item)
            if quantity is not None and value is not None and quantity not in seen:
                seen.add(quantity)
                at = moment(item.get("timeOfSample"))
                yield quantity, Sample(value, at if at is not None and at <= latest else None)


def _quantity(feature: Part) -> str | None:
    if feature.get("name") == "temperatureSensor":
        return "temperature_celsius"
    if feature.get("name") != "range":
        return None
    asset, labels = _names(feature)
    if asset is not None:
        return BY_NAME.get(_plain(asset.removeprefix(ASSET)))
    columns = (BY_NAME[_plain(label)] for label, _ in labels if _plain(label) in BY_NAME)
    # An unknown name overrules the table only if it is English: names in other languages are not in BY_NAME.
    is_unknown = any(locale.casefold().startswith("en") for _, locale in labels)
    return next(columns, None if is_unknown else BY_INSTANCE.get(str(feature.get("instance"))))


def _names(feature: Part) -> tuple[str | None, list[tuple[str, str]]]:
    """Return its first asset, and its labels with their locales."""
    configuration, resources = part(feature, "configuration"), part(feature, "resources")
    names = [part(configuration, "friendlyName"), *objects(configuration, "friendlyNames"),
             *objects(resources, "friendlyNames")]
    values = [part(name, "value") for name in names]
    assets = (asset for value in values if (asset := one_line(value.get("assetId"))))
    labels = [(label, one_line(value.get("locale")) or "") for value in values
              if (label := one_line(value.get("text")))]
    return next(assets, None), labels


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _value(feature: Part, item: Part) -> float | None:
    """Return a property's number, temperatures in degrees Celsius; None if it is not reliable."""
    if item.get("type") != "RETRIEVABLE" or item.get("error") is not None:
        return None
    if feature.get("name") == "range":
        return finite_number(part(item, "rangeValue").get("value")) if item.get("name") == "rangeValue" else None
    temperature = part(item, "value") if item.get("name") == "temperature" else {}
    degrees, scale = finite_number(temperature.get("value")), temperature.get("scale")
    if degrees is None or scale not in ("CELSIUS", "FAHRENHEIT"):
        return None
    celsius = finite_number(degrees if scale == "CELSIUS" else (degrees - 32) * 5 / 9)
    return None if celsius is None else round(celsius, 2)
