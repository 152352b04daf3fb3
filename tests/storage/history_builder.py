"""A house that was lived in for some time, as its rows tell: written in one go, then damaged as the test wants it.

Everything is a device's or a collector's rows between two moments, the first included, the second not.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from runtime.formats import format_time
from storage import gaps, manager, registry
from storage.cycle_history import Window
from storage.reading import Cycle, Sighting

EVERY = timedelta(minutes=5)
Found = list[tuple[datetime, datetime, int, str]]


class Lived:
    """A database whose collectors ran from `start` until `end` without any trouble; `now` is `end`."""

    def __init__(self, path: Path, start: datetime, end: datetime, every: timedelta = EVERY) -> None:
        self.path, self.start, self.now, self.every = path, start, end, every

    def run(self, collector: str = "hue", ids: Iterable[str] = ("hue:a", "hue:b"), start: datetime | None = None,
            end: datetime | None = None, late: Iterable[int] = (0,)) -> None:
        """Let a collector run, and all its devices tell. `late` are the seconds that cycles start late, in turn."""
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
            """, ((at, each, at) for each in ids for at in times))
            for moment in (begin, (end or self.now) - self.every):
                registry.sight(connection, [Sighting(device_id=each, device_type="hue_sensor") for each in ids],
                              collector, moment)

    def silent(self, device_id: str, start: datetime, end: datetime) -> None:
        """Let a device have no fresh value."""
        self.lose(device_id, start, end)
        self._execute("""
            UPDATE collection_cycles
            SET readings = readings - 1, stored = stored - 1
            WHERE collector = (SELECT collector FROM device_registry WHERE device_id = ?)
                AND started_at >= ?
                AND started_at < ?
        """, device_id, format_time(start), format_time(end))

    def lose(self, device_id: str, start: datetime, end: datetime) -> None:
        """Let somebody delete a device's readings."""
        self._execute("DELETE FROM readings WHERE device_id = ? AND timestamp >= ? AND timestamp < ?",
                      device_id, format_time(start), format_time(end))

    def fail(self, outcome: str, start: datetime, end: datetime, collector: str = "hue", error: str = "oh") -> None:
        """Let a collector's cycles bring home nothing but an error."""
        self._execute("""
            UPDATE collection_cycles
            SET outcome = ?, error = ?, readings = 0, stored = 0
            WHERE collector = ?
                AND started_at >= ?
                AND started_at < ?
        """, outcome, error, collector, format_time(start), format_time(end))
        self._execute("""
            DELETE FROM readings
            WHERE device_id IN (SELECT device_id FROM device_registry WHERE collector = ?)
                AND timestamp >= ?
                AND timestamp < ?
        """, collector, format_time(start), format_time(end))

    def off(self, start: datetime, end: datetime, *collectors: str) -> None:
        """Let nothing run, of these collectors or of all."""
        for collector in collectors or ("hue", "amazon_aqm"):
            self.fail("off", start, end, collector)
        self._execute("DELETE FROM collection_cycles WHERE outcome = 'off'")

    def _execute(self, statement: str, *values: str) -> None:
        with manager.writing(self.path) as connection, manager.transaction(connection):
            connection.execute(statement, values)

    def change(self, statement: str, *values: str) -> None:
        """Change rows in a way of the test's own."""
        self._execute(statement, *values)

    def report(self, since: datetime | None = None, now: datetime | None = None, keep_days: int = 90,
               stopped: Iterable[str] = (), waiting: Collection[Cycle] = ()) -> dict[str, gaps.Coverage]:
        """Return the coverage of each device, over the whole time if not told otherwise."""
        window = Window(since or self.start, now or self.now, int(self.every.total_seconds()), keep_days,
                        list(stopped))
        with manager.reading(self.path) as connection:
            found = gaps.report(connection, registry.known(connection), window, waiting)
        return {each.device.device_id: each for each in found}

    def found(self, device_id: str = "hue:a") -> Found:
        """Return a device's gaps."""
        return [(each.start, each.end, each.cycles, each.reason) for each in self.report()[device_id].spans]
