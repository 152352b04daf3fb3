"""The values of a chart in equal steps of time, as text that takes about one byte per value."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, NamedTuple

from storage.statistics import Period, Summary, periods, summarize

if TYPE_CHECKING:
    from sqlite3 import Connection

# Every printable ASCII character but those with a meaning here, in JSON, or in HTML. The page's script has them, too.
ALPHABET = "".join(chr(code) for code in range(33, 127) if chr(code) not in "\"&'()./<>\\`")
MIDDLE = len(ALPHABET) // 2
NOTHING = "."
FINEST = timedelta(minutes=5)


class Axis(NamedTuple):
    """The time that a chart covers; `title` is for people."""

    name: str
    title: str
    periods: Sequence[Period]


class Line(NamedTuple):
    """One quantity of one device: encoded means, lowest and highest values, then those of the whole time.

    Without `is_band` all values of a step are equal, if it has several.
    """

    means: str
    lows: str
    highs: str
    is_band: bool
    mean: float
    low: float
    high: float


def make_axes(now: datetime, newest: datetime, interval: timedelta, zone: tzinfo) -> list[Axis]:
    """Return two days of single readings, thirty days of hours, and a year of complete days."""
    hours = periods(local_time(now, zone, -29), now, max(timedelta(hours=1), interval), zone)
    days = periods(local_time(now, zone, -365), local_time(now, zone), "day", zone)
    return [Axis("days", "2 days", _slots(now, newest, max(FINEST, interval))), Axis("month", "30 days", [*hours]),
            Axis("year", "1 year", [*days])]


def local_time(moment: datetime, zone: tzinfo, days: int = 0, hour: int = 0) -> datetime:
    """Return an hour of the moment's local day, or of one some days later."""
    day = moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return (day + timedelta(days=days, hours=hour)).replace(tzinfo=zone).astimezone(timezone.utc)


def _slots(now: datetime, newest: datetime, step: timedelta) -> list[Period]:
    """Return steps around the times of readings, so that a second more or less never leaves one empty."""
    start = min(newest, now) - step / 2
    start += (now - start) // step * step
    starts = [start - number * step for number in reversed(range(timedelta(days=2) // step))]
    return [Period("", moment, moment + step) for moment in starts]


def read_steps(connection: "Connection", device_id: str, columns: Sequence[str],
         axis: Axis) -> dict[str, list[Summary | None]]:
    """Return a summary, or None, per column and step; only columns with values."""
    steps = {period.start: summaries for period, _, summaries in summarize(connection, device_id, columns, axis.periods)}
    rows = {column: [steps[period.start].get(column) if period.start in steps else None for period in axis.periods]
            for column in columns}
    return {column: row for column, row in rows.items() if any(row)}


def make_line(steps: Sequence[Summary | None], scale: int) -> Line:
    """Encode the values, rounded to 1/scale; the lowest and highest ones as distances from the mean."""
    parts = [part for part in steps if part]
    number = sum(part.number for part in parts)
    means = [part and round(part.mean * scale) for part in steps]
    lows = [part and (mean or 0) - round(part.low * scale) for part, mean in zip(steps, means)]
    highs = [part and round(part.high * scale) - (mean or 0) for part, mean in zip(steps, means)]
    return Line(encode(differences(means)), encode(lows), encode(highs), any(part.low < part.high for part in parts),
                math.fsum(part.mean * part.number for part in parts) / number,
                min(part.low for part in parts), max(part.high for part in parts))


def differences(values: Iterable[int | None]) -> Iterator[int | None]:
    previous = 0
    for value in values:
        yield None if value is None else value - previous
        previous = previous if value is None else value


def encode(values: Iterable[int | None]) -> str:
    """Return one character per value, `.` for None and `(1234)` for what the alphabet does not reach."""
    return "".join(NOTHING if value is None else ALPHABET[value + MIDDLE] if -MIDDLE <= value <= MIDDLE else f"({value})"
                   for value in values)
