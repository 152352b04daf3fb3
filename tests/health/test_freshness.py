"""The health check's freshness: the newest reading per device against three intervals, 15 minutes at least."""

import sqlite3
from contextlib import closing

import pytest

from health.finding import Finding
from storage.reading import Sighting
from tests.health import checks
from tests.home import Home
from tests.storage.samples import a_cycle, a_reading, at, store


@pytest.fixture
def stored(written: Home) -> Home:
    store(written.database, a_cycle(a_reading()))
    return written


def check(home: Home, minutes: float) -> Finding:
    return checks.worst("freshness", checks.read(home, now=at(minutes=minutes)))


@pytest.mark.parametrize(("minutes", "interval_seconds", "level"), [
    (0, 300, "pass"), (15, 300, "pass"), (15.1, 300, "fail"), (15, 60, "pass"), (15.1, 60, "fail"),
    (30, 600, "pass"), (30.1, 600, "fail"), (4319, 86_400, "pass"), (4321, 86_400, "fail"), (-6, 300, "warn")])
def test_the_limit_is_three_intervals_and_15_minutes_at_least(
        minutes: float, interval_seconds: int, level: str, stored: Home) -> None:
    """A reading in the future is a sign of a wrong clock."""
    stored.write_config(collection={"interval_seconds": interval_seconds})
    assert check(stored, minutes).level == level


def test_one_silent_device_among_others_is_named(stored: Home) -> None:
    store(stored.database, a_cycle(a_reading("hue:bath", at=at(minutes=60), name="Bath"), at=at(minutes=60)))
    finding = check(stored, 61)
    assert finding.level == "fail" and finding.sentence.startswith("Kitchen (hue:kitchen)")


def test_devices_that_are_retired_or_disabled_or_were_never_seen_are_ignored(stored: Home) -> None:
    store(stored.database, a_cycle(a_reading("hue:bath", at=at(minutes=60)), at=at(minutes=60)))
    with closing(sqlite3.connect(stored.database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO device_registry (device_id) VALUES ('nest:hall')")
        assert check(stored, 61).level == "fail"
        stored.configure_hue(enabled=False)
        assert check(stored, 61).level == "pass"
        stored.configure_hue(enabled=True)
        connection.execute("UPDATE device_registry SET is_active = 0 WHERE device_id = 'hue:kitchen'")
        assert check(stored, 61).level == "pass"


CELLAR = Sighting(device_id="hue:cellar", device_type="hue_sensor", name="Cellar", trouble="no value yet")


@pytest.mark.parametrize(("minutes", "level"), [(14.9, "pass"), (15, "fail")])
def test_a_device_that_never_gave_a_value_fails_after_15_minutes(minutes: float, level: str, stored: Home) -> None:
    """Whatever others give, and however long the interval is."""
    stored.write_config(collection={"interval_seconds": 3600})
    store(stored.database, a_cycle(sightings=(CELLAR,)))
    finding = check(stored, minutes)
    assert finding.level == level
    assert level == "pass" or finding.sentence.startswith("Cellar (hue:cellar)") and "forget hue:cellar" in finding.remedy


def test_a_single_device_without_a_value_is_one_trouble(written: Home) -> None:
    """In an otherwise empty database."""
    store(written.database, a_cycle(sightings=(CELLAR,)))
    first, = checks.findings("freshness", checks.read(written, now=at(minutes=1)))
    assert first.level == "fail" and "--discover" in first.remedy and "Cellar" not in first.sentence
    later, = checks.findings("freshness", checks.read(written, now=at(minutes=16)))
    assert later.level == "fail" and later.sentence.startswith("Cellar (hue:cellar)")


def test_cycles_that_collected_nothing_fail_with_the_remedy_of_the_last_one(written: Home) -> None:
    store(written.database, a_cycle(outcome="not_authorised", error="refused. Remedy: python devices.py pair hue"))
    finding = check(written, 0)
    assert (finding.level, finding.remedy) == ("fail", "python devices.py pair hue")


def test_a_database_without_readings_and_cycles_is_a_warning(stored: Home) -> None:
    with closing(sqlite3.connect(stored.database, isolation_level=None)) as connection:
        connection.executescript("DELETE FROM readings; DELETE FROM device_registry; DELETE FROM collection_cycles")
    assert check(stored, 0).level == "warn"
