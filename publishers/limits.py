"""Limits: a quantity that stays below or above a threshold raises an alert, `ALERT_LIMIT_<NAME>.txt`.

Stored readings are judged, anomalous ones included. While readings are missing, nothing is raised and nothing cleared.
"""

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import jobs.publish
from publishers import NoSecrets as Secrets
from publishers import PublisherSettings, Run
from runtime.errors import HomeMonitorError
from runtime.formats import pluralize
from runtime.plugins import Section
from storage import statistics
from storage.changes import Changes
from storage.quantities import BY_COLUMN
from storage.state import State

if TYPE_CHECKING:
    from storage.overview import Home
    from storage.registry import Device

SECOND = timedelta(seconds=1)
ENOUGH = 0.75  # of the readings of a mean
JITTER_SECONDS = 30  # by which cron may start a cycle late
Values = list[tuple[int, float]]


@dataclass(frozen=True)
class Limit(Section):
    """`clear` is the value that ends the alert, by default the threshold; `excluded` are ids, names or places of devices."""

    name: str
    quantity: str = field(metadata={"choices": tuple(BY_COLUMN)})
    below: float | None = None
    above: float | None = None
    clear: float | None = None
    for_minutes: float = field(default=0, metadata={"range": (0, 10_080)})
    mean_hours: float | None = field(default=None, metadata={"range": (1, 720)})
    excluded: tuple[str, ...] = field(default=(), metadata={"key": "except"})

    def problems(self) -> Iterator[tuple[str, str]]:
        if not re.fullmatch("[a-z0-9_]{1,40}", self.name):
            yield "name", "may have small letters, digits and _ only, as it is part of a file's name"
        if (self.below is None) == (self.above is None):
            yield "below", "give either below or above"
        elif self.is_beyond(self.end):
            yield "clear", f"{self.end:g} is beyond the threshold {self.threshold:g}: the alert would end while it lasts"
        if self.for_minutes and self.mean_hours:
            yield "for_minutes", "give either for_minutes or mean_hours"

    @property
    def threshold(self) -> float:
        return (self.above or 0.0) if self.below is None else self.below

    @property
    def end(self) -> float:
        return self.threshold if self.clear is None else self.clear

    def describe(self) -> str:
        """Return the limit as words: `temperature below 5 °C for 15 minutes`."""
        quantity = BY_COLUMN[self.quantity]
        span = f" for {self.for_minutes:g} minutes" if self.for_minutes else ""
        span = f" in the mean of {self.mean_hours:g} hours" if self.mean_hours else span
        side = "above" if self.below is None else "below"
        return f"{quantity.name} {side} {self.threshold:g} {quantity.unit}".rstrip() + span

    def applies_to(self, device: "Device") -> bool:
        return not self.excludes(device.device_id, device.device_name, device.location)

    def excludes(self, *names: str | None) -> bool:
        return any(name in self.excluded for name in names)

    def is_beyond(self, value: float) -> bool:
        return value > self.threshold if self.below is None else value < self.threshold

    def is_over(self, value: float) -> bool:
        return value <= self.end if self.below is None else value >= self.end


@dataclass(frozen=True)
class Settings(PublisherSettings):
    """Its section of config.yaml."""

    enabled: bool = False
    limits: tuple[Limit, ...] = ()

    def problems(self) -> Iterator[tuple[str, str]]:
        names = [limit.name for limit in self.limits]
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            yield "limits", f"two limits have the name {duplicates[0]}"


class Verdict(NamedTuple):
    """A limit as judged for a device: by this value, None if readings are missing."""

    device_id: str
    place: str
    value: float | None = None
    raises: bool = False
    clears: bool = False

    def text(self, unit: str) -> str:
        return f"{self.place} ({'no reading now' if self.value is None else f'{self.value:.3g} {unit}'.rstrip()})"


def publish(settings: Settings, secrets: Secrets, changes: Changes, state: State, run: Run) -> str:
    """Judge all limits; keep the devices beyond each of them, with their places, in `state["active"]`."""
    present, before = changes.present(run.now), _remembered(state)
    alerts = {alert["name"] for alert in present.alerts}
    after: dict[str, dict[str, str]] = {}
    unjudged = []
    with changes.reading() as connection:
        read = partial(statistics.values, connection)
        for limit in settings.limits:
            verdicts = [_judge(limit, item.device, read, changes.home, run.now) for item in present.devices
                        if limit.applies_to(item.device)]
            # The state may be lost: then an alert that stands is that of all devices that are not clear of it.
            lost = {verdict.device_id: verdict.place for verdict in verdicts} if _file(limit.name) in alerts else {}
            active = _active(limit, verdicts, before.get(limit.name, lost))
            run.alert(f"limit_{limit.name}", f"the limit {limit.name}", _error(limit, active) if active else None)
            after[limit.name] = {verdict.device_id: verdict.place for verdict in active}
            if all(verdict.value is None for verdict in verdicts):
                unjudged.append(limit.name)
    for name in before.keys() - after.keys():
        run.alert(f"limit_{name}", f"the limit {name}", None)
    state["active"] = after
    return _summary(after, unjudged)


def probe(settings: Settings, secrets: Secrets, state: State, run: Run) -> str:
    return f"{pluralize(len(settings.limits), 'limit')} configured"


def _remembered(state: State) -> dict[str, dict[str, str]]:
    kept = state.get("active")
    kept = kept if isinstance(kept, dict) else {}
    return {name: devices for name, devices in kept.items() if isinstance(devices, dict)}


def _file(name: str) -> str:
    return f"ALERT_LIMIT_{name.upper()}.txt"


def _judge(limit: Limit, device: "Device", read: Callable[..., Values], home: "Home", now: datetime) -> Verdict:
    verdict = Verdict(device.device_id, device.location or device.device_name or device.device_id)
    gap = home.stale_after
    span = timedelta(hours=limit.mean_hours) if limit.mean_hours else timedelta(minutes=limit.for_minutes) + 2 * gap
    values = read(device.device_id, limit.quantity, now - span + SECOND, now + SECOND)  # from then on, up to before
    if limit.mean_hours:
        if not values or len(values) < ENOUGH * (span.total_seconds() // home.interval_seconds):
            return verdict
        value = math.fsum(value for _, value in values) / len(values)
        return verdict._replace(value=value, raises=limit.is_beyond(value), clears=limit.is_over(value))
    if not values or now.timestamp() - values[-1][0] > gap.total_seconds():
        return verdict
    value = values[-1][1]
    lasts = _seconds_beyond(limit, values, gap.total_seconds()) >= limit.for_minutes * 60 - JITTER_SECONDS
    return verdict._replace(value=value, raises=limit.is_beyond(value) and lasts, clears=limit.is_over(value))


def _seconds_beyond(limit: Limit, values: Values, gap: float) -> float:
    """Return how long the last values have been beyond the threshold, without a longer gap between them."""
    newest = begin = values[-1][0]
    for at, value in reversed(values):
        if not limit.is_beyond(value) or begin - at > gap:
            break
        begin = at
    return newest - begin


def _active(limit: Limit, verdicts: list[Verdict], before: dict[str, str]) -> list[Verdict]:
    """Return the verdicts of the devices for which there is an alert; a device that has fallen silent keeps it."""
    judged = {verdict.device_id for verdict in verdicts}
    silent = [Verdict(device_id, place) for device_id, place in before.items()
              if device_id not in judged and not limit.excludes(device_id, place)]
    return silent + [verdict for verdict in verdicts
                     if verdict.raises or verdict.device_id in before and not verdict.clears]


def _error(limit: Limit, active: list[Verdict]) -> HomeMonitorError:
    unit = BY_COLUMN[limit.quantity].unit
    places = ", ".join(verdict.text(unit) for verdict in active)
    side = "or less" if limit.below is None else "or more"
    return HomeMonitorError(f"{limit.name}: {limit.describe()}: {places}",
                            f"see what is wrong there; the alert ends at {f'{limit.end:g} {unit}'.rstrip()} {side}")


def _summary(active: dict[str, dict[str, str]], unjudged: list[str]) -> str:
    parts = [f"{name}: {', '.join(places.values())}" for name, places in active.items() if places]
    parts += [f"readings are missing for {', '.join(unjudged)}"] if unjudged else []
    return "; ".join([f"judged {pluralize(len(active), 'limit')}", *parts])


if __name__ == "__main__":
    jobs.publish.main(sys.modules[__name__])
