"""A database with days of history, written at once, then damaged as the test wants it.

Each method changes the rows of a device or a collector between two times, the second excluded.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from runtime.formats import format_time
from storage import gaps, manager, registry
from storage.cycle_history import Window
from storage.reading import Cycle, Sighting

EVERY = timedelta(minutes=5)
Gaps = list[tuple[datetime, datetime, int, str]]


class History:
    """A database whose collectors ran from `start` until `end` without a problem; `now` is `end`."""

    def __init__(self, path: Path, start: datetime, end: datetime, every: timedelta = EVERY) -> None:
        self.path, self.start, self.now, self.every = path, start, end, every

    def run(self, collector: str = "hue", ids: Iterable[str] = ("hue:a", "hue:b"), start: datetime | None = None,
            end: datetime | None = None, late: Iterable[int] = (0,)) -> None:
        """Store a collector's cycles and all readings. `late` are the seconds that cycles start late, in turn."""
        begin, lags, ids = start or self.start, list(late), list(ids)
        count = -((begin - (end or self.now)) // self.every)
        times = [format_time(begin + n * self.every + timedelta(seconds=lags[n % len(lags)])) for n in range(count)]
        with manager.writing(self.path) as connection, manager.transaction(connection):
            connection.executemany("""
                INSERT INTO collection_cycles (collector, started_at, outcome, readings, stored)
                VALUES (?, ?, 'ok', ?, ?)
            """, ((collector, at, len(ids), len(ids)) for at in times))
            connection.executemany("""
                INSERT INTO readings (timestamp, device_id, device_type, temperature_celsius, created_at)
                VALUES (?, ?, 'hue_sensor', 20.0, ?)
            """, ((at, device_id, at) for device_id in ids for at in times))
            sightings = [Sighting(device_id=device_id, device_type="hue_sensor") for device_id in ids]
            for moment in (begin, (end or self.now) - self.every):
                registry.record_sightings(connection, sightings, collector, moment)

    def silent(self, device_id: str, start: datetime, end: datetime) -> None:
        self.delete(device_id, start, end)
        self.change("""
            UPDATE collection_cycles
            SET readings = readings - 1, stored = stored - 1
            WHERE collector = (SELECT collector FROM device_registry WHERE device_id = ?)
                AND started_at >= ?
                AND started_at < ?
        """, device_id, format_time(start), format_time(end))

    def delete(self, device_id: str, start: datetime, end: datetime) -> None:
        """Delete a device's readings as a person does."""
        self.change("DELETE FROM readings WHERE device_id = ? AND timestamp >= ? AND timestamp < ?",
                    device_id, format_time(start), format_time(end))

    def fail(self, outcome: str, start: datetime, end: datetime, collector: str = "hue", error: str = "oh") -> None:
        """Replace a collector's cycles by ones with nothing but an error."""
        self.change("""
            UPDATE collection_cycles
            SET outcome = ?, error = ?, readings = 0, stored = 0
            WHERE collector = ?
                AND started_at >= ?
                AND started_at < ?
        """, outcome, error, collector, format_time(start), format_time(end))
        self.change("""
            DELETE FROM readings
            WHERE device_id IN (SELECT device_id FROM device_registry WHERE collector = ?)
                AND timestamp >= ?
                AND timestamp < ?
        """, collector, format_time(start), format_time(end))

    def off(self, start: datetime, end: datetime, *collectors: str) -> None:
        """Remove the cycles and readings of these collectors, or of all."""
        for collector in collectors or ("hue", "amazon_aqm"):
            self.fail("off", start, end, collector)
        self.change("DELETE FROM collection_cycles WHERE outcome = 'off'")

    def change(self, statement: str, *values: str) -> None:
        with manager.writing(self.path) as connection, manager.transaction(connection):
            connection.execute(statement, values)

    def report(self, since: datetime | None = None, now: datetime | None = None, keep_days: int = 90,
               stopped: Iterable[str] = (), waiting: Collection[Cycle] = ()) -> dict[str, gaps.Coverage]:
        """Return the coverage of each device, by default over the whole time."""
        window = Window(since or self.start, now or self.now, int(self.every.total_seconds()), keep_days,
                        list(stopped))
        with manager.reading(self.path) as connection:
            coverages = gaps.report(connection, registry.all_devices(connection), window, waiting)
        return {coverage.device.device_id: coverage for coverage in coverages}

    def gaps(self, device_id: str = "hue:a") -> Gaps:
        return [(span.start, span.end, span.cycles, span.reason) for span in self.report()[device_id].spans]
