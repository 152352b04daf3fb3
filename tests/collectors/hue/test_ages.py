"""Whether a value is fresh: its age by the bridge's own clock, and absurd times of all kinds."""

from datetime import timedelta
from typing import Any

import pytest

from tests.collectors.hue.samples import NOW, box, reading, stamp, trouble, updated

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def test_a_value_of_exactly_an_hour_ago_is_fresh_and_a_second_older_is_not() -> None:
    assert reading(updated(stamp(HOUR))).measured_at == NOW - HOUR
    assert trouble(updated(stamp(HOUR + timedelta(seconds=1)))) == "last heard of 1 h 0 min ago"


@pytest.mark.parametrize(("ago", "said"), [
    (timedelta(hours=5, minutes=7), "last heard of 5 h 7 min ago"),
    (timedelta(hours=47, minutes=59), "last heard of 47 h 59 min ago"),
    (timedelta(days=2), "last heard of 2 days ago"),
    (timedelta(days=400), "last heard of 400 days ago"),
])
def test_a_stale_sensor_is_reported_with_its_age(ago: timedelta, said: str) -> None:
    assert trouble(updated(stamp(ago))) == said


def test_how_old_is_too_old_is_for_the_configuration_to_say() -> None:
    assert trouble(updated(stamp(timedelta(minutes=3))), stale_after_seconds=60) == "last heard of 0 h 3 min ago"
    assert reading(updated(stamp(timedelta(days=3))), stale_after_seconds=604_800).temperature_celsius == 20.29


@pytest.mark.parametrize("off", [timedelta(hours=-9), timedelta(hours=9), timedelta(days=-2000), timedelta(days=2000)])
def test_a_wrong_clock_here_makes_no_fresh_value_stale_and_no_stale_one_fresh(off: timedelta) -> None:
    assert reading(box(), now=NOW + off).temperature_celsius == 20.29
    assert trouble(updated(stamp(3 * HOUR)), now=NOW + off) == "last heard of 3 h 0 min ago"


@pytest.mark.parametrize("date", [None, "yesterday", "", "Sun, 99 Nov 2026 00:55:00 GMT", "0"])
def test_without_the_bridges_clock_ours_judges(date: str | None) -> None:
    assert reading(box(), date=date).measured_at == NOW - MINUTE
    assert trouble(updated(stamp(3 * HOUR)), date=date) == "last heard of 3 h 0 min ago"


@pytest.mark.parametrize("lastupdated", ["2026-11-22T00:54:00Z", "2026-11-22T00:54:00.123", "2026-11-22T00:54:00.123Z",
                                         "2026-11-22T02:54:00+02:00"])
def test_a_time_with_milliseconds_or_a_zone_is_the_same_moment(lastupdated: str) -> None:
    assert reading(updated(lastupdated)).measured_at == NOW - MINUTE


@pytest.mark.parametrize("lastupdated", [
    None, True, 0, 1e9, [], {}, "", "yesterday", "2026-13-45T00:00:00", "0001-01-01T00:00:00+23:59", "\ud800",
    "9999-12-31T23:59:59-23:59", "9" * 5000])
def test_a_value_without_a_time_is_not_fresh(lastupdated: Any) -> None:
    """It may be months old."""
    assert trouble(updated(lastupdated)) == "does not say when it measured"


@pytest.mark.parametrize("lastupdated", [stamp(-timedelta(minutes=6)), "9999-12-31T23:59:59"])
def test_a_reading_of_a_time_to_come_is_kept_without_one(lastupdated: Any) -> None:
    found = reading(updated(lastupdated))
    assert (found.temperature_celsius, found.measured_at) == (20.29, None)


@pytest.mark.parametrize("years", [-56, -46, 2, 40])
def test_a_bridge_whose_clock_is_years_off_gives_temperatures_but_no_times(years: int) -> None:
    off = timedelta(days=365.25 * years)
    found = reading(updated(stamp(MINUTE - off)), date=NOW + off)
    assert (found.temperature_celsius, found.measured_at) == (20.29, None)
    assert trouble(updated(stamp(3 * HOUR - off)), date=NOW + off) == "last heard of 3 h 0 min ago"


@pytest.mark.parametrize("years", [2, 40])
def test_a_bridge_whose_clock_alone_is_years_ahead_makes_no_value_stale(years: int) -> None:
    found = reading(box(), date=NOW + timedelta(days=365.25 * years))
    assert (found.temperature_celsius, found.measured_at) == (20.29, None)


@pytest.mark.parametrize("years_behind", [2, 3.1, 56])
def test_a_sensor_dead_for_years_is_stale_though_our_clock_is_years_behind(years_behind: float) -> None:
    dead = updated(stamp(timedelta(days=1100)))
    assert trouble(dead, now=NOW - timedelta(days=365.25 * years_behind)) == "last heard of 1100 days ago"


def test_a_value_of_the_first_of_january_1970_is_stale_when_the_bridge_knows_better() -> None:
    assert (trouble(updated("1970-01-01T00:00:00")) or "").startswith("last heard of 20")


def test_lastupdated_none_is_no_value_despite_a_number() -> None:
    assert trouble(updated("none")) == "has reported nothing since the bridge started"
