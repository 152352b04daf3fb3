"""What is missing: for each device the readings there should be, those there are, and why the others are not.

A reading is due at each cycle that ran and, where none ran for longer than the interval, at each moment at which one
should have. So nothing depends on when exactly cron starts a cycle, and summer time is of no concern: all times are
UTC. The record of cycles does not reach back for ever; of the time before it nothing is said.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import groupby, pairwise

from storage.devices import Device
from storage.history import seconds
from storage.reading import stamp

ANSWERED = {"ok": "device_stale_or_unreachable", "partial": "source_broke_off"}
REASONS = ANSWERED | {
    "unreachable": "source_unreachable",
    "throttled": "throttled",
    "not_authorised": "not_authorised",
    "not_understood": "not_understood",
    "skipped": "overlapping_run",
}
NOTHING_RAN, OTHERS_RAN = "computer_off", "collector_not_run"


@dataclass(frozen=True)
class Window:
    """What is asked about: from `since` to `now`, a cycle being due every so many seconds.

    Cycles older than `keep_days` may have been deleted. The collectors in `stopped` are not expected to run any more.
    """

    since: datetime
    now: datetime
    interval_seconds: int
    keep_days: int
    stopped: Collection[str] = ()


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
class _Due:
    """A moment at which readings were due, in seconds since 1970. `reason` is why one is missing, if it is."""

    at: int
    reason: str
    error: str | None = None


def report(connection: sqlite3.Connection, devices: Iterable[Device], window: Window) -> list[Coverage]:
    """Return the coverage of each device that is expected within the window, or has readings in it."""
    cycles = _cycles(connection, window)
    theirs: dict[str, list[tuple[Device, list[int]]]] = {}
    for device in devices:
        theirs.setdefault(device.collector or "", []).append((device, _readings(connection, device, window)))
    found = []
    for collector, listed in theirs.items():
        begin = _begin(connection, collector, window, [readings for _, readings in listed])
        record = _Record(collector, window, begin, _newest_before(connection, collector, begin), cycles)
        found += [record.coverage(device, readings) for device, readings in listed]
    return [each for each in found if each.since is not None or each.stored or each.device.is_active]


def _cycles(connection: sqlite3.Connection, window: Window) -> dict[str, list[_Due]]:
    """Return the cycles of each collector within the window, in the order of time, one for each second."""
    found: dict[str, dict[int, _Due]] = {}
    for collector, started_at, outcome, error in connection.execute("""
        SELECT
            collector,
            started_at,
            outcome,
            error
        FROM collection_cycles
        WHERE started_at >= ?
        ORDER BY started_at
    """, (stamp(window.since),)):
        at = seconds(started_at)
        if at is not None and window.since.timestamp() <= at <= window.now.timestamp():
            theirs = found.setdefault(collector, {})
            if at not in theirs or outcome in ANSWERED:
                theirs[at] = _Due(at, REASONS.get(outcome, outcome), error)
    return {collector: sorted(theirs.values(), key=lambda due: due.at) for collector, theirs in found.items()}


def _readings(connection: sqlite3.Connection, device: Device, window: Window) -> list[int]:
    """Return when the device has readings within the window; the index alone answers this."""
    rows = connection.execute("""
        SELECT timestamp
        FROM readings
        WHERE device_id = ?
            AND timestamp >= ?
    """, (device.device_id, _day(window.since)))
    times = (seconds(timestamp) for timestamp, in rows)
    first, last = window.since.timestamp(), window.now.timestamp()
    return sorted(at for at in times if at is not None and first <= at <= last)


def _day(moment: datetime) -> str:
    """Return the day as text that sorts before all of that day's times, in whichever form they were stored."""
    return stamp(moment)[:10]


def _begin(connection: sqlite3.Connection, collector: str, window: Window, readings: Iterable[list[int]]) -> int:
    """Return from when on the collector's record of cycles is whole: where readings are older than it, it is not."""
    kept = int((window.now - timedelta(days=window.keep_days)).timestamp())
    now, first = int(window.now.timestamp()), _oldest(connection, collector)
    begin = max(int(window.since.timestamp()), kept if first is None else min(kept, first))
    start = now if first is None else first
    return start if any(bisect_left(each, begin) < bisect_left(each, start) for each in readings) else begin


def _oldest(connection: sqlite3.Connection, collector: str) -> int | None:
    row = connection.execute("""
        SELECT started_at
        FROM collection_cycles
        WHERE collector = ?
        ORDER BY started_at
        LIMIT 1
    """, (collector,)).fetchone()
    return None if row is None else seconds(row[0])


def _newest_before(connection: sqlite3.Connection, collector: str, moment: int) -> int | None:
    row = connection.execute("""
        SELECT started_at
        FROM collection_cycles
        WHERE collector = ?
            AND started_at < ?
        ORDER BY started_at DESC
        LIMIT 1
    """, (collector, stamp(_moment(moment)))).fetchone()
    return None if row is None else seconds(row[0])


class _Record:
    """What one collector's cycles tell: when readings were due from `begin` on, and why one may be missing.

    `before` is when its last cycle before `begin` started, None where there was none.
    """

    def __init__(self, collector: str, window: Window, begin: int, before: int | None,
                 cycles: dict[str, list[_Due]]) -> None:
        self._collector, self._window, self._begin = collector, window, begin
        self._interval, self._now = window.interval_seconds, int(window.now.timestamp())
        self._others = sorted(due.at for name, theirs in cycles.items() if name != collector for due in theirs)
        ran = [due for due in cycles.get(collector, []) if due.at >= begin]
        not_run = [_Due(at, self._why(at)) for at in self._not_run(before, [due.at for due in ran]) if at >= begin]
        last = ran[-1].at if ran else 0
        self._due = sorted((due for due in ran + not_run if due.at <= last or collector not in window.stopped),
                           key=lambda due: due.at)

    def coverage(self, device: Device, readings: list[int]) -> Coverage:
        """Return the device's coverage, given the times of its readings."""
        first_seen = seconds(device.first_seen or "")
        if not self._collector or first_seen is None:
            return Coverage(device, None, len(readings), note="no collector has told of it yet")
        last = self._now if device.is_active else seconds(device.last_seen or "") or 0
        begin = max(self._begin, first_seen)
        stored = readings[bisect_left(readings, begin):]
        if last < begin:
            return Coverage(device, None, len(stored), note=self._note(device, begin))
        due = [each for each in self._due if begin <= each.at <= last]
        return Coverage(device, _moment(begin), len(stored), tuple(self._spans(due, stored)),
                        self._note(device, first_seen))

    def _note(self, device: Device, first_seen: int) -> str | None:
        notes = []
        if max(self._window.since.timestamp(), first_seen) < self._begin:
            notes.append(f"no cycles are on record before {_moment(self._begin):%Y-%m-%d %H:%M} UTC")
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

    def _spans(self, due: list[_Due], stored: list[int]) -> Iterator[Span]:
        missing = self._missing(due, stored)
        for reason, group in groupby(due, lambda each: each.reason if each.at in missing else None):
            spell = list(group)
            if reason is not None:
                yield Span(_moment(spell[0].at), _moment(spell[-1].at), len(spell), reason, spell[0].error)

    def _missing(self, due: list[_Due], stored: list[int]) -> set[int]:
        """Return when a reading was due and there is none, not even one that was moved or has no cycle on record."""
        answered = {each.at for each in due if each.reason in ANSWERED.values()}
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


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, timezone.utc)
