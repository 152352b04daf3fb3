"""How faults alter the monitors' state: values that are null, old, odd, unnamed or missing.

Each alteration takes the endpoints as they should be and leaves them as the fault would have them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.simulator.alexa_answers import INSTANCES, PREFIX, Entry, configure, feature, identify, sample
from tests.simulator.faults import Fault
from tests.simulator.house import House, Monitor

VALUES = {"TemperatureSensor": "value", "RangeValue": "rangeValue", "Reachability": "reachabilityStatusValue"}


@dataclass(frozen=True)
class _Scene:
    """The endpoints, a fault with its options, and the true state of the house."""

    endpoints: list[Entry]
    fault: Fault
    house: House
    now: datetime
    scale: str

    def chosen(self) -> Iterator[tuple[Monitor, Entry]]:
        """Yield the monitors that the fault is about, all or the one whose serial or room is wanted."""
        wanted = self.fault.options["monitor"]
        for monitor in self.house.monitors:
            if wanted is None or wanted in (monitor.serial, monitor.room):
                endpoint_id = PREFIX + monitor.uuid
                yield from ((monitor, entry) for entry in self.endpoints if entry["endpointId"] == endpoint_id)

    def features(self) -> Iterator[tuple[Monitor, Entry]]:
        """Yield the features wanted by name or instance; without a wish, all that measure."""
        wanted = self.fault.options["features"] or [*INSTANCES, "temperatureSensor"]
        for monitor, endpoint in self.chosen():
            yield from ((monitor, each) for each in endpoint["features"]
                        if each["name"] in wanted or each["instance"] in wanted)

    def properties(self) -> Iterator[Entry]:
        for _, each in self.features():
            yield from each["properties"] or ()

    def freeze(self, seconds: float) -> None:
        """Show the samples as they were when the fault began, or so many seconds ago."""
        then = self.fault.start or self.now - timedelta(seconds=seconds)
        for monitor, each in self.features():
            quantity = INSTANCES.get(each["instance"] or "", each["name"].removesuffix("Sensor"))
            each["properties"] = [sample(self.house, monitor.serial, quantity, then, self.scale)]


def alter_endpoints(endpoints: list[Entry], house: House, now: datetime, scale: str, faults: list[Fault]) -> None:
    """Given the endpoints as they should be, apply the faults in the order of ALTERATIONS."""
    order = list(ALTERATIONS)
    for fault in sorted((fault for fault in faults if fault.kind in order), key=lambda fault: order.index(fault.kind)):
        ALTERATIONS[fault.kind](_Scene(endpoints, fault, house, now, scale))


def _offline(scene: _Scene) -> None:
    """The monitor is unreachable; its values are null and in error, or with `frozen` old and pretending."""
    if scene.fault.options["frozen"]:
        scene.freeze(scene.fault.options["seconds"])
    else:
        for each in scene.properties():
            each.update({"type": "ERROR", VALUES[each["__typename"]]: None})
    for _, endpoint in scene.chosen():
        for each in endpoint["features"]:
            if each["name"] == "connectivity":
                each["properties"][0]["reachabilityStatusValue"] = "UNREACHABLE"


def _old_samples(scene: _Scene) -> None:
    scene.freeze(scene.fault.options["seconds"])


def _value(scene: _Scene) -> None:
    """Put anything in the innermost place: {"rangeValue": {"value": here}}."""
    for each in scene.properties():
        holder = each[VALUES[each["__typename"]]]
        if isinstance(holder, dict):
            holder["value"] = scene.fault.options["value"]


def _value_null(scene: _Scene) -> None:
    for each in scene.properties():
        each[VALUES[each["__typename"]]] = None


def _not_found(scene: _Scene) -> None:
    for each in scene.properties():
        error = {"type": "NOT_FOUND", "message": "The property was not found"}
        each.update({"type": "ERROR", "error": error, VALUES[each["__typename"]]: None})


def _not_retrievable(scene: _Scene) -> None:
    for each in scene.properties():
        each["type"] = "NOT_RETRIEVABLE"


def _properties_null(scene: _Scene) -> None:
    for _, each in scene.features():
        each["properties"] = None


def _uninstanced(scene: _Scene) -> None:
    for _, each in scene.features():
        each["instance"] = None


def _extra_features(scene: _Scene) -> None:
    """Add what no program knows yet: a range beyond the table, features without properties, of no type or twice."""
    for monitor, endpoint in scene.chosen():
        odd: dict[str, Any] = sample(scene.house, monitor.serial, "iaq", scene.now)
        endpoint["features"][:0] = [
            feature("range", "12", [odd]), feature("range", "13", [], configure("Radon", "Radon")),
            feature("aroma", None, None), feature("colorTemperature", "1", [{**odd, "__typename": "Kelvin"}])]


def _renamed(scene: _Scene) -> None:
    for _, endpoint in scene.chosen():
        endpoint["friendlyNameObject"] = {"value": {"text": scene.fault.options["name"]}}


def _vanished(scene: _Scene) -> None:
    """The id answers no more; where it was `replaced`, the same monitor has another."""
    for monitor, endpoint in list(scene.chosen()):
        if scene.fault.options["replaced"]:
            endpoint["endpointId"] = f"{PREFIX}{identify('again', monitor.uuid)}"
        else:
            scene.endpoints.remove(endpoint)


ALTERATIONS: dict[str, Callable[[_Scene], None]] = {
    "old-samples": _old_samples, "value": _value, "not-retrievable": _not_retrievable, "not-found": _not_found,
    "value-null": _value_null, "offline": _offline, "properties-null": _properties_null, "uninstanced": _uninstanced,
    "extra-features": _extra_features, "called": _renamed, "vanished": _vanished,
}
