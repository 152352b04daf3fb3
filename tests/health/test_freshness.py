"""Freshness: the newest reading per device against three intervals, 15 minutes at least."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from health import freshness
from health.finding import Finding
from storage.reading import Sighting
from tests.storage.samples import a_cycle, a_reading, at, store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database in which the kitchen told something at `NOW`."""
    path = tmp_path / "readings.db"
    store(path, a_cycle(a_reading()))
    return path


def ask(path: Path, minutes: float, interval_seconds: int = 300, enabled: tuple[str, ...] = ("hue",)) -> Finding:
    """Return the worst that is found so many minutes later."""
    check = freshness.freshness(path, path.with_name("readings.stored"), at(minutes=minutes), interval_seconds, enabled)
    told = [each for each in check if isinstance(each, Finding)]
    return max(told, key=lambda each: ("pass", "warn", "fail", "critical").index(each.level))


@pytest.mark.parametrize(("minutes", "interval_seconds", "level"), [
    (0, 300, "pass"), (15, 300, "pass"), (15.1, 300, "fail"), (15, 60, "pass"), (15.1, 60, "fail"),
    (30, 600, "pass"), (30.1, 600, "fail"), (4319, 86_400, "pass"), (4321, 86_400, "fail"), (-6, 300, "warn")])
def test_the_limit_is_three_intervals_and_15_minutes_at_least(
        minutes: float, interval_seconds: int, level: str, path: Path) -> None:
    """A reading that is still to come tells of a clock that is wrong."""
    assert ask(path, minutes, interval_seconds).level == level


def test_one_silent_device_among_others_is_told_by_name(path: Path) -> None:
    store(path, a_cycle(a_reading("hue:bath", at=at(minutes=60), name="Bath"), at=at(minutes=60)))
    told = ask(path, 61)
    assert told.level == "fail" and told.sentence.startswith("Kitchen (hue:kitchen) has been silent since 2026-11-22T")


def test_what_is_retired_or_disabled_or_was_never_seen_is_not_waited_for(path: Path) -> None:
    store(path, a_cycle(a_reading("hue:bath", at=at(minutes=60)), at=at(minutes=60)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO device_registry (device_id) VALUES ('nest:hall')")
        assert ask(path, 61, enabled=("hue",)).level == "fail"
        assert ask(path, 61, enabled=()).level == "pass"
        connection.execute("UPDATE device_registry SET is_active = 0 WHERE device_id = 'hue:kitchen'")
        assert ask(path, 61).level == "pass"


def test_a_device_that_was_seen_but_never_told_anything_is_silent(path: Path) -> None:
    cellar = Sighting(device_id="hue:cellar", device_type="hue_sensor", name="Cellar", trouble="no value yet")
    store(path, a_cycle(sightings=(cellar,)))
    store(path, a_cycle(a_reading(at=at(minutes=20)), at=at(minutes=20)))
    assert ask(path, 21).sentence.startswith("Cellar (hue:cellar) has been silent")
