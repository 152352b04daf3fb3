"""Readings made of what a Home Assistant recorded: its entities grouped by device, units converted.

Its files in .storage: https://github.com/home-assistant/core, homeassistant/helpers/*_registry.py, 2026-12.
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from runtime.errors import Unusable
from runtime.formats import finite_number, format_time, one_line, pluralize
from storage import home_assistant
from storage.manager import Connection
from storage.past import COLUMNS
from storage.quantities import BY_COLUMN, QUANTITIES
from storage.reading import Row

Items = dict[str, dict[str, object]]

STATE, MEAN = "homeassistant_import", "homeassistant_statistics"  # device types
A_DAY = 86_400  # seconds: what is later than tomorrow is an error
TEMPERATURE = {"°C": (1.0, 0.0), "°F": (5 / 9, 32.0), "K": (1.0, 273.15)}
# "µ" is the micro sign until Home Assistant 2025.7, then the Greek letter: core#144853, 2025-05.
UNITS = {quantity.device_class: {unicodedata.normalize("NFKC", quantity.unit): (1.0, 0.0)} for quantity in QUANTITIES}
UNITS |= {"temperature": TEMPERATURE, "volatile_organic_compounds_parts": {"ppb": (1.0, 0.0), "ppm": (1000.0, 0.0)}}
BY_CLASS = {quantity.device_class: quantity.column for quantity in QUANTITIES if quantity.device_class}


class Place(NamedTuple):
    """The device that an entity belongs to."""

    device_id: str
    name: str | None
    location: str | None


class Measure(NamedTuple):
    """How a number becomes the value of a column: (number - zero) * factor."""

    column: str
    factor: float
    zero: float

    def value(self, number: float) -> float | int:
        if self.column == "battery_level":
            return round(number)
        return number if (self.factor, self.zero) == (1.0, 0.0) else round((number - self.zero) * self.factor, 4)


class Value(NamedTuple):
    second: int
    entity: str
    column: str
    value: float | int


class Registries:
    """The registries in a folder `.storage`; without one, each entity is a device."""

    def __init__(self, folder: Path | None) -> None:
        self._entities = _items(folder, "entity", "entities", "entity_id")
        self._devices, self._areas = _items(folder, "device", "devices", "id"), _items(folder, "area", "areas", "id")
        self._alone = {name for group in self._rivals() for name in group[1:]}

    def place(self, entity_id: str) -> Place:
        entity = self._entities.get(entity_id, {})
        device_id = one_line(entity.get("device_id"))
        device = self._devices.get(device_id or "", {})
        area = self._areas.get(_text(entity, "area_id") or _text(device, "area_id") or "", {})
        own_name = _text(entity, "name", "original_name") or entity_id.partition(".")[2].replace("_", " ")
        is_alone = device_id is None or entity_id in self._alone
        name = own_name if is_alone else _text(device, "name_by_user", "name") or own_name
        return Place(f"homeassistant:{entity_id if is_alone else device_id}", name, _text(area, "name") or name)

    def device_class(self, entity_id: str) -> str | None:
        return _text(self._entities.get(entity_id, {}), "device_class", "original_device_class")

    def _rivals(self) -> Iterator[list[str]]:
        """Yield the entities of a device that measure the same, the main one first: a row has room for one."""
        groups: dict[tuple[object, str], list[str]] = {}
        for name, entity in self._entities.items():
            column = BY_CLASS.get(self.device_class(name) or "")
            if column and name.startswith("sensor.") and entity.get("device_id"):
                groups.setdefault((entity["device_id"], column), []).append(name)
        for group in groups.values():
            yield sorted(group, key=lambda name: (self._entities[name].get("entity_category") is not None, name))


class Recording:
    """Rows of a recorder; `skipped` is filled while they are read."""

    def __init__(self, connection: Connection, registries: Registries, places: Mapping[str, Place], now: datetime) -> None:
        self._connection, self._registries, self._created = connection, registries, format_time(now)
        self._latest = now.timestamp() + A_DAY
        self._places, self._classes = dict(places), dict[str, str | None]()
        self._measures = dict(_measures(home_assistant.attributes(connection)))
        self.skipped, self._others = Counter[str](), set[str]()

    def rows(self) -> Iterator[Row]:
        """Yield a row per device and second, at first of states, then of hourly means."""
        self.skipped.clear()
        yield from self._grouped(self._states(), STATE)
        yield from self._grouped(self._means(), MEAN)
        if others := self._others - self._classes.keys():
            self.skipped["other sensor"] = len(others)

    def _states(self) -> Iterator[Value]:
        for at, _, entity, state, attributes_id in home_assistant.states(self._connection):
            measure = self._measures.get(attributes_id or 0)
            if isinstance(measure, Measure):
                self._classes[entity] = BY_COLUMN[measure.column].device_class
                yield from self._value(at, entity, measure, state)
            elif measure:
                self.skipped[f"state in {measure}"] += 1
            else:
                self._others.add(entity)

    def _means(self) -> Iterator[Value]:
        for at, _, entity, mean, unit in home_assistant.means(self._connection):
            device_class = self._classes.get(entity) or self._registries.device_class(entity)
            measure = _measure(device_class or ("temperature" if unit in TEMPERATURE else None), unit)
            if measure:
                self._classes[entity] = BY_COLUMN[measure.column].device_class
                yield from self._value(at, entity, measure, mean)
            else:
                self._others.add(entity)

    def _value(self, at: float, entity: str, measure: Measure, state: object) -> Iterator[Value]:
        number = _number(state)
        if number is None or not 0 < at < self._latest:
            self.skipped["state without a number"] += 1
        else:
            yield Value(int(at), entity, measure.column, measure.value(number))

    def _grouped(self, values: Iterable[Value], device_type: str) -> Iterator[Row]:
        for second, group in groupby(values, attrgetter("second")):
            rows: dict[str, Row] = {}
            for value in group:
                if value.entity not in self._places:
                    self._places[value.entity] = self._registries.place(value.entity)
                place = self._places[value.entity]
                if place.device_id not in rows:
                    rows[place.device_id] = self._row(place, second, device_type)
                rows[place.device_id][value.column] = value.value
            yield from rows.values()

    def _row(self, place: Place, second: int, device_type: str) -> Row:
        timestamp = format_time(datetime.fromtimestamp(second, timezone.utc))
        return dict.fromkeys(COLUMNS) | place._asdict() | {
            "timestamp": timestamp, "device_type": device_type, "is_anomalous": 0, "created_at": self._created}


def skipped_text(skipped: Mapping[str, int]) -> str:
    """Return `Not imported: 2 states without a number, 1 other sensor.`, empty if everything was."""
    texts = (pluralize(count, noun, noun.replace("state", "states", 1).replace("sensor", "sensors"))
             for noun, count in skipped.items())
    return f"Not imported: {', '.join(texts)}." if skipped else ""


def _items(folder: Path | None, kind: str, key: str, name: str) -> Items:
    """Home Assistant makes the registries of devices and areas when it has some (2025.4, run 2026-12-01)."""
    if folder is None or kind != "entity" and not (folder / f"core.{kind}_registry").exists():
        return {}
    path = folder / f"core.{kind}_registry"
    try:
        items = json.loads(path.read_bytes())["data"][key]
        return {item[name]: item for item in items}
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}", "name the folder .storage with --registry") from error
    except (ValueError, LookupError, TypeError):
        raise Unusable(f"{path} is not a registry of Home Assistant",
                       "copy it again while Home Assistant is stopped") from None


def _measures(attributes: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Measure | str]]:
    """Yield what the states with these attributes mean, or the unit if it is a strange one."""
    for attributes_id, text in attributes:
        try:
            shared = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(shared, dict) and (device_class := _text(shared, "device_class")) in BY_CLASS:
            unit = _text(shared, "unit_of_measurement")
            yield attributes_id, _measure(device_class, unit) or unit or "no unit"


def _measure(device_class: str | None, unit: str | None) -> Measure | None:
    scale = UNITS.get(device_class, {}).get(unicodedata.normalize("NFKC", unit or ""))
    return Measure(BY_CLASS[device_class], *scale) if device_class in BY_CLASS and scale else None


def _number(state: object) -> float | None:
    try:
        return finite_number(float(state) if isinstance(state, str) else state)
    except ValueError:
        return None


def _text(item: Mapping[str, object], *names: str) -> str | None:
    return next((text for name in names if (text := one_line(item.get(name)))), None)
