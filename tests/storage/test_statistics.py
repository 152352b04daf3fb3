"""Statistics equal an independent computation: Python's statistics over rows that zoneinfo puts into local periods."""

import sqlite3
import statistics
from collections import defaultdict
from contextlib import closing
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.formats import format_time
from storage.statistics import periods, summarize

ZONES = ("Europe/London", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut")
NAMES = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y", "hour": "%Y-%m-%dT%H"}
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
MINUTES = 366 * 24 * 60
Rows = list[tuple[datetime, float]]


def computed(rows: Rows, step: str, zone: ZoneInfo) -> dict[str, tuple[object, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE readings (device_id, timestamp, value, PRIMARY KEY (device_id, timestamp))")
        connection.executemany("INSERT INTO readings VALUES ('hue:a', ?, ?)",
                               ((format_time(moment), value) for moment, value in rows))
        result: dict[str, tuple[object, ...]] = {}
        found = summarize(connection, "hue:a", ["value"], periods(START, START + timedelta(minutes=MINUTES), step, zone))
        by_time = {format_time(moment): value for moment, value in rows}
        for period, count, summaries in found:
            summary = summaries["value"]
            assert (by_time[summary.low_at], by_time[summary.high_at]) == (summary.low, summary.high)
            assert period.name not in result
            result[period.name] = (count, summary.number, summary.low, pytest.approx(summary.mean), summary.high)
    return result


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, MINUTES - 1), st.floats(-50, 50), min_size=1, max_size=60), st.sampled_from(ZONES),
       st.sampled_from(["day", "month", "year"]), st.sampled_from([0, 85 * 1440, 292 * 1440]))
def test_statistics_equal_an_independent_computation(values: dict[int, float], name: str, step: str, near: int) -> None:
    """Half of the draws are squeezed into the days around a change of the clock."""
    zone = ZoneInfo(name)
    squeezed = {near + minute % 20_000 if near else minute: value for minute, value in values.items()}
    rows = [(START + timedelta(minutes=minute), value) for minute, value in squeezed.items()]
    expected = defaultdict[str, list[float]](list)
    for moment, value in rows:
        expected[moment.astimezone(zone).strftime(NAMES[step])].append(value)
    assert computed(rows, step, zone) == {
        period: (len(group), len(group), min(group), statistics.fmean(group), max(group))
        for period, group in expected.items()}


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 7, 1), 24)])
def test_a_day_has_as_many_hours_as_its_clock(day: tuple[int, int, int], hours: int) -> None:
    zone = ZoneInfo("Europe/London")
    start = datetime(*day, tzinfo=zone)
    end = datetime(*day[:2], day[2] + 1, tzinfo=zone)
    whole, = periods(start.astimezone(timezone.utc), end.astimezone(timezone.utc), "day", zone)
    assert whole.end - whole.start == timedelta(hours=hours)
    assert len(list(periods(whole.start, whole.end, "hour", zone))) == hours
    assert whole.due(whole.start, whole.end, 300) == 12 * hours


def test_a_night_belongs_to_the_day_of_its_evening() -> None:
    rows = [(datetime(2026, 5, day, hour, tzinfo=timezone.utc), 1.0) for day, hour in ((1, 21), (1, 22), (2, 6), (2, 7))]
    assert {name: count for name, (count, *_) in computed(rows, "night", ZoneInfo("UTC")).items()} == {"2026-05-01": 2}


def test_a_week_begins_on_monday() -> None:
    rows = [(datetime(2026, 11, day, tzinfo=timezone.utc), 1.0) for day in (22, 23, 29, 30)]
    weeks = computed(rows, "week", ZoneInfo("UTC"))
    assert {name: count for name, (count, *_) in weeks.items()} == {"2026-11-16": 1, "2026-11-23": 2, "2026-11-30": 1}
