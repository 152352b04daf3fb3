"""What is on record of the cycles that ran: when, how they ended, which readings are there, how far back it goes.

A cycle that waits in the spool is on record as much as one in the database.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

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
INTERRUPTED = "interrupted"
# Until 2026-11 an interrupted cycle was recorded as `partial` or `unreachable` with this type of error.
OLD_INTERRUPTED = "Interrupted"


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
class Due:
    """A moment at which readings were due, in seconds since 1970. `reason` is why one is missing, if it is.

    `stored` is how many readings its cycle stored; `has_told` says that the source told something.
    """

    at: int
    reason: str
    error: str | None = None
    stored: int = 0
    has_told: bool = False


def ran(connection: sqlite3.Connection, window: Window, waiting: Iterable[Cycle]) -> dict[str, list[Due]]:
    """Return the cycles of each collector within the window, in the order of time, one for each second."""
    rows = connection.execute("""
        SELECT
            collector,
            started_at,
            outcome,
            error_type,
            error,
            stored
        FROM collection_cycles
        WHERE started_at >= ?
        ORDER BY started_at
    """, (format_time(window.since),)).fetchall()
    rows += ((each.collector, format_time(each.started_at), each.outcome, each.error_type, each.error, 0) for each in waiting)
    found: dict[str, dict[int, Due]] = {}
    for collector, started_at, *told in rows:
        at = seconds(started_at)
        if at is not None and window.since.timestamp() <= at <= window.now.timestamp():
            due, theirs = _due(at, *told), found.setdefault(collector, {})
            if at not in theirs or due.has_told > theirs[at].has_told:
                theirs[at] = due
    return {collector: sorted(theirs.values(), key=lambda due: due.at) for collector, theirs in found.items()}


def _due(at: int, outcome: str, error_type: str | None, error: str | None, stored: int | None) -> Due:
    if error_type == OLD_INTERRUPTED:
        outcome = INTERRUPTED
    return Due(at, REASONS.get(outcome, outcome), error, stored or 0, outcome in (*ANSWERED, INTERRUPTED))


def held(waiting: Iterable[Cycle]) -> dict[str, set[int]]:
    """Return for each device when it has readings that wait."""
    found: dict[str, set[int]] = {}
    for cycle in waiting:
        for reading in cycle.readings:
            found.setdefault(reading.device_id, set()).add(_second(cycle))
    return found


def _second(cycle: Cycle) -> int:
    return int(cycle.started_at.timestamp())


def stored(connection: sqlite3.Connection, device: Device, window: Window) -> list[int]:
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


def _day(time: datetime) -> str:
    """Return the day as text that sorts before all of that day's times, in whichever form they were stored."""
    return format_time(time)[:10]


def whole_from(connection: sqlite3.Connection, collector: str, window: Window, readings: Iterable[list[int]]) -> int:
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


def newest_before(connection: sqlite3.Connection, collector: str, at: int, waiting: Iterable[Cycle]) -> int | None:
    """Return when the collector's last cycle before a moment started, None where there was none."""
    row = connection.execute("""
        SELECT started_at
        FROM collection_cycles
        WHERE collector = ?
            AND started_at < ?
        ORDER BY started_at DESC
        LIMIT 1
    """, (collector, format_time(moment(at)))).fetchone()
    found = [None if row is None else seconds(row[0]),
             *(_second(each) for each in waiting if each.collector == collector and _second(each) < at)]
    return max((each for each in found if each is not None), default=None)


def moment(at: int) -> datetime:
    """Return a time given in seconds since 1970."""
    return datetime.fromtimestamp(at, timezone.utc)
