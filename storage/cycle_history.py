"""The record of cycles, including those in the spool: when they ran, how they ended, and since when it is complete."""

import sqlite3
from array import array
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from heapq import merge
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from runtime.formats import format_time
from storage.reading import Cycle
from storage.readings import seconds
from storage.registry import Device

ANSWERED = {"ok": "device_stale_or_unreachable", "partial": "source_broke_off"}
REASONS = ANSWERED | {
    "unreachable": "source_unreachable",
    "throttled": "throttled",
    "not_authorised": "not_authorised",
    "not_understood": "not_understood",
    "skipped": "overlapping_run",
    "interrupted": "run_interrupted",
}
DAY_SECONDS = 86_400


class Window(NamedTuple):
    """The time to analyse. Cycles older than `keep_days` may be deleted; the collectors in `stopped` are disabled."""

    since: datetime
    now: datetime
    interval_seconds: int
    keep_days: int
    stopped: Collection[str] = ()


class ExpectedReadings:
    """Readings that are due, in ascending order of their times `at` (seconds since 1970), at most one per second.

    Columns instead of objects: fifty device-years have to fit into a computer of 512 MB. `stored` is how many readings
    the cycle stored, `answered` whether its source answered.
    """

    def __init__(self) -> None:
        self.at, self.stored, self.answered = array("q"), array("q"), bytearray()
        self._reasons, self._names = array("H"), list[str]()
        self._errors, self._texts = dict[int, str](), dict[str, str]()

    def append(self, at: int, reason: str, error: str | None = None, stored: int = 0, answered: bool = False) -> None:
        """Add a reading; of two in one second, keep the answered one."""
        if self.at and self.at[-1] == at:
            if answered <= self.answered[-1]:
                return
            self._drop_last()
        if error is not None:
            self._errors[len(self.at)] = self._texts.setdefault(error, error)
        if reason not in self._names:
            self._names.append(reason)
        self._reasons.append(self._names.index(reason))
        self.at.append(at)
        self.stored.append(stored)
        self.answered.append(answered)

    def row(self, index: int) -> tuple[int, str, str | None, int, bool]:
        return self.at[index], self.reason(index), self.error(index), self.stored[index], bool(self.answered[index])

    def reason(self, index: int) -> str:
        return self._names[self._reasons[index]]

    def error(self, index: int) -> str | None:
        return self._errors.get(index)

    def _drop_last(self) -> None:
        for column in (self.at, self.stored, self.answered, self._reasons):
            column.pop()
        self._errors.pop(len(self.at), None)


def cycles(connection: sqlite3.Connection, window: Window, waiting: Iterable[Cycle]) -> dict[str, ExpectedReadings]:
    """Return each collector's cycles in the window."""
    rows = connection.execute("""
        SELECT
            started_at,
            collector,
            outcome,
            error_type,
            error,
            stored
        FROM collection_cycles
        WHERE started_at >= ?
        ORDER BY started_at
    """, (format_time(window.since),))
    spooled = sorted(((format_time(cycle.started_at), cycle.collector, cycle.outcome, cycle.error_type, cycle.error, 0)
                      for cycle in waiting), key=itemgetter(0))
    ran: dict[str, ExpectedReadings] = {}
    for started_at, collector, outcome, error_type, error, stored in merge(rows, spooled, key=itemgetter(0)):
        at = seconds(started_at)
        if at is not None and window.since.timestamp() <= at <= window.now.timestamp():
            if error_type == "Interrupted":  # with outcome `partial` or `unreachable` until 2026-11
                outcome = "interrupted"
            ran.setdefault(collector, ExpectedReadings()).append(
                at, REASONS.get(outcome, outcome), error, stored or 0, outcome in (*ANSWERED, "interrupted"))
    return ran


def spooled(waiting: Iterable[Cycle]) -> dict[str, set[int]]:
    """Return by device id when it has readings in the spool."""
    times: dict[str, set[int]] = {}
    for cycle in waiting:
        for reading in cycle.readings:
            times.setdefault(reading.device_id, set()).add(_epoch(cycle.started_at))
    return times


def complete_since(connection: sqlite3.Connection, collector: str, window: Window, devices: Iterable[Device]) -> int:
    """Return when the complete record begins: after `keep_days`, or later if there are readings older than any cycle."""
    since = _epoch(window.since)
    if not collector:
        return since
    oldest, = connection.execute("SELECT MIN(started_at) FROM collection_cycles WHERE collector = ?",
                                 (collector,)).fetchone()
    first_cycle, kept_since = seconds(oldest), _epoch(window.now - timedelta(days=window.keep_days))
    if first_cycle is None:
        first_cycle = _epoch(window.now)
    begin = max(since, min(kept_since, first_cycle))
    has_older = any(begin <= at < first_cycle
                    for device in devices for at in _times(connection, device, begin, first_cycle))
    return first_cycle if has_older else begin


def newest(connection: sqlite3.Connection) -> datetime | None:
    """Return when the newest cycle of all collectors started."""
    started_at, = connection.execute("SELECT MAX(started_at) FROM collection_cycles").fetchone()
    at = seconds(started_at)
    return None if at is None else moment(at)


def newest_before(connection: sqlite3.Connection, collector: str, at: int, waiting: Iterable[Cycle]) -> int | None:
    """Return when the collector's last cycle before a time started."""
    newest, = connection.execute("SELECT MAX(started_at) FROM collection_cycles WHERE collector = ? AND started_at < ?",
                                 (collector, format_time(moment(at)))).fetchone()
    times = [seconds(newest), *(_epoch(cycle.started_at) for cycle in waiting if cycle.collector == collector)]
    return max((time for time in times if time is not None and time < at), default=None)


def reading_times(connection: sqlite3.Connection, device: Device, since: int, now: int) -> "array[int]":
    times = array("q", (at for at in _times(connection, device, since, now) if since <= at <= now))
    is_ascending = all(earlier <= later for earlier, later in pairwise(times))
    return times if is_ascending else array("q", sorted(times))


def _times(connection: sqlite3.Connection, device: Device, since: int, until: int) -> Iterator[int]:
    """Yield the times of readings, also some outside the limits; SQLite needs nothing but the index for it."""
    # A day, as text, sorts before all of that day's times in any of their stored forms.
    first_day, last_day = (format_time(moment(at))[:10] for at in (since, until + DAY_SECONDS))
    rows = connection.execute("SELECT timestamp FROM readings WHERE device_id = ? AND timestamp >= ? AND timestamp < ?",
                              (device.device_id, first_day, last_day))
    return (at for timestamp, in rows if (at := seconds(timestamp)) is not None)


def _epoch(time: datetime) -> int:
    return int(time.timestamp())


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, timezone.utc)
