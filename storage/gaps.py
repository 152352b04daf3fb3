"""Gaps: which readings of a device are missing, and why.

A reading is expected at each cycle that ran and, where none ran for longer than the interval, at each time when one
should have; nothing is reported for the time before the record of cycles begins. Where a cycle stored more readings than
are left, some were deleted since: a device counts as silent only if none of the deleted ones can be its own.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

from storage import cycle_history
from storage.cycle_history import ExpectedReading, Window, moment
from storage.reading import Cycle
from storage.readings import seconds
from storage.registry import Device

BY_TIME = attrgetter("at")


class Span(NamedTuple):
    """Successive readings that are missing for the same reason, from the first to the last; `error` is the first's."""

    start: datetime
    end: datetime
    cycles: int
    reason: str
    error: str | None


class Coverage(NamedTuple):
    """One device's readings. Without `since` none are expected; `note` gives the reason, or why it is late."""

    device: Device
    since: datetime | None
    stored: int
    spans: tuple[Span, ...] = ()
    note: str | None = None

    @property
    def missing(self) -> int:
        return sum(span.cycles for span in self.spans)

    @property
    def expected(self) -> int:
        return self.stored + self.missing


class DeviceTimeline(NamedTuple):
    """When one device's readings are stored, were expected, and are missing, in seconds since 1970."""

    device: Device
    stored: Sequence[int]
    note: str | None
    since: int | None = None
    expected: Sequence[ExpectedReading] = ()
    missing: Collection[int] = ()


def report(connection: sqlite3.Connection, devices: Iterable[Device], window: Window,
           waiting: Collection[Cycle] = ()) -> list[Coverage]:
    """Return the coverage of devices with expected or stored readings. `waiting` are the cycles in the spool."""
    cycles, spooled = cycle_history.cycles(connection, window, waiting), cycle_history.spooled(waiting)
    by_collector: dict[str, list[Device]] = {}
    for device in devices:
        by_collector.setdefault(device.collector or "", []).append(device)
    coverages: list[Coverage] = []
    for collector, group in by_collector.items():
        since = cycle_history.complete_since(connection, collector, window, group)
        previous = cycle_history.newest_before(connection, collector, since, waiting)
        analysis = GapAnalysis(collector, window, since, previous, cycles)
        timelines = [analysis.timeline(device, cycle_history.reading_times(connection, device, since, analysis.now))
                     for device in group]
        coverages += _coverages(timelines, spooled)
    return [coverage for coverage in coverages if coverage.since or coverage.stored or coverage.device.is_active]


class GapAnalysis:
    """When one collector's readings were expected: from `since` on. `previous` is the time of its last cycle before."""

    def __init__(self, collector: str, window: Window, since: int, previous: int | None,
                 cycles: Mapping[str, list[ExpectedReading]]) -> None:
        self.now = int(window.now.timestamp())
        self._collector, self._window, self._since = collector, window, since
        self._interval, self._half = window.interval_seconds, window.interval_seconds // 2
        self._others = sorted(cycle.at for name, ran in cycles.items() if name != collector for cycle in ran)
        ran = [cycle for cycle in cycles.get(collector, []) if cycle.at >= since]
        not_run = [ExpectedReading(at, self._why_not_run(at))
                   for at in self._not_run(previous, [cycle.at for cycle in ran]) if at >= since]
        end = (ran[-1].at if ran else 0) if collector in window.stopped else self.now
        self._expected = tuple(sorted((cycle for cycle in ran + not_run if cycle.at <= end), key=BY_TIME))

    def timeline(self, device: Device, stored: Sequence[int]) -> DeviceTimeline:
        first_seen = seconds(device.first_seen)
        if not self._collector or first_seen is None:
            return DeviceTimeline(device, stored, "not seen by any collector yet")
        since, until = max(self._since, first_seen), self.now if device.is_active else seconds(device.last_seen) or 0
        stored = stored[bisect_left(stored, since):]
        if until < since:
            return DeviceTimeline(device, stored, self._note(device, since))
        first = bisect_left(self._expected, since, key=BY_TIME)
        expected = self._expected[first:bisect_right(self._expected, until, key=BY_TIME)]
        return DeviceTimeline(device, stored, self._note(device, first_seen), since, expected,
                              self._missing(expected, stored))

    def _note(self, device: Device, first_seen: int) -> str | None:
        notes = []
        if max(self._window.since.timestamp(), first_seen) < self._since:
            notes.append(f"no cycles are on record before {moment(self._since):%Y-%m-%d %H:%M} UTC")
        if not device.is_active:
            notes.append("inactive")
        if self._collector in self._window.stopped:
            notes.append(f"collectors.{self._collector} is disabled")
        return "; ".join(notes) or None

    def _not_run(self, previous: int | None, ran: list[int]) -> Iterator[int]:
        if previous is None:
            yield from range((ran or [self.now])[0] - self._interval, self._since - 1, -self._interval)
        for earlier, later in pairwise([*([] if previous is None else [previous]), *ran, self.now]):
            # A cycle that is late by more than half an interval counts as the next one.
            count = (later - earlier + self._half) // self._interval - 1
            yield from (earlier + self._interval * number for number in range(1, count + 1))

    def _why_not_run(self, at: int) -> str:
        """Return the reason, which may also be that the run was killed before it recorded anything."""
        others = bisect_right(self._others, at + self._half) - bisect_left(self._others, at - self._half)
        return "collector_not_run" if others else "computer_off"

    def _missing(self, expected: Sequence[ExpectedReading], stored: Sequence[int]) -> set[int]:
        """Return when a reading is missing; one that was moved, or whose cycle is not on record, is not."""
        answered = {cycle.at for cycle in expected if cycle.answered}
        spare = sorted(set(stored) - answered)
        missing = set()
        for at in sorted({cycle.at for cycle in expected} - answered.intersection(stored)):
            if near := spare[bisect_left(spare, at - self._half):bisect_right(spare, at + self._half)]:
                spare.remove(min(near, key=lambda time: abs(time - at)))
            else:
                missing.add(at)
        return missing


def _coverages(timelines: list[DeviceTimeline], spooled: Mapping[str, Collection[int]]) -> Iterator[Coverage]:
    left = Counter(at for timeline in timelines
                   for at in {cycle.at for cycle in timeline.expected}.difference(timeline.missing).union(timeline.stored))
    silent = Counter(at for timeline in timelines for at in timeline.missing)

    def why(cycle: ExpectedReading, device: Device) -> str:
        deleted = cycle.stored - left[cycle.at]
        if cycle.at in spooled.get(device.device_id, ()):
            return "waiting_in_the_spool"
        if deleted <= 0:
            return cycle.reason
        return "deleted_since" if deleted >= silent[cycle.at] else "not_known"

    for timeline in timelines:
        since = None if timeline.since is None else moment(timeline.since)
        yield Coverage(timeline.device, since, len(timeline.stored), tuple(_spans(timeline, why)), timeline.note)


def _spans(timeline: DeviceTimeline, why: Callable[[ExpectedReading, Device], str]) -> Iterator[Span]:
    """Group the missing readings. A cycle's error belongs to the cycle's own reason only."""
    for reason, group in groupby(timeline.expected, lambda cycle: (
            why(cycle, timeline.device) if cycle.at in timeline.missing else None)):
        cycles = list(group)
        if reason is not None:
            error = cycles[0].error if reason == cycles[0].reason else None
            yield Span(moment(cycles[0].at), moment(cycles[-1].at), len(cycles), reason, error)
