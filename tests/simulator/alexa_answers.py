"""The cloud's answers about a house: its air monitors with their features, a monitor of another make, the rooms.

Shapes as requested by chemelli74/aioamazondevices and recorded in m0nkmaster/alexa-mcp (2026), with the product's name
`endpointId` for an endpoint's id. The monitor has no carbon dioxide sensor; its volatile organic compounds are an
index.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.simulator.house import House, Monitor, chance

Entry = dict[str, Any]
PREFIX = "amzn1.alexa.endpoint."
INSTANCES: Mapping[str, str] = {"4": "humidity", "5": "voc", "6": "pm25", "7": "pm10", "8": "co", "9": "iaq"}
LABELS: Mapping[str, str | None] = {
    "4": "Indoor humidity", "5": "Volatile organic compounds", "6": "Particulate matter", "7": None,
    "8": "Carbon monoxide", "9": "Indoor air quality",
}
ASSETS: Mapping[str, str | None] = {
    "4": "Humidity", "5": "VolatileOrganicCompounds", "6": "ParticulateMatter", "7": None, "8": "CarbonMonoxide",
    "9": "IndoorAirQuality",
}


def show_endpoints(house: House, now: datetime, scale: str) -> list[Entry]:
    """Given the moment and CELSIUS or FAHRENHEIT, return all air quality monitors of the account."""
    return [*(_monitor(house, monitor, now, scale) for monitor in house.monitors), _stranger(house)]


def show_echoes(house: House, now: datetime) -> list[Entry]:
    """Return the account's Echo devices: one with a thermometer, one without."""
    hall, bath = (f"G090{number}{house.seed:011d}" for number in (1, 2))
    reported = house.last_report(f"{hall} temperature", now)
    value = round(house.temperature(house.rooms[0], reported), 1)
    health = feature("connectivity", None,
                     [_property("Reachability", "reachability", reported, reachabilityStatusValue="OK")])
    thermometer = feature("temperatureSensor", None, [
        _property("TemperatureSensor", "temperature", reported, value={"value": value, "scale": "CELSIUS"})])
    return [_endpoint(f"{identify('echo', serial)}", name, features, {
        "manufacturer": _text("Amazon"), "model": _text("Echo (4. Gen)"), "serialNumber": _text(serial)})
        for serial, name, features in ((hall, "Hall Echo", [thermometer, health]), (bath, "Bath Echo", [health]))]


def show_groups(house: House) -> list[Entry]:
    rooms = dict.fromkeys([*house.rooms, *(monitor.room for monitor in house.monitors)])
    return [{"id": f"amzn1.alexa.endpointGroup.{identify('group', house.seed, room)}",
             "friendlyName": _text(room),
             "memberDevices": {"items": [{"id": endpoint_id(monitor)}
                                         for monitor in house.monitors if monitor.room == room]}} for room in rooms]


def endpoint_id(monitor: Monitor) -> str:
    return PREFIX + monitor.uuid


def identify(*origin: object) -> UUID:
    return UUID("".join(f"{int(chance(part, *origin) * 2**32):08x}" for part in range(4)), version=4)


def format_time(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def sample(house: House, serial: str, quantity: str, now: datetime, scale: str = "CELSIUS") -> Entry:
    """Return the property that holds the monitor's last sample of a quantity at or before `now`."""
    when = house.last_sample(serial, quantity, now)
    value = house.air_truth(serial, quantity, when)
    if quantity != "temperature":
        return _property("RangeValue", "rangeValue", when, rangeValue={"value": value})
    degrees = value if scale == "CELSIUS" else round(value * 9 / 5 + 32, 2)
    return _property("TemperatureSensor", "temperature", when, value={"value": degrees, "scale": scale})


def feature(name: str, instance: str | None, properties: list[Entry] | None, configuration: Entry | None = None
            ) -> Entry:
    """Return one feature of an endpoint; properties may be null."""
    return {"name": name, "instance": instance, "properties": properties, "configuration": configuration}


def configure(text: str | None, asset: str | None) -> Entry:
    """Return a range's English name and asset id, each of which may be missing."""
    return {"__typename": "RangeConfiguration",
            "friendlyName": {"value": {"text": text, "assetId": asset and f"Alexa.AirQuality.{asset}"}}}


def _monitor(house: House, monitor: Monitor, now: datetime, scale: str) -> Entry:
    name = "Air quality monitor" + (f" {monitor.number}" if monitor.number > 1 else "")
    serial, reported = monitor.serial, house.last_report(f"{monitor.serial} health", now)
    ranges = [feature("range", instance, [sample(house, serial, quantity, now)],
                      configure(LABELS[instance], ASSETS[instance]))
              for instance, quantity in INSTANCES.items()]
    features = [
        feature("toggle", "11", [_property("UnknownFeatureProperty", "toggleState", reported)]), *ranges,
        feature("temperatureSensor", None, [sample(house, serial, "temperature", now, scale)]),
        feature("connectivity", None,
                [_property("Reachability", "reachability", reported, reachabilityStatusValue="OK")])]
    made = {"manufacturer": _text("Amazon"), "model": _text("Amazon Smart Air Quality Monitor"),
            "serialNumber": _text(serial)}
    return _endpoint(monitor.uuid, name, features, made)


def _stranger(house: House) -> Entry:
    """Return a monitor of another make, which has no serial number and no values."""
    made = {"manufacturer": _text("Airthings"), "model": _text("Wave Plus"), "serialNumber": None}
    features = [feature("temperatureSensor", None, None), feature("connectivity", None, None)]
    return _endpoint(f"{identify('stranger', house.seed)}", "Wave Plus", features, made)


def _endpoint(uuid: str, name: str, features: list[Entry], made: Entry) -> Entry:
    return {"endpointId": PREFIX + uuid, "friendlyNameObject": _text(name), **made, "features": features}


def _property(typename: str, name: str, sampled: datetime, **content: Any) -> Entry:
    return {"__typename": typename, "name": name, "type": "RETRIEVABLE", "accuracy": "HIGH", "error": None,
            "timeOfSample": format_time(sampled), "timeOfLastChange": format_time(sampled), **content}


def _text(text: str) -> Entry:
    return {"value": {"text": text}}
