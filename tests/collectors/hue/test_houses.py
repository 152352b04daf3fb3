"""Property: whatever a bridge mixes into its answer, no device gets what belongs to another.

Each device has a number, which its name, temperature, light level and humidity show.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.collectors.hue.samples import NOW, Entry, readings

PREFIX = "00:17:88:01:02:03:04:05"
MACS = [PREFIX, f"{PREFIX}:a1", f"{PREFIX}:a2", f"{PREFIX[:-2]}06", f"{PREFIX[:-1]}a", "00:15:8d:00:02:aa:bb:cc"]
KINDS = {"Temperature": "0402", "Presence": "0406", "LightLevel": "0400", "Humidity": "0405"}


class Part(NamedTuple):
    """An entry of a device in the answer: of how many minutes ago, and whether in capitals."""

    mac: int
    kind: str
    zigbee: bool
    minutes: int
    capitals: bool


PARTS = st.lists(st.builds(Part, st.integers(0, 11), st.sampled_from(list(KINDS)), st.booleans(), st.integers(0, 200),
                           st.booleans()), max_size=40)


def address(number: int) -> str:
    return MACS[number] if number < len(MACS) else f"{PREFIX[:-2]}{number + 16:02x}:b{number % 10}"


def entry(part: Part, at: int) -> Entry:
    """The values hold the device and the minutes: device 3 of 20 minutes ago shows 3.20 degrees."""
    code = part.mac * 100 + part.minutes % 100
    states: dict[str, dict[str, Any]] = {
        "Temperature": {"temperature": code}, "Presence": {"presence": True}, "LightLevel": {"lightlevel": 10 * code + 1},
        "Humidity": {"humidity": code}}
    unique_id = f"{address(part.mac)}-02-{KINDS[part.kind]}"
    moment = NOW - timedelta(minutes=part.minutes)
    return {"type": f"{'ZHA' if part.zigbee else 'ZLL'}{part.kind}", "name": f"Room {part.mac} {part.kind}",
            "uniqueid": unique_id.upper() if part.capitals else unique_id, "config": {"on": True, "battery": 50},
            "state": {**states[part.kind], "lastupdated": moment.replace(tzinfo=None).isoformat()}, "number": at}


@settings(max_examples=300, deadline=None)
@given(PARTS)
def test_nothing_of_one_device_is_stored_as_anothers(parts: list[Part]) -> None:
    found = {one.device_id: one for one in readings({str(at): entry(part, at) for at, part in enumerate(parts)})}
    youngest: dict[int, int] = {}
    for part in parts:
        if part.kind == "Temperature":
            youngest[part.mac] = min(part.minutes, youngest.get(part.mac, 999))
    assert set(found) == {f"hue:{address(mac)}-02-0402" for mac, minutes in youngest.items() if minutes <= 60}
    for mac in youngest:
        if reading := found.get(f"hue:{address(mac)}-02-0402"):
            assert reading.name is not None and reading.name.startswith(f"Room {mac} ")
            assert reading.temperature_celsius == (mac * 100 + youngest[mac] % 100) / 100
            assert reading.humidity_percent in (None, *((mac * 100 + minutes) / 100 for minutes in range(100)))
            assert reading.light_lux is None or round(10 ** (mac / 10), 2) <= reading.light_lux < 10 ** ((mac + 1) / 10)
