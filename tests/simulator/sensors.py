"""What a bridge answers to /sensors: three logical sensors per motion sensor, mixed with switches and virtual ones.

Shapes as in recorded answers (initialed85/mqtt_things, home-assistant/core tests/components/hue): ids with gaps, the
order of the three different from box to box, firmware of several ages, the user's name on the presence sensor only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.simulator.house import House, Sensor, chance

Entry = dict[str, Any]
ORDERS = (("presence", "light", "temperature"), ("temperature", "presence", "light"),
          ("light", "temperature", "presence"))


@dataclass(frozen=True)
class _Kind:
    type: str
    name: str
    outdoor_name: str
    config: dict[str, Any]


KINDS = {
    "temperature": _Kind("ZLLTemperature", "Hue temperature sensor", "Hue outdoor temp. sensor", {}),
    "presence": _Kind("ZLLPresence", "Hue motion sensor", "Hue outdoor motion sensor",
                      {"sensitivity": 2, "sensitivitymax": 2}),
    "light": _Kind("ZLLLightLevel", "Hue ambient light sensor", "Hue outdoor ambient light sensor",
                   {"tholddark": 16000, "tholdoffset": 7000}),
}


def show_sensors(house: House, now: datetime) -> dict[str, Entry]:
    numbers = _numbers(house.seed)
    return {str(next(numbers)): entry for entry in _entries(house, now)}


def format_time(moment: datetime) -> str:
    """Format a time as the bridge does: UTC without an offset."""
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def measure(house: House, sensor: Sensor, quantity: str, now: datetime) -> dict[str, Any]:
    """Return the state of a logical sensor as of its last report before `now`."""
    reported = house.last_report(sensor.uniqueid(quantity), now)
    state: dict[str, Any] = {}
    if quantity == "temperature":
        state["temperature"] = round(house.temperature(sensor.room, reported) * 100)
    elif quantity == "presence":
        state["presence"] = house.occupied(sensor.room, reported)
    else:
        level = house.light_level(sensor.room, reported)
        state.update(lightlevel=level, dark=level < 16000, daylight=level >= 23000)
    return {**state, "lastupdated": format_time(reported)}


def _numbers(seed: int) -> Iterator[int]:
    """Yield the bridge's ids: rising, with the gaps that deleted accessories leave."""
    number = 1
    while True:
        yield number
        number += 1 + int(4 * max(0.0, chance(seed, "id", number) - 0.75) * 4)


def _entries(house: House, now: datetime) -> Iterator[Entry]:
    yield _daylight(now)
    for sensor in house.sensors:
        for quantity in ORDERS[sensor.number % len(ORDERS)]:
            yield _logical(house, sensor, quantity, now)
        yield _virtual("CLIPGenericStatus", f"MotionSensor {sensor.number}.Companion", {"status": 0}, now)
        if sensor.number % 8 == 1:
            yield _dimmer(house, sensor, now)
    yield _tap()
    yield from _visitors(now)


def _logical(house: House, sensor: Sensor, quantity: str, now: datetime) -> Entry:
    kind = KINDS[quantity]
    name = f"{kind.outdoor_name if sensor.outdoor else kind.name} {sensor.number}"
    return {
        "state": measure(house, sensor, quantity, now),
        "config": {"on": True, "battery": house.battery(sensor.room, now), "reachable": True, "alert": "none",
                   **kind.config, "ledindication": False, "usertest": False, "pending": []},
        "name": sensor.room if quantity == "presence" else name,
        "type": kind.type,
        **_make(sensor, quantity),
    }


def _make(sensor: Sensor, quantity: str) -> dict[str, Any]:
    """Return maker, firmware and address; the second box has the firmware of 2017, which shows less."""
    kind = KINDS[quantity]
    model = "SML002" if sensor.outdoor else ("SML001", "SML003")[sensor.number % 5 == 0]
    make: dict[str, Any] = {"modelid": model, "manufacturername": "Signify Netherlands B.V.",
                            "productname": kind.outdoor_name if sensor.outdoor else kind.name,
                            "swversion": "6.1.1.27575", "uniqueid": sensor.uniqueid(quantity),
                            "capabilities": {"certified": True, "primary": quantity == "presence"},
                            "swupdate": {"state": "noupdates", "lastinstall": "2025-01-04T13:54:49"}}
    if sensor.number == 2:
        make.update(manufacturername="Philips", swversion="6.1.0.18912")
        del make["productname"], make["capabilities"], make["swupdate"]
    return make


def _daylight(now: datetime) -> Entry:
    return {"state": {"daylight": 7 <= now.hour < 17, "lastupdated": format_time(now.replace(minute=0, second=0))},
            "config": {"on": True, "configured": True, "sunriseoffset": 30, "sunsetoffset": -30}, "name": "Daylight",
            "type": "Daylight", "modelid": "PHDL00", "manufacturername": "Signify Netherlands B.V.", "swversion": "1.0"}


def _dimmer(house: House, sensor: Sensor, now: datetime) -> Entry:
    presses = ("initial_press", "repeat", "short_release", "long_release")
    inputs = [{"repeatintervals": [800],
               "events": [{"buttonevent": 1000 * button + code, "eventtype": press}
                          for code, press in enumerate(presses)]}
              for button in range(1, 5)]
    return {"state": {"buttonevent": 1002, "lastupdated": "2025-01-06T06:31:07"},
            "swupdate": {"state": "noupdates", "lastinstall": "2024-11-14T11:01:30"},
            "config": {"on": True, "battery": house.battery(f"dimmer {sensor.room}", now), "reachable": True,
                       "pending": []},
            "name": f"Dimmer {sensor.room}", "type": "ZLLSwitch", "modelid": "RWL021",
            "manufacturername": "Signify Netherlands B.V.", "productname": "Hue dimmer switch",
            "diversityid": "73bbabea-3420-499a-9856-46bf437e119b", "swversion": "6.1.1.28573",
            "uniqueid": f"{sensor.mac[:15]}f{sensor.mac[16:]}-02-fc00",
            "capabilities": {"certified": True, "primary": True, "inputs": inputs}}


def _tap() -> Entry:
    return {"state": {"buttonevent": 34, "lastupdated": "2024-12-24T17:02:44"},
            "swupdate": {"state": "notupdatable", "lastinstall": None}, "config": {"on": True}, "name": "Hue tap 1",
            "type": "ZGPSwitch", "modelid": "ZGPSWITCH", "manufacturername": "Signify Netherlands B.V.",
            "productname": "Hue tap switch", "diversityid": "d8cde5d5-0eef-4b95-b0f0-71ddd2952af4",
            "uniqueid": "00:00:00:00:00:40:02:f7-f2",
            "capabilities": {"certified": True, "primary": True, "inputs": [
                {"repeatintervals": [], "events": [{"buttonevent": code, "eventtype": "initial_press"}]}
                for code in (34, 16, 17, 18)]}}


def _virtual(kind: str, uniqueid: str, state: dict[str, Any], now: datetime) -> Entry:
    return {"state": {**state, "lastupdated": format_time(now.replace(minute=0, second=0))},
            "config": {"on": True, "reachable": True}, "name": uniqueid, "type": kind, "modelid": "PHA_SENSOR",
            "manufacturername": "Philips", "swversion": "1.0", "uniqueid": uniqueid, "recycle": True}


def _visitors(now: datetime) -> Iterator[Entry]:
    """Yield what other programs left behind: addresses that are none, twice the same one, a made-up temperature."""
    yield {**_virtual("Geofence", "L_02_VXDZx", {"presence": True}, now), "modelid": "HA_GEOFENCE"}
    yield _virtual("CLIPPresence", "WA0001", {"presence": False}, now)
    yield _virtual("CLIPPresence", "WA0001", {"presence": False}, now)
    yield _virtual("CLIPTemperature", "Boiler", {"temperature": 6150}, now)
