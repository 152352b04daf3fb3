"""How faults alter what the bridge shows of its sensors: values that are missing, old, odd or somebody else's.

Each alteration takes the answer as it should be and leaves it as the fault would have it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.simulator.faults import Fault
from tests.simulator.house import House
from tests.simulator.sensors import KINDS, Entry, format_time, measure

QUANTITIES = {kind.type: quantity for quantity, kind in KINDS.items()}


@dataclass(frozen=True)
class _Scene:
    """The answer, the ids of the entries a fault is about, its options, and what is needed to know better."""

    answer: dict[str, Entry]
    ids: list[str]
    fault: Fault
    house: House
    now: datetime

    def entries(self, quantity: str | None = None) -> list[Entry]:
        """Return the chosen entries, or those of temperature, presence or light only."""
        chosen = (self.answer[number] for number in self.ids)
        return [entry for entry in chosen if quantity is None or entry["type"] == KINDS[quantity].type]

    def option(self, name: str) -> Any:
        """Return what the fault was told, or its default."""
        return self.fault.options[name]


def alter(answer: dict[str, Entry], house: House, now: datetime, faults: list[Fault]) -> dict[str, Entry]:
    """Given the answer to /sensors as it should be, apply the faults in the order of ALTERATIONS."""
    order = list(ALTERATIONS)
    altering = sorted((fault for fault in faults if fault.kind in order), key=lambda fault: order.index(fault.kind))
    for fault in altering:
        ids = _choose(answer, house, fault.options["sensor"]) if "sensor" in fault.options else list(answer)
        ALTERATIONS[fault.kind](_Scene(answer, ids, fault, house, now))
    return dict(sorted(answer.items(), key=lambda item: int(item[0])))


def _choose(answer: dict[str, Entry], house: House, wanted: str | None) -> list[str]:
    """Return the ids of all motion sensors' entries, or of the one whose room or MAC is wanted."""
    macs = {sensor.mac for sensor in house.sensors
            if wanted is None or sensor.room == wanted or wanted.startswith(sensor.mac)}
    return [number for number, entry in answer.items()
            if entry["type"] in QUANTITIES and entry.get("uniqueid", "")[:23] in macs]


def _forget(entry: Entry) -> None:
    """Make the state what it is before the first report: all null, and "none" for its time."""
    entry["state"] = {name: "none" if name == "lastupdated" else None for name in entry["state"]}


def _shift(entry: Entry, offset: timedelta) -> None:
    shown = entry["state"]["lastupdated"]
    if shown != "none":
        entry["state"]["lastupdated"] = format_time(datetime.fromisoformat(shown) + offset)


def _restarted(scene: _Scene) -> None:
    for entry in scene.entries():
        _forget(entry)


def _off(scene: _Scene) -> None:
    for entry in scene.entries():
        entry["config"]["on"] = False
        if not scene.option("frozen"):
            _forget(entry)


def _unreachable(scene: _Scene) -> None:
    for entry in scene.entries():
        entry["config"]["reachable"] = False


def _stale(scene: _Scene) -> None:
    """Freeze state and time at the last report before the fault began; `reachable` goes on saying true."""
    frozen = scene.fault.start or scene.now - timedelta(seconds=scene.option("seconds"))
    for entry in scene.entries():
        sensor = scene.house.sensor(entry["uniqueid"])
        entry["state"] = measure(scene.house, sensor, QUANTITIES[entry["type"]], frozen)


def _battery_null(scene: _Scene) -> None:
    for entry in scene.entries():
        entry["config"]["battery"] = None


def _uniqueid_missing(scene: _Scene) -> None:
    for entry in scene.entries():
        del entry["uniqueid"]


def _move_clock(scene: _Scene) -> None:
    for entry in scene.entries():
        _shift(entry, timedelta(seconds=scene.option("seconds")))


def _milliseconds(scene: _Scene) -> None:
    for entry in scene.entries():
        if entry["state"]["lastupdated"] != "none":
            entry["state"]["lastupdated"] += ".123Z"


def _state(scene: _Scene) -> None:
    for entry in scene.entries("temperature"):
        entry["state"].update(scene.option("state"))


def _repaired(scene: _Scene) -> None:
    """Give the entries new ids; where the old ones linger, they say what they last knew, three days ago."""
    newest = max(int(number) for number in scene.answer)
    for offset, number in enumerate(scene.ids, 1):
        entry = scene.answer.pop(number)
        scene.answer[str(newest + offset)] = entry
        if scene.option("lingering"):
            sensor, quantity = scene.house.sensor(entry["uniqueid"]), QUANTITIES[entry["type"]]
            state = measure(scene.house, sensor, quantity, scene.now - timedelta(days=3))
            scene.answer[number] = {**entry, "state": state, "config": {**entry["config"], "reachable": False}}


def _presence_deleted(scene: _Scene) -> None:
    for number in scene.ids:
        if scene.answer[number]["type"] == KINDS["presence"].type:
            del scene.answer[number]


def _renamed(scene: _Scene) -> None:
    for entry in scene.entries("temperature"):
        entry["name"] = scene.option("name")


def _gone(scene: _Scene) -> None:
    for number in scene.ids:
        del scene.answer[number]


ALTERATIONS: dict[str, Callable[[_Scene], None]] = {
    "stale": _stale, "re-paired": _repaired, "presence-deleted": _presence_deleted, "gone": _gone, "off": _off,
    "restarted": _restarted, "unreachable": _unreachable, "battery-null": _battery_null, "clock": _move_clock,
    "future": _move_clock, "milliseconds": _milliseconds, "state": _state, "renamed": _renamed,
    "uniqueid-missing": _uniqueid_missing,
}
