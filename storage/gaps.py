"""Gaps: which readings of a device are missing, and why.

A reading is expected at each cycle that ran and, where none ran for longer than the interval, at each time when one
should have; nothing is reported for the time before the record of cycles begins. Where a cycle stored more readings than
are left, some were deleted since: a device counts as silent only if none of the deleted ones can be its own.
"""

import sqlite3
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import compress, groupby
from operator import itemgetter
from typing import NamedTuple

from storage import cycle_history
from storage.cycle_history import ExpectedReadings, Window, moment
from storage.reading import Cycle
from storage.readings import seconds
from storage.registry import Device

BLOCK = 4096  # readings that are compared at a time
# What people read where the reason's own name would claim more than is certain.
TEXTS = {
    "computer_off": "computer off, or the run was killed: no collector left a trace",
    "collector_not_run": "not started, or killed: others left a trace",
    "deleted_since": "deleted since: the cycle had stored it",
    "not_known": "not known: some readings of the cycle were deleted since",
}


class Span(NamedTuple):
    """Successive readings that are missing for the same reason, from the first to the last; `error` is the first's."""

    start: datetime
    end: datetime
    cycles: int
    reason: str
    error: str | None

    def text(self) -> str:
        """Return the reason for people."""
        return TEXTS.get(self.reason) or self.reason.replace("_", " ")

    def explanation(self) -> str:
        return f"{self.text()}: {self.error}" if self.error else self.text()


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
    """One device's readings; `expected` and `missing` are indices of its collector's expected readings.

    `unexpected` are the times of readings stored after the last that was expected.
    """

    device: Device
    stored: int
    note: str | None
    since: int | None = None
    expected: range = range(0)
    missing: Sequence[int] = ()
    unexpected: frozenset[int] = frozenset()


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
        coverages += _coverages(analysis.expected, timelines, spooled)
    return [coverage for coverage in coverages if coverage.since or coverage.stored or coverage.device.is_active]


class GapAnalysis:
    """When one collector's readings were expected: from `since` on. `previous` is the time of its last cycle before."""

    def __init__(self, collector: str, window: Window, since: int, previous: int | None,
                 cycles: Mapping[str, ExpectedReadings]) -> None:
        self.now = int(window.now.timestamp())
        self.expected = ExpectedReadings()
        self._collector, self._window, self._since = collector, window, since
        self._interval, self._half = window.interval_seconds, window.interval_seconds // 2
        self._others = [ran.at for name, ran in cycles.items() if name != collector]
        self._expect(previous, cycles.get(collector, ExpectedReadings()))

    def timeline(self, device: Device, stored: "array[int]") -> DeviceTimeline:
        first_seen = seconds(device.first_seen)
        if not self._collector or first_seen is None:
            return DeviceTimeline(device, len(stored), "not seen by any collector yet")
        since, until = max(self._since, first_seen), self.now if device.is_active else seconds(device.last_seen) or 0
        stored = stored[bisect_left(stored, since):]
        if until < since:
            return DeviceTimeline(device, len(stored), self._note(device, since), unexpected=frozenset(stored))
        expected = range(bisect_left(self.expected.at, since), bisect_right(self.expected.at, until))
        return DeviceTimeline(device, len(stored), self._note(device, first_seen), since, expected,
                              self._missing(expected, stored), frozenset(stored[bisect_right(stored, until):]))

    def _note(self, device: Device, first_seen: int) -> str | None:
        notes = []
        if max(self._window.since.timestamp(), first_seen) < self._since:
            notes.append(f"no cycles are on record before {moment(self._since):%Y-%m-%d %H:%M} UTC")
        if not device.is_active:
            notes.append("inactive")
        if self._collector in self._window.stopped:
            notes.append(f"collectors.{self._collector} is disabled")
        return "; ".join(notes) or None

    def _expect(self, previous: int | None, ran: ExpectedReadings) -> None:
        """Fill `expected` with the cycles that ran and, between them, the times when one should have."""
        first = bisect_left(ran.at, self._since)
        is_stopped = self._collector in self._window.stopped
        if previous is None and (first < len(ran.at) or not is_stopped):
            begin = ran.at[first] if first < len(ran.at) else self.now
            self._expect_not_run(reversed(range(begin - self._interval, self._since - 1, -self._interval)))
        earlier = previous
        for index in range(first, len(ran.at)):
            self._expect_between(earlier, ran.at[index])
            self.expected.append(*ran.row(index))
            earlier = ran.at[index]
        if not is_stopped:
            self._expect_between(earlier, self.now)

    def _expect_between(self, earlier: int | None, later: int) -> None:
        # A cycle that is late by more than half an interval counts as the next one.
        if earlier is not None and (count := (later - earlier + self._half) // self._interval - 1) > 0:
            self._expect_not_run(earlier + self._interval * number for number in range(1, count + 1))

    def _expect_not_run(self, times: Iterable[int]) -> None:
        for at in times:
            if self._since <= at <= self.now:
                self.expected.append(at, self._why_not_run(at))

    def _why_not_run(self, at: int) -> str:
        """Return the reason, which may also be that the run was killed before it recorded anything."""
        has_others = any(bisect_left(times, at - self._half) < bisect_right(times, at + self._half)
                         for times in self._others)
        return "collector_not_run" if has_others else "computer_off"

    def _missing(self, expected: range, stored: "array[int]") -> Sequence[int]:
        """Return which readings are missing; one that was moved, or whose cycle is not on record, is not."""
        spare: list[int] = []
        doubtful: list[int] = []
        for block in (expected[first:first + BLOCK] for first in range(0, len(expected), BLOCK)):
            at, answered = self.expected.at[block.start:block.stop], self.expected.answered[block.start:block.stop]
            first = bisect_left(stored, at[0]) if block.start > expected.start else 0
            last = bisect_left(stored, self.expected.at[block.stop]) if block.stop < expected.stop else len(stored)
            found, due = set(stored[first:last]), set(compress(at, answered))
            spare += sorted(found - due)
            doubtful += (index for index, time in zip(block, at) if time not in due or time not in found)
        missing = array("q")
        for index in doubtful:
            due_at = self.expected.at[index]
            if near := spare[bisect_left(spare, due_at - self._half):bisect_right(spare, due_at + self._half)]:
                spare.remove(min(near, key=lambda time: abs(time - due_at)))
            else:
                missing.append(index)
        return missing


def _coverages(expected: ExpectedReadings, timelines: list[DeviceTimeline],
               spooled: Mapping[str, Collection[int]]) -> Iterator[Coverage]:
    silent = Counter(index for timeline in timelines for index in timeline.missing)
    left = {index: -silent[index] + sum(index in timeline.expected or expected.at[index] in timeline.unexpected
                                        for timeline in timelines) for index in silent}

    def why(index: int, device: Device) -> str:
        deleted = expected.stored[index] - left[index]
        if expected.at[index] in spooled.get(device.device_id, ()):
            return "waiting_in_the_spool"
        if deleted <= 0:
            return expected.reason(index)
        return "deleted_since" if deleted >= silent[index] else "not_known"

    for timeline in timelines:
        since = None if timeline.since is None else moment(timeline.since)
        yield Coverage(timeline.device, since, timeline.stored, tuple(_spans(expected, timeline, why)), timeline.note)


def _spans(expected: ExpectedReadings, timeline: DeviceTimeline, why: Callable[[int, Device], str]) -> Iterator[Span]:
    """Group the missing readings. A cycle's error belongs to the cycle's own reason only."""
    successive = ((index - place, why(index, timeline.device), index) for place, index in enumerate(timeline.missing))
    for (_, reason), group in groupby(successive, itemgetter(0, 1)):
        indices = [index for *_, index in group]
        error = expected.error(indices[0]) if reason == expected.reason(indices[0]) else None
        yield Span(moment(expected.at[indices[0]]), moment(expected.at[indices[-1]]), len(indices), reason, error)
