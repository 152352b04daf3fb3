"""Faults in the bridge's content: sensor values that are missing, old, odd or of another sensor.

Each alteration changes the correct answer in place.
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
class _Context:
    """The answer, the ids of the entries to alter, the fault, and the true house."""

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
        return self.fault.options[name]


def alter(answer: dict[str, Entry], house: House, now: datetime, faults: list[Fault]) -> dict[str, Entry]:
    """Apply faults to the answer to /sensors, in the order of ALTERATIONS."""
    order = list(ALTERATIONS)
    altering = sorted((fault for fault in faults if fault.kind in order), key=lambda fault: order.index(fault.kind))
    for fault in altering:
        ids = _choose(answer, house, fault.options["sensor"]) if "sensor" in fault.options else list(answer)
        ALTERATIONS[fault.kind](_Context(answer, ids, fault, house, now))
    return dict(sorted(answer.items(), key=lambda item: int(item[0])))


def _choose(answer: dict[str, Entry], house: House, wanted: str | None) -> list[str]:
    """Return the ids of all motion sensors' entries, or of the one in a room or with a MAC."""
    macs = {sensor.mac for sensor in house.sensors
            if wanted is None or sensor.room == wanted or wanted.startswith(sensor.mac)}
    return [number for number, entry in answer.items()
            if entry["type"] in QUANTITIES and entry.get("uniqueid", "")[:23] in macs]


def _forget(entry: Entry) -> None:
    """Reset the state to that before the first report: all null, and "none" for the time."""
    entry["state"] = {name: "none" if name == "lastupdated" else None for name in entry["state"]}


def _shift(entry: Entry, offset: timedelta) -> None:
    shown = entry["state"]["lastupdated"]
    if shown != "none":
        entry["state"]["lastupdated"] = format_time(datetime.fromisoformat(shown) + offset)


def _for_each_entry(alter_entry: Callable[[Entry], object]) -> Callable[[_Context], None]:
    def alteration(context: _Context) -> None:
        for entry in context.entries():
            alter_entry(entry)
    return alteration


def _add_milliseconds(entry: Entry) -> None:
    if entry["state"]["lastupdated"] != "none":
        entry["state"]["lastupdated"] += ".123Z"


def _off(context: _Context) -> None:
    for entry in context.entries():
        entry["config"]["on"] = False
        if not context.option("frozen"):
            _forget(entry)


def _stale(context: _Context) -> None:
    """Freeze state and time at the last report before the fault; `reachable` stays true."""
    frozen = context.fault.start or context.now - timedelta(seconds=context.option("seconds"))
    for entry in context.entries():
        sensor = context.house.sensor(entry["uniqueid"])
        entry["state"] = measure(context.house, sensor, QUANTITIES[entry["type"]], frozen)


def _move_clock(context: _Context) -> None:
    for entry in context.entries():
        _shift(entry, timedelta(seconds=context.option("seconds")))


def _state(context: _Context) -> None:
    for entry in context.entries(context.option("quantity")):
        entry["state"].update(context.option("state"))


def _repaired(context: _Context) -> None:
    """Give the entries new ids; lingering old ones show their last state, of three days ago."""
    newest = max(int(number) for number in context.answer)
    for offset, number in enumerate(context.ids, 1):
        entry = context.answer.pop(number)
        context.answer[str(newest + offset)] = entry
        if context.option("lingering"):
            sensor, quantity = context.house.sensor(entry["uniqueid"]), QUANTITIES[entry["type"]]
            state = measure(context.house, sensor, quantity, context.now - timedelta(days=3))
            context.answer[number] = {**entry, "state": state, "config": {**entry["config"], "reachable": False}}


def _presence_deleted(context: _Context) -> None:
    for number in context.ids:
        if context.answer[number]["type"] == KINDS["presence"].type:
            del context.answer[number]


def _renamed(context: _Context) -> None:
    for entry in context.entries("temperature"):
        entry["name"] = context.option("name")


def _gone(context: _Context) -> None:
    for number in context.ids:
        del context.answer[number]


def _add_entries(context: _Context) -> None:
    for number, entry in enumerate(context.option("entries"), max(map(int, context.answer)) + 1):
        context.answer[str(number)] = entry


ALTERATIONS: dict[str, Callable[[_Context], None]] = {
    "stale": _stale,
    "re-paired": _repaired,
    "presence-deleted": _presence_deleted,
    "gone": _gone,
    "off": _off,
    "restarted": _for_each_entry(_forget),
    "unreachable": _for_each_entry(lambda entry: entry["config"].update(reachable=False)),
    "battery-null": _for_each_entry(lambda entry: entry["config"].update(battery=None)),
    "clock": _move_clock,
    "future": _move_clock,
    "milliseconds": _for_each_entry(_add_milliseconds),
    "state": _state,
    "renamed": _renamed,
    "entries": _add_entries,
    "uniqueid-missing": _for_each_entry(lambda entry: entry.pop("uniqueid")),
}
