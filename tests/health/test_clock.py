"""The health check's judgement of clocks and batteries, beyond docs/running.md."""

import pytest

from health.finding import Finding
from tests.health import checks
from tests.home import Home
from tests.storage.samples import a_cycle, a_reading, at, store


def clock(home: Home, *offsets: int | None, collector: str = "hue") -> Finding:
    """Store a cycle for each offset, and return the worst finding."""
    stored = len(home.cycles())
    for number, offset in enumerate(offsets, stored):
        store(home.database, a_cycle(at=at(minutes=5 * number), collector=collector, clock_offset_seconds=offset))
    return checks.worst("clock", checks.read(home))


@pytest.mark.parametrize(("offset", "level"), [
    (0, "pass"), (120, "pass"), (-120, "pass"), (121, "warn"), (-121, "warn"), (-10_800, "warn"), (None, "pass")])
def test_more_than_two_minutes_are_a_warning(written: Home, offset: int | None, level: str) -> None:
    finding = clock(written, offset)
    assert finding.level == level and (level == "warn") == ("timedatectl status" in finding.remedy)


def test_the_newest_comparison_counts(written: Home) -> None:
    assert clock(written, -10_800, 1).level == "pass"
    assert clock(written, 1, -10_800, None).level == "warn"


def test_a_comparison_of_long_ago_does_not_count(written: Home) -> None:
    assert clock(written, -10_800).level == "warn"
    assert clock(written, *[None] * 49).level == "warn"
    assert clock(written, None).level == "pass"


def test_a_disabled_source_is_not_asked_for_the_time(written: Home) -> None:
    assert clock(written, -10_800, collector="amazon_aqm").level == "pass"


def test_without_a_database_there_is_nothing_to_judge(written: Home) -> None:
    for level in ("pass", "skipped"):
        assert [checks.worst(name, checks.read(written)).level for name in ("clock", "batteries")] == [level, level]
        (written.data / "readings.stored").touch()  # the database is gone


def battery(home: Home, *levels: object, device: str = "hue:kitchen") -> Finding:
    for number, level in enumerate(levels):
        moment = at(minutes=5 * number)
        store(home.database, a_cycle(a_reading(device, at=moment, battery_level=level), at=moment))
    return checks.worst("batteries", checks.read(home))


@pytest.mark.parametrize(("levels", "level"), [
    ((16,), "pass"), ((15,), "warn"), ((0,), "warn"), ((9, None, None), "warn"), ((9, 100), "pass"), ((None,), "pass"),
    (("empty",), "pass")])
def test_the_newest_charge_of_a_device_counts(written: Home, levels: tuple[object, ...], level: str) -> None:
    finding = battery(written, *levels)
    assert finding.level == level and (level == "warn") == (finding.remedy == "Kitchen: replace its battery")


def test_retired_devices_and_those_of_disabled_sources_need_no_battery(written: Home) -> None:
    assert battery(written, 9).level == "warn"
    written.configure_hue(enabled=False)
    assert checks.worst("batteries", checks.read(written)).level == "pass"
