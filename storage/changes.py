"""What publishers see of a home: its readings as they were stored and changed, its devices, gaps and alerts.

A follower of the readings keeps a `Cursor`. New ids alone would miss renamed and deleted rows, ids used again after a
deletion, and a database that was put back or begun anew (storage/views.py has the triggers that record changes).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from storage import manager, record
from storage.past import COLUMNS
from storage.reading import Row
from storage.state import Witness
from storage.statistics import bound

if TYPE_CHECKING:
    from storage.overview import Home, Overview, Present
    from storage.snapshots import Contents

BATCH_ROWS = 5000
AROUND = timedelta(days=1)  # a stored time with an offset may be in the day before or after that of its text


class Cursor(NamedTuple):
    """What a destination has: the rows up to an id, whose device and timestamp prove it, and the changes up to an id."""

    record_id: str | None = None
    row_id: int = 0
    device_id: str | None = None
    timestamp: str | None = None
    change_id: int = 0

    @classmethod
    def load(cls, value: object) -> "Cursor":
        """Return the cursor that a state holds; anything else is one that has nothing."""
        fields = value if isinstance(value, list | tuple) and len(value) == len(cls._fields) else ()
        return cls(*fields) if all(isinstance(field, str | int | None) for field in fields) else cls()


class Deletion(NamedTuple):
    """Of a device's rows from `since` to `until`, only those in the batch are in the record."""

    device_id: str
    since: datetime
    until: datetime


class Batch(NamedTuple):
    """Rows to store or replace at the destination, by device and instant; of two rows of one instant the last one counts.

    `cursor` is what the destination has after that. With `begins_again` this is the first batch of all rows.
    """

    rows: list[Row]
    deletions: list[Deletion]
    cursor: Cursor
    begins_again: bool


class Changes:
    """One database, opened read-only. `describe` is asked for the home at its first use. Methods raise StorageErrors."""

    def __init__(self, path: Path, describe: "Callable[[], Home]", *, busy_timeout_ms: int = 5000,
                 witness: Witness | None = None) -> None:
        self._path, self._busy_timeout_ms, self._witness = path, busy_timeout_ms, witness
        self._describe = describe

    @cached_property
    def home(self) -> "Home":
        return self._describe()

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Open the database for the queries of storage.statistics and `next_batch`."""
        return manager.reading(self._path, busy_timeout_ms=self._busy_timeout_ms, witness=self._witness)

    def batches(self, cursor: Cursor, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield what the destination lacks. A batch may have a device's whole day more than `batch_rows`."""
        with self.reading() as connection:
            while batch := next_batch(connection, cursor, batch_rows):
                cursor = batch.cursor
                yield batch

    def newest(self) -> Cursor:
        """Return the cursor of who has everything."""
        with self.reading() as connection, _snapshot(connection):
            start = _valid(connection, Cursor())
            rows = list(_rows(connection, "ORDER BY id DESC LIMIT ?", (1,)))
            return _at(start, rows[0]) if rows else start

    def are_unchanged(self, cursor: Cursor, before: datetime) -> bool:
        """Return whether the readings from before a time are those that the cursor was made with."""
        with self.reading() as connection, _snapshot(connection):
            # The plus keeps SQLite from using the index on timestamp: only the rows since the cursor are to be read.
            late = connection.execute("SELECT 1 FROM readings WHERE id > ? AND +timestamp < ? LIMIT 1",
                                      (cursor.row_id, bound(before))).fetchone()
            return (_valid(connection, cursor) == cursor and late is None
                    and not _changed_days(connection, cursor.change_id, 1))

    def present(self, now: datetime) -> "Present":
        """Return the devices with their newest readings, the collectors' last successes, and the active alerts."""
        from storage import overview
        with self.reading() as connection:
            return overview.present(connection, self.home, now)

    def overview(self, now: datetime, since: datetime) -> "Overview":
        """Return the devices with their newest readings and their gaps since then, and the active alerts."""
        from storage import overview
        with self.reading() as connection:
            return overview.survey(connection, self.home, now, since)

    def copy_to(self, target: Path) -> "Contents":
        """Make a verified copy of the database, mode 0600. Raise a StorageError or OSError."""
        from storage import snapshots
        return snapshots.copy(self._path, target, self._busy_timeout_ms, self._witness)


def next_batch(connection: sqlite3.Connection, cursor: Cursor, batch_rows: int = BATCH_ROWS) -> Batch | None:
    """Return what follows the cursor, None if nothing does; changes before new rows, all from one snapshot."""
    with _snapshot(connection):
        valid = _valid(connection, cursor)
        if changes := _changed_days(connection, valid.change_id, batch_rows):
            rows = {int(row["id"] or 0): row for _, device_id, day, deletes in changes
                    for row in _day_rows(connection, device_id, day, 2 * AROUND if deletes else timedelta())}
            deletions = [_deletion(device_id, day) for _, device_id, day, deletes in changes if deletes]
            return Batch([row for _, row in sorted(rows.items())], deletions,
                         valid._replace(change_id=changes[-1][0]), valid.row_id < cursor.row_id)
        new = list(_rows(connection, "WHERE id > ? ORDER BY id LIMIT ?", (valid.row_id, batch_rows)))
    if not new:
        return None
    return Batch(new, [], _at(valid, new[-1]), valid.row_id < cursor.row_id)


def resume(connection: sqlite3.Connection, cursor: Cursor) -> Cursor | None:
    """Return the cursor to go on from; None if this one is of a record that the present record does not continue."""
    with _snapshot(connection):
        present = record.identify(connection)
        is_ours = cursor.record_id in (None, present.record_id, *present.predecessors)
        return _valid(connection, cursor) if is_ours else None


def cycles_after(connection: sqlite3.Connection, cycle_id: int, limit: int) -> list[Row]:
    """Return the next cycles' rows; again from the first one if ids have begun again, after all rows were deleted."""
    newest, = connection.execute("SELECT coalesce(MAX(id), 0) FROM collection_cycles").fetchone()
    rows = connection.execute("SELECT * FROM collection_cycles WHERE id > ? ORDER BY id LIMIT ?",
                              (cycle_id if cycle_id <= newest else 0, limit))
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row)) for row in rows]


def device_ids(connection: sqlite3.Connection) -> list[str]:
    """Return the devices with readings."""
    from storage import readings
    return readings.device_ids(connection)


def rows_by_time(connection: sqlite3.Connection, device_id: str) -> Iterator[Row]:
    """Yield all rows of a device, in the order of their times as texts."""
    return _rows(connection, "WHERE device_id = ? ORDER BY timestamp", (device_id,))


def devices(connection: sqlite3.Connection) -> list[Row]:
    """Return the registry's rows."""
    from storage import registry
    return [device._asdict() for device in registry.all_devices(connection)]


def _at(cursor: Cursor, row: Row) -> Cursor:
    return cursor._replace(row_id=int(row["id"] or 0), device_id=str(row["device_id"]), timestamp=str(row["timestamp"]))


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _valid(connection: sqlite3.Connection, cursor: Cursor) -> Cursor:
    """Return the cursor, or one that sends all rows again if the record is not the one that it was made for.

    What was deleted before the destination saw any of this record needs no deletion there; and a record that was put
    back must not delete what it lacks.
    """
    record_id = record.identify(connection).record_id
    newest, = connection.execute("SELECT coalesce(MAX(change_id), 0) FROM reading_changes").fetchone()
    if record_id != cursor.record_id or newest < cursor.change_id:
        return Cursor(record_id, change_id=newest)
    row = connection.execute("SELECT device_id, timestamp FROM readings WHERE id = ?", (cursor.row_id,)).fetchone()
    if cursor.row_id and row != (cursor.device_id, cursor.timestamp):
        return Cursor(record_id, change_id=cursor.change_id)
    return cursor


def _changed_days(connection: sqlite3.Connection, change_id: int, batch_rows: int) -> list[tuple[int, str, str, int]]:
    """Return the next changed days, (change_id, device_id, day, has_deletions), until they have enough rows."""
    days, count = [], 0
    with closing(connection.execute("""
        SELECT
            change_id,
            device_id,
            day,
            has_deletions
        FROM reading_changes
        WHERE change_id > ?
        ORDER BY change_id
    """, (change_id,))) as rows:
        for row in rows:
            days.append(row)
            count += connection.execute(f"SELECT COUNT(*) FROM readings {OF_DAY}", (row[1], row[2], row[2])).fetchone()[0]
            if count >= batch_rows:
                break
    return days


OF_DAY = "WHERE device_id = ? AND timestamp >= ? AND timestamp < ? || '~'"  # "~" sorts after all that follows a date


def _day_rows(connection: sqlite3.Connection, device_id: str, day: str, around: timedelta) -> Iterator[Row]:
    first, last = day, day
    if around and (start := _midnight(day)):
        first, last = f"{start - around:%Y-%m-%d}", f"{start + around:%Y-%m-%d}"
    return _rows(connection, OF_DAY, (device_id, first, last))


def _deletion(device_id: str, day: str) -> Deletion:
    start = _midnight(day)
    if start is None:  # no time at all: no destination has such rows
        start = datetime.min.replace(tzinfo=timezone.utc) + AROUND
    return Deletion(device_id, start - AROUND, start + 2 * AROUND)


def _midnight(day: str) -> datetime | None:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _rows(connection: sqlite3.Connection, which: str, values: tuple[object, ...]) -> Iterator[Row]:
    columns = ("id", *COLUMNS)
    with closing(connection.execute(f"SELECT {', '.join(columns)} FROM readings {which}", values)) as rows:
        for row in rows:
            yield dict(zip(columns, row))
