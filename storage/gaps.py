"""What is missing: for each device the readings there should be, those there are, and why the others are not.

A reading is due at each cycle that ran and, where none ran for longer than the interval, at each moment at which one
should have. So nothing depends on when exactly cron starts a cycle, and summer time is of no concern: all times are
UTC. The record of cycles does not reach back for ever; of the time before it nothing is said.

A cycle's row tells how many readings it stored. Where fewer are left, some were deleted since: a device without one had
none only if no other device can have lost one then.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise

from storage import cycle_history
from storage.cycle_history import Due, Window, moment
from storage.reading import Cycle
from storage.readings import seconds
from storage.registry import Device

NOTHING_RAN, OTHERS_RAN = "computer_off", "collector_not_run"  # or what ran was killed before it noted anything
WAITING, DELETED, NOT_KNOWN = "waiting_in_the_spool", "deleted_since", "not_known"


@dataclass(frozen=True)
class Span:
    """Readings that are missing one after the other for the same reason; `cycles` is how many.

    `start` and `end` are when the first and the last of them were due. `error` is what the first such cycle said.
    """

    start: datetime
    end: datetime
    cycles: int
    reason: str
    error: str | None


@dataclass(frozen=True)
class Coverage:
    """One device within the window: how many readings there are, which are missing, and from when on that is known.

    `since` is None where nothing is expected of the device; `note` says why, or why it is later than was asked for.
    """

    device: Device
    since: datetime | None
    stored: int
    spans: tuple[Span, ...] = ()
    note: str | None = None

    @property
    def missing(self) -> int:
        """How many readings are missing."""
        return sum(span.cycles for span in self.spans)

    @property
    def expected(self) -> int:
        """How many readings there should be."""
        return self.stored + self.missing


@dataclass(frozen=True)
class _Account:
    """What was due of a device from `begin` on, when it has readings, and when one is missing."""

    device: Device
    begin: int | None
    due: list[Due]
    stored: list[int]
    missing: set[int]
    note: str | None

    def had(self) -> set[int]:
        """Return of which cycles there is a reading."""
        return {each.at for each in self.due}.difference(self.missing).union(self.stored)


def report(connection: sqlite3.Connection, devices: Iterable[Device], window: Window,
           waiting: Collection[Cycle] = ()) -> list[Coverage]:
    """Return the coverage of each device that is expected within the window, or has readings in it.

    `waiting` are the cycles that wait in the spool: they ran, and their readings are missing for the moment.
    """
    ran, held = cycle_history.ran(connection, window, waiting), cycle_history.held(waiting)
    theirs: dict[str, list[tuple[Device, list[int]]]] = {}
    for device in devices:
        theirs.setdefault(device.collector or "", []).append((device, cycle_history.stored(connection, device, window)))
    found = []
    for collector, listed in theirs.items():
        begin = cycle_history.whole_from(connection, collector, window, [stored for _, stored in listed])
        before = cycle_history.newest_before(connection, collector, begin, waiting)
        found += _Reckoning(collector, window, begin, before, ran).coverages(listed, held)
    return [each for each in found if each.since is not None or each.stored or each.device.is_active]


class _Reckoning:
    """What one collector's cycles come to: when readings were due from `begin` on, and why one may be missing.

    `before` is when its last cycle before `begin` started, None where there was none.
    """

    def __init__(self, collector: str, window: Window, begin: int, before: int | None,
                 cycles: dict[str, list[Due]]) -> None:
        self._collector, self._window, self._begin = collector, window, begin
        self._interval, self._now = window.interval_seconds, int(window.now.timestamp())
        self._others = sorted(due.at for name, theirs in cycles.items() if name != collector for due in theirs)
        ran = [due for due in cycles.get(collector, []) if due.at >= begin]
        not_run = [Due(at, self._why(at)) for at in self._not_run(before, [due.at for due in ran]) if at >= begin]
        last = ran[-1].at if ran else 0
        self._due = sorted((due for due in ran + not_run if due.at <= last or collector not in window.stopped),
                           key=lambda due: due.at)

    def coverages(self, listed: Iterable[tuple[Device, list[int]]], held: Mapping[str, Collection[int]],
                  ) -> list[Coverage]:
        """Return the devices' coverage, given the times of their readings, and of those that wait in the spool."""
        accounts = [self._account(device, stored) for device, stored in listed]
        left = Counter(at for each in accounts for at in each.had())
        silent = Counter(at for each in accounts for at in each.missing)

        def why(due: Due, device: Device) -> str:
            gone = due.stored - left[due.at]
            if due.at in held.get(device.device_id, ()):
                return WAITING
            return due.reason if gone <= 0 else DELETED if gone >= silent[due.at] else NOT_KNOWN

        return [Coverage(each.device, None if each.begin is None else moment(each.begin), len(each.stored),
                         tuple(_spans(each, why)), each.note) for each in accounts]

    def _account(self, device: Device, readings: list[int]) -> _Account:
        first_seen = seconds(device.first_seen or "")
        if not self._collector or first_seen is None:
            return _Account(device, None, [], readings, set(), "no collector has told of it yet")
        last = self._now if device.is_active else seconds(device.last_seen or "") or 0
        begin = max(self._begin, first_seen)
        stored = readings[bisect_left(readings, begin):]
        if last < begin:
            return _Account(device, None, [], stored, set(), self._note(device, begin))
        due = [each for each in self._due if begin <= each.at <= last]
        return _Account(device, begin, due, stored, self._missing(due, stored), self._note(device, first_seen))

    def _note(self, device: Device, first_seen: int) -> str | None:
        notes = []
        if max(self._window.since.timestamp(), first_seen) < self._begin:
            notes.append(f"no cycles are on record before {moment(self._begin):%Y-%m-%d %H:%M} UTC")
        if not device.is_active:
            notes.append("inactive")
        if self._collector in self._window.stopped:
            notes.append(f"collectors.{self._collector} is disabled")
        return "; ".join(notes) or None

    def _not_run(self, before: int | None, ran: list[int]) -> Iterator[int]:
        """Yield when a cycle should have started and none did."""
        if before is None:
            yield from range((ran or [self._now])[0] - self._interval, self._begin - 1, -self._interval)
        for earlier, later in pairwise([*([] if before is None else [before]), *ran, self._now]):
            # Half an interval late is late; whatever is later stands for the next one.
            count = (later - earlier + self._interval // 2) // self._interval - 1
            yield from (earlier + self._interval * number for number in range(1, count + 1))

    def _why(self, at: int) -> str:
        half = self._interval // 2
        others = bisect_right(self._others, at + half) - bisect_left(self._others, at - half)
        return OTHERS_RAN if others else NOTHING_RAN

    def _missing(self, due: list[Due], stored: list[int]) -> set[int]:
        """Return when a reading was due and there is none, not even one that was moved or has no cycle on record."""
        answered = {each.at for each in due if each.has_told}
        spare = sorted(set(stored) - answered)
        missing, half = set(), self._interval // 2
        for at in sorted({each.at for each in due} - answered.intersection(stored)):
            nearest = min(spare[bisect_left(spare, at - half):bisect_right(spare, at + half)],
                          key=lambda spared: abs(spared - at), default=None)
            if nearest is None:
                missing.add(at)
            else:
                spare.remove(nearest)
        return missing


def _spans(account: _Account, why: Callable[[Due, Device], str]) -> Iterator[Span]:
    """Yield what is missing, one after the other for the same reason. Only its own reason goes with a cycle's error."""
    for reason, group in groupby(
            account.due, lambda each: why(each, account.device) if each.at in account.missing else None):
        spell = list(group)
        if reason is not None:
            error = spell[0].error if reason == spell[0].reason else None
            yield Span(moment(spell[0].at), moment(spell[-1].at), len(spell), reason, error)
