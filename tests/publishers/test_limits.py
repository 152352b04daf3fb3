"""Limits are judged on stored readings: alerts come and go at the expected minutes, and never while readings are missing."""

import io
import sqlite3
from collections.abc import Iterable
from contextlib import closing, redirect_stderr
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from freezegun import freeze_time

import jobs.publish
from publishers import limits
from storage import statistics
from tests.home import Home, Outcome
from tests.jobs.fake_source import degrees, source

START = datetime(2026, 1, 10, tzinfo=timezone.utc)
FROST = {"name": "frost", "quantity": "temperature_celsius", "below": 5, "clear": 7, "for_minutes": 15}
DUST = {"name": "dust", "quantity": "pm25_ugm3", "above": 15, "clear": 10, "mean_hours": 24}


@pytest.fixture
def lived_in(home: Home) -> Home:
    """A home with one device, whose readings a test replaces."""
    configure(home, FROST)
    with freeze_time(START):
        home.run(collector=source(degrees(20, "made_up:kitchen")))
    store(home, [])
    return home


def configure(home: Home, *given: dict[str, Any], **settings: Any) -> None:
    home.write_config(publishers={"limits": {"enabled": True, "limits": list(given), **settings}})


def store(home: Home, values: Iterable[tuple[float, float | None]], column: str = "temperature_celsius") -> None:
    """Replace all readings by these, (minute, value)."""
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.execute("DELETE FROM readings")
        connection.executemany(
            f"INSERT INTO readings (timestamp, device_id, device_type, {column}, created_at) VALUES (?, ?, 'thing', ?, '')",
            [(time(minute).isoformat(), "made_up:kitchen", value) for minute, value in values])


def time(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def judge(home: Home, minute: float) -> Outcome:
    with freeze_time(time(minute)), redirect_stderr(io.StringIO()) as err:
        code = jobs.publish.run(limits, ["--config", str(home.config)])
    return Outcome(code, "", err.getvalue())


def is_raised(home: Home, minute: float, name: str = "FROST") -> bool:
    """Judge at a minute; return whether the alert is there afterwards."""
    assert judge(home, minute) == Outcome(0, "", "")
    return (home.data / f"ALERT_LIMIT_{name}.txt").exists()


def test_a_winter_raises_and_clears_at_the_expected_minutes(lived_in: Home) -> None:
    flapping = [(0, 6.0), (5, 4.9), (10, 4.9), (15, 5.0), (20, 4.9), (25, 4.8), (30, 4.7), (35, 4.6)]
    thaw = [(40, 5.5), (45, 4.9), (50, 6.9), (75, 6.9), (80, 7.0)]  # nothing from 50 to 75
    gap = [(85, 4.0), (90, 4.0), (110, 4.0), (115, None), (120, 4.0), (125, 4.0)]  # 20 minutes are more than 3 intervals
    store(lived_in, [*flapping, *thaw, *gap, (300, 20.0)])
    states = [(minute, is_raised(lived_in, minute)) for minute in range(0, 310, 5)]
    changed = [minute for (_, before), (minute, now) in zip([(0, False), *states], states) if now != before]
    assert changed == [35, 80, 125, 300]


@pytest.mark.parametrize(("stored", "value", "raised"), [
    (216, 15.1, True), (215, 15.1, False), (288, 15.0, False), (216, 10.0, False)])
def test_a_mean_needs_three_quarters_of_its_readings(lived_in: Home, stored: int, value: float, raised: bool) -> None:
    configure(lived_in, DUST)
    store(lived_in, [(-5 * number, value) for number in range(stored)], "pm25_ugm3")
    assert is_raised(lived_in, 0, "DUST") is raised


@pytest.mark.parametrize(("stored", "value", "raised"), [(216, 10.0, False), (215, 10.0, True), (288, 10.1, True)])
def test_a_mean_clears_with_three_quarters_of_its_readings(lived_in: Home, stored: int, value: float,
                                                         raised: bool) -> None:
    configure(lived_in, DUST)
    store(lived_in, [(-5 * number, 30.0) for number in range(288)], "pm25_ugm3")
    assert is_raised(lived_in, 0, "DUST")
    store(lived_in, [(-5 * number, value) for number in range(stored)], "pm25_ugm3")
    assert is_raised(lived_in, 0, "DUST") is raised


def test_the_alert_names_limit_place_value_and_end(lived_in: Home) -> None:
    assert lived_in.devices("set-name", "made_up:kitchen", "Küche \"1\"").code == 0
    store(lived_in, [(minute, 3.25) for minute in range(0, 20, 5)])
    assert is_raised(lived_in, 15)
    text = (lived_in.data / "ALERT_LIMIT_FROST.txt").read_text(encoding="utf-8")
    assert 'frost: temperature below 5 °C for 15 minutes: Küche "1" (3.25 °C)' in text and "7 °C or more" in text
    assert "judged 1 limit; frost: Küche" in lived_in.log()


@pytest.mark.parametrize("change", ["except", "removed", "state lost", "state lost, then silence"])
def test_an_alert_ends_with_its_reason_only(lived_in: Home, change: str) -> None:
    store(lived_in, [*((minute, 3.0) for minute in range(0, 20, 5)), (20, 6.0)])
    assert is_raised(lived_in, 15)
    if change.startswith("state"):
        (lived_in.data / "limits.session.json").unlink()
        assert is_raised(lived_in, 1000 if change.endswith("silence") else 20)
    else:
        configure(lived_in, *([{**FROST, "except": ["made_up:kitchen"]}] if change == "except" else []))
        assert not is_raised(lived_in, 20)


def test_a_device_that_is_absent_for_weeks_keeps_its_alert(lived_in: Home) -> None:
    store(lived_in, [(minute, 3.0) for minute in range(0, 20, 5)])
    assert is_raised(lived_in, 15)
    with freeze_time(time(60 * 24 * 21)):
        lived_in.run(collector=source(degrees(20, "made_up:hall")))
    assert is_raised(lived_in, 60 * 24 * 21)


@pytest.mark.parametrize(("limit", "key"), [
    ({**FROST, "quantity": "temperature"}, "limits[1].quantity"), ({**FROST, "clear": 3}, "limits[1].clear"),
    ({**DUST, "clear": 20}, "limits[1].clear"), ({**FROST, "above": 3}, "limits[1].below"),
    ({"name": "frost", "quantity": "co_ppm"}, "limits[1].below"), ({**FROST, "mean_hours": 2}, "limits[1].for_minutes"),
    ({**FROST, "name": "../frost"}, "limits[1].name"), ({**FROST, "below": "cold"}, "limits[1].below"),
    ({"quantity": "co_ppm", "above": 9}, "limits[1].name"), ("frost", "limits[1]")])
def test_a_limit_that_makes_no_sense_is_named(lived_in: Home, limit: Any, key: str) -> None:
    configure(lived_in, limit)
    outcome = judge(lived_in, 0)
    assert outcome.code == 2 and f"publishers.limits.{key}" in outcome.err and outcome.err.count("\n") == 1


def test_two_limits_need_two_names(lived_in: Home) -> None:
    configure(lived_in, FROST, FROST)
    assert judge(lived_in, 0).code == 2


def test_a_limit_without_readings_is_named_in_the_log(lived_in: Home) -> None:
    configure(lived_in, DUST)
    assert not is_raised(lived_in, 0, "DUST") and "readings are missing for dust" in lived_in.log()


def test_the_readings_of_a_limit_are_looked_up_in_the_index(lived_in: Home) -> None:
    with closing(sqlite3.connect(lived_in.database)) as connection:
        queries: list[str] = []
        connection.set_trace_callback(queries.append)
        statistics.values(connection, "made_up:kitchen", "co_ppm", START, time(5))
        connection.set_trace_callback(None)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {queries[0]}").fetchall()
    assert [row[3].partition(" (")[0] for row in plan] == ["SEARCH readings USING INDEX sqlite_autoindex_readings_1"]
