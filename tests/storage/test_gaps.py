"""Gaps are found to the cycle, each with its reason, and nothing else is reported."""

import tracemalloc
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from time import tzset

import pytest

from runtime.formats import format_time
from storage import gaps, manager, registry
from storage.cycle_history import Window
from storage.reading import Sighting
from storage.registry import Device
from tests.storage.history_builder import EVERY, History
from tests.storage.legacy_databases import NEWEST, awkward_rows, leave
from tests.storage.samples import a_cycle, a_reading, store

SUNDAY = datetime(2026, 11, 15, tzinfo=timezone.utc)
WEEK = timedelta(days=7)
# When clocks in Berlin are changed: at 01:00 UTC on these days.
CHANGES = [datetime(2026, 3, 29, 1, tzinfo=timezone.utc), datetime(2026, 10, 25, 1, tzinfo=timezone.utc)]


def at(**passed: float) -> datetime:
    return SUNDAY + timedelta(**passed)


@pytest.fixture
def week(database: Path) -> History:
    history = History(database, SUNDAY, SUNDAY + WEEK)
    history.run()
    history.run("amazon_aqm", ["alexa:x"], late=(2, 3, 1))
    return history


@pytest.fixture
def day(database: Path) -> History:
    history = History(database, SUNDAY, at(days=1))
    history.run()
    return history


def test_a_perfect_week_has_no_gaps(week: History) -> None:
    coverages = week.report()
    assert sorted(coverages) == ["alexa:x", "hue:a", "hue:b"]
    assert {(coverage.expected, coverage.stored, coverage.spans, coverage.note)
            for coverage in coverages.values()} == {(2016, 2016, (), None)}


@pytest.mark.parametrize("asked", [0, 1, 150, 299])
def test_it_does_not_matter_when_within_the_interval_one_asks(week: History, asked: int) -> None:
    moment = timedelta(seconds=asked)
    coverages = week.report(at(days=1) + moment, at(days=6) + moment)
    assert all(coverage.spans == () and coverage.expected in (1440, 1441) for coverage in coverages.values())


def test_planted_gaps_are_found_exactly_each_with_its_reason(week: History) -> None:
    hours = [at(hours=number) for number in range(10, 120, 10)]
    hour = timedelta(hours=1)
    week.fail("unreachable", hours[0], hours[0] + hour, error="no answer")
    week.fail("throttled", hours[1], hours[1] + hour)
    week.fail("not_authorised", hours[2], hours[2] + hour)
    week.fail("not_understood", hours[3], hours[3] + hour)
    week.fail("skipped", hours[4], hours[4] + EVERY)
    week.off(hours[5], hours[5] + hour)
    week.silent("hue:a", hours[6], hours[6] + hour)
    week.off(hours[7], hours[7] + hour, "hue")
    week.silent("hue:a", hours[8], hours[8] + EVERY)
    week.change("UPDATE collection_cycles SET outcome = 'partial' WHERE collector = 'hue' AND started_at = ?",
                format_time(hours[8]))
    end = hour - EVERY
    both = [(hours[0], hours[0] + end, 12, "source_unreachable"), (hours[1], hours[1] + end, 12, "throttled"),
            (hours[2], hours[2] + end, 12, "not_authorised"), (hours[3], hours[3] + end, 12, "not_understood"),
            (hours[4], hours[4], 1, "overlapping_run"), (hours[5], hours[5] + end, 12, "computer_off")]
    own = [(hours[6], hours[6] + end, 12, "device_stale_or_unreachable")]
    alone = [(hours[7], hours[7] + end, 12, "collector_not_run")]
    assert week.gaps("hue:a") == [*both, *own, *alone, (hours[8], hours[8], 1, "source_broke_off")]
    assert week.gaps("hue:b") == [*both, *alone]
    (start, last, count, reason), = week.gaps("alexa:x")  # whose cycles start late, by one to three seconds
    assert (start.replace(second=0), last.replace(second=0), count, reason) == both[5]
    coverage = week.report()["hue:a"]
    assert (coverage.expected, coverage.stored, coverage.missing) == (2016, 2016 - 86, 86)
    assert coverage.spans[0].error == "no answer"


@pytest.mark.parametrize(("change", "hours"), [*product(CHANGES, [(-1, 0), (0, 1), (-0.5, 0.5), (-2, 3)])])
def test_gaps_at_the_changes_of_the_clock_are_found_to_the_cycle(
        change: datetime, hours: tuple[float, float], database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    tzset()
    try:
        start, end = (change + timedelta(hours=number) for number in hours)
        history = History(database, change - timedelta(days=1), change + timedelta(days=1))
        history.run()
        assert (history.report()["hue:a"].expected, history.gaps()) == (576, [])
        history.fail("unreachable", start, end)
        history.off(change + timedelta(hours=4), change + timedelta(hours=6))
        off = (change + timedelta(hours=4), change + timedelta(hours=6) - EVERY, 24, "computer_off")
        assert history.gaps() == [(start, end - EVERY, (end - start) // EVERY, "source_unreachable"), off]
        assert history.report()["hue:a"].expected == 576
    finally:
        monkeypatch.undo()
        tzset()


def test_cycles_that_start_late_by_seconds_are_no_gaps(database: Path) -> None:
    history = History(database, SUNDAY, at(days=1))
    history.run(late=(0, 2, 1, 59, 0, 140, 3))
    assert history.gaps() == []


@pytest.mark.parametrize("minutes", [1, 2.5, 4])
def test_a_run_by_hand_in_between_is_no_gap_and_ends_none(day: History, minutes: float) -> None:
    day.run(start=at(hours=3, minutes=minutes), end=at(hours=3, minutes=minutes + 5))
    assert (day.report()["hue:a"].expected, day.gaps()) == (289, [])


def test_a_run_by_hand_divides_the_time_in_which_nothing_ran(day: History) -> None:
    day.off(at(hours=3), at(hours=4))
    day.run(start=at(hours=3, minutes=31), end=at(hours=3, minutes=36))
    assert [cycles for _, _, cycles, _ in day.gaps()] == [6, 5]


def test_after_a_small_step_of_the_clock_no_cycle_is_missed(day: History) -> None:
    """Clocks are set by a second or two; the cycles before the step stood that much off the grid."""
    for table, column in (("collection_cycles", "started_at"), ("readings", "timestamp")):
        later = f"strftime('%Y-%m-%dT%H:%M:%S+00:00', {column}, '+2 seconds')"
        day.change(f"UPDATE {table} SET {column} = {later} WHERE {column} < ?", format_time(at(hours=5)))
    assert day.gaps() == []


@pytest.mark.parametrize("outcomes", [("skipped", "ok"), ("ok", "skipped")])
def test_two_runs_within_one_second_are_one_cycle_if_one_was_answered(day: History, outcomes: tuple[str, str]) -> None:
    moment = format_time(at(hours=3))
    day.change("DELETE FROM collection_cycles WHERE started_at = ?", moment)
    for outcome in outcomes:
        day.change("INSERT INTO collection_cycles (started_at, outcome, stored, collector) VALUES (?, ?, ?, 'hue')",
                   moment, outcome, "2" if outcome == "ok" else "0")
    assert (day.report()["hue:a"].expected, day.gaps()) == (288, [])
    day.silent("hue:a", at(hours=3), at(hours=3) + EVERY)
    assert day.gaps() == [(at(hours=3), at(hours=3), 1, "device_stale_or_unreachable")]


def test_readings_that_moved_on_when_the_clock_was_set_back_are_not_missed(database: Path) -> None:
    """An hour is recorded twice; the second time each reading is a second later."""
    history = History(database, SUNDAY, at(hours=2))
    history.run()
    for minutes in range(60, 120, 5):
        again = at(minutes=minutes)
        moved = store(database, a_cycle(a_reading("hue:a", again), a_reading("hue:b", again), at=again))
        assert moved == [(2, 1)]
    coverage = history.report()["hue:a"]
    assert (coverage.spans, coverage.stored, coverage.expected) == ((), 36, 36)


def test_a_device_is_not_expected_before_it_was_first_seen(day: History) -> None:
    day.run("hue", ["hue:new"], start=at(hours=12))
    day.change("DELETE FROM collection_cycles WHERE id > 288")  # those of the sighting were there already
    coverage = day.report()["hue:new"]
    assert (coverage.since, coverage.expected, coverage.spans, coverage.note) == (at(hours=12), 144, (), None)


def test_a_device_is_expected_until_it_was_last_seen_once_it_is_inactive(day: History) -> None:
    day.silent("hue:a", at(hours=10), day.now)
    assert day.gaps() == [(at(hours=10), day.now - EVERY, 168, "device_stale_or_unreachable")]
    day.change("UPDATE device_registry SET is_active = 0, last_seen = ? WHERE device_id = 'hue:a'", format_time(at(hours=9)))
    coverage = day.report()["hue:a"]
    assert (coverage.spans, coverage.expected, coverage.note) == ((), 120, "inactive")


def test_an_inactive_device_of_long_ago_is_not_listed(day: History) -> None:
    day.change("DELETE FROM readings WHERE device_id = 'hue:a'")
    day.change("UPDATE device_registry SET is_active = 0, first_seen = ?, last_seen = ? WHERE device_id = 'hue:a'",
               format_time(at(days=-30)), format_time(at(days=-20)))
    assert list(day.report()) == ["hue:b"]


def test_a_name_given_beforehand_expects_nothing(day: History) -> None:
    with manager.writing(day.path) as connection, manager.transaction(connection):
        registry.change(connection, "hue:later", lambda device: device.named("Later"))
    coverage = day.report()["hue:later"]
    assert (coverage.since, coverage.expected, coverage.note) == (None, 0, "not seen by any collector yet")


@pytest.mark.parametrize(("since", "now", "start", "cycles"), [
    (at(), at(days=1, hours=1), at(days=1), 12), (at(days=2), at(days=3), at(days=2), 288)])
def test_a_computer_that_is_still_off_shows_until_now(
        day: History, since: datetime, now: datetime, start: datetime, cycles: int) -> None:
    span, = day.report(since=since, now=now)["hue:a"].spans
    assert (span.start, span.end, span.cycles, span.reason) == (start, now - EVERY, cycles, "computer_off")


def test_a_window_that_begins_in_a_gap_shows_the_part_within(day: History) -> None:
    day.off(at(hours=3), at(hours=5))
    span, = day.report(since=at(hours=4))["hue:a"].spans
    assert (span.start, span.end, span.cycles) == (at(hours=4), at(hours=4, minutes=55), 12)


def test_where_no_cycle_is_on_record_any_more_nothing_is_invented(day: History) -> None:
    day.change("DELETE FROM collection_cycles WHERE started_at < ?", format_time(at(hours=6)))
    day.silent("hue:a", at(hours=2), at(hours=3))
    day.change("UPDATE device_registry SET first_seen = ? WHERE device_id = 'hue:b'", format_time(at(hours=7)))
    coverages = day.report()
    coverage = coverages["hue:a"]
    assert (coverage.since, coverage.stored, coverage.spans) == (at(hours=6), 216, ())
    assert coverage.note == "no cycles are on record before 2026-11-15 06:00 UTC"
    assert (coverages["hue:b"].since, coverages["hue:b"].note) == (at(hours=7), None)


def test_nothing_is_reported_of_the_time_before_the_kept_cycles(day: History) -> None:
    """A device that was silent then left no reading that could betray it."""
    day.change("UPDATE device_registry SET first_seen = ?", format_time(at(days=-200)))
    coverage = day.report(since=at(days=-180), keep_days=3)["hue:a"]
    assert (coverage.since, coverage.note) == (at(days=-2), "no cycles are on record before 2026-11-13 00:00 UTC")
    assert [(span.cycles, span.reason) for span in coverage.spans] == [(576, "computer_off")]


def test_without_any_cycle_on_record_the_readings_stand_for_themselves(day: History) -> None:
    day.change("DELETE FROM collection_cycles")
    coverage = day.report()["hue:a"]
    assert (coverage.since, coverage.spans) == (day.now, ()) and "on record" in (coverage.note or "")


def test_a_reading_whose_cycle_is_not_on_record_is_no_gap(day: History) -> None:
    day.change("DELETE FROM collection_cycles WHERE started_at = ?", format_time(at(hours=3)))
    assert day.gaps() == []


def test_a_disabled_collector_is_expected_until_its_last_cycle(day: History) -> None:
    day.silent("hue:a", at(hours=2), at(hours=3))
    coverage = day.report(now=at(days=3), stopped=["hue"])["hue:a"]
    assert [span.cycles for span in coverage.spans] == [12]
    assert (coverage.expected, coverage.note) == (288, "collectors.hue is disabled")


def test_another_interval_makes_other_gaps(database: Path) -> None:
    """Cron that starts a collector half as often as the configuration says leaves every other reading out."""
    history = History(database, SUNDAY, at(days=1), timedelta(minutes=10))
    history.run()
    history.every = EVERY
    coverage = history.report()["hue:a"]
    assert (coverage.stored, coverage.missing, {span.reason for span in coverage.spans}) == (144, 144, {"computer_off"})


def test_a_predecessors_rows_count_as_readings_of_the_utc_that_they_name(database: Path) -> None:
    leave(database, awkward_rows(), NEWEST)
    start = datetime(2025, 11, 18, 14, 30, tzinfo=timezone.utc)
    device = "hue:00:17:88:01-02-0402"
    with manager.writing(database) as connection, manager.transaction(connection):
        for minutes in range(0, 20, 5):
            connection.execute("INSERT INTO collection_cycles (collector, started_at, outcome) VALUES ('hue', ?, 'ok')",
                               (format_time(start + timedelta(minutes=minutes)),))
        registry.record_sightings(connection, [Sighting(device_id=device, device_type="hue_sensor")], "hue", start)
        devices = registry.all_devices(connection)
        coverage, = gaps.report(connection, devices, Window(start, start + timedelta(minutes=20), 300, 90))
        later = gaps.report(connection, devices, Window(start, start + timedelta(minutes=90), 300, 90))
    assert [(span.start, span.cycles) for span in coverage.spans] == [(start + timedelta(minutes=15), 1)]
    assert coverage.stored == 3
    assert [(coverage.device.device_id, coverage.stored, coverage.note) for coverage in later if coverage.note] == [
        ("alexa:GAJ1", 2, "not seen by any collector yet")]


def test_times_that_are_none_are_left_out(day: History) -> None:
    day.change("INSERT INTO readings (timestamp, device_id, device_type, created_at) VALUES ('soon', 'hue:a', 'x', '')")
    day.change("INSERT INTO collection_cycles (collector, started_at, outcome) VALUES ('hue', 'then', 'ok')")
    assert day.report()["hue:a"].stored == 288 and day.gaps() == []


def test_the_index_alone_answers_when_a_device_has_readings(day: History) -> None:
    with manager.reading(day.path) as connection:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        gaps.report(connection, [Device(device_id="hue:a", collector="hue", first_seen=format_time(SUNDAY))],
                    Window(SUNDAY, day.now, 300, 90))
        connection.set_trace_callback(None)
        plans = [str(row[3]) for query in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert any("SEARCH readings USING COVERING INDEX" in plan for plan in plans)
    assert not [plan for plan in plans if plan.startswith("SCAN readings")]


def test_readings_that_a_person_deleted_are_reported_so(day: History) -> None:
    day.delete("hue:a", at(hours=3), at(hours=5))
    day.delete("hue:b", at(hours=4), at(hours=6))
    assert day.gaps() == [(at(hours=3), at(hours=5) - EVERY, 24, "deleted_since")]
    assert day.gaps("hue:b") == [(at(hours=4), at(hours=6) - EVERY, 24, "deleted_since")]


def test_where_it_may_be_this_reading_or_another_that_was_deleted_it_is_not_known(day: History) -> None:
    day.silent("hue:a", at(hours=3), at(hours=5))
    day.delete("hue:b", at(hours=4), at(hours=6))
    assert day.gaps() == [(at(hours=3), at(hours=4) - EVERY, 12, "device_stale_or_unreachable"),
                           (at(hours=4), at(hours=5) - EVERY, 12, "not_known")]
    assert day.gaps("hue:b") == [(at(hours=4), at(hours=5) - EVERY, 12, "not_known"),
                                  (at(hours=5), at(hours=6) - EVERY, 12, "deleted_since")]


def test_an_error_is_not_the_reason_for_a_deletion(day: History) -> None:
    day.change("UPDATE collection_cycles SET outcome = 'partial', error = 'oh' WHERE started_at = ?",
               format_time(at(hours=3)))
    day.delete("hue:a", at(hours=3), at(hours=3) + EVERY)
    day.delete("hue:b", at(hours=3), at(hours=3) + EVERY)
    assert [(span.reason, span.error) for span in day.report()["hue:a"].spans] == [("deleted_since", None)]


def test_a_stale_device_of_a_cycle_whose_readings_moved_on_is_stale(database: Path) -> None:
    """The others stand a second later than the cycle's row, and are not deleted."""
    history = History(database, SUNDAY, at(hours=1))
    history.run()
    moment = at(minutes=30)
    history.silent("hue:a", moment, moment + EVERY)
    history.change("UPDATE readings SET timestamp = ? WHERE timestamp = ?", format_time(moment + timedelta(seconds=1)),
                 format_time(moment))
    assert history.gaps() == [(moment, moment, 1, "device_stale_or_unreachable")] and history.gaps("hue:b") == []


def test_what_waits_in_the_spool_has_run_and_is_missing_for_the_moment(day: History) -> None:
    times = [at(days=1, minutes=minutes) for minutes in (0, 5, 10)]
    cycles = [a_cycle(a_reading("hue:a", times[0]), a_reading("hue:b", times[0]), at=times[0]),
              a_cycle(a_reading("hue:b", times[1]), at=times[1]),
              a_cycle(at=times[2], outcome="unreachable", error="no answer")]
    coverages = day.report(now=at(days=1, minutes=15), waiting=cycles)
    assert [(span.start, span.cycles, span.reason, span.error) for span in coverages["hue:a"].spans] == [
        (times[0], 1, "waiting_in_the_spool", None), (times[1], 1, "device_stale_or_unreachable", None),
        (times[2], 1, "source_unreachable", "no answer")]
    assert [(span.start, span.cycles, span.reason) for span in coverages["hue:b"].spans] == [
        (times[0], 2, "waiting_in_the_spool"), (times[2], 1, "source_unreachable")]
    assert (coverages["hue:a"].expected, coverages["hue:a"].stored) == (291, 288)
    later = day.report(since=at(days=1, minutes=2), now=at(days=1, minutes=15), waiting=cycles)["hue:b"]
    assert [(span.start, span.cycles) for span in later.spans] == [(times[1], 1), (times[2], 1)]


def test_what_is_stored_and_stands_in_the_spool_still_is_not_missing(day: History) -> None:
    """A run that is killed between its commit and letting go leaves it so."""
    moment = at(hours=3)
    assert day.report(waiting=[a_cycle(a_reading("hue:a", moment), at=moment)])["hue:a"].spans == ()


@pytest.mark.parametrize(("outcome", "error_type"), [
    ("interrupted", "Interrupted"), ("interrupted", ""), ("partial", "Interrupted"), ("unreachable", "Interrupted")])
def test_an_interrupted_run_is_not_the_sources_fault(day: History, outcome: str, error_type: str) -> None:
    """The last two are how it was recorded until 2026-11."""
    day.silent("hue:a", at(hours=3), at(hours=3) + EVERY)
    day.change("UPDATE collection_cycles SET outcome = ?, error_type = nullif(?, '') WHERE started_at = ?",
               outcome, error_type, format_time(at(hours=3)))
    assert day.gaps() == [(at(hours=3), at(hours=3), 1, "run_interrupted")] and day.gaps("hue:b") == []


def test_a_cycle_that_waits_from_before_the_window_counts_as_having_run(day: History) -> None:
    """Or one would seem to be missing between the last that is stored, ten minutes earlier, and the first within."""
    cycles = [a_cycle(at=at(days=1, minutes=minutes)) for minutes in (4, 9)]
    coverages = day.report(since=at(days=1, minutes=4, seconds=30), now=at(days=1, minutes=12), waiting=cycles)
    assert [(span.start, span.cycles) for span in coverages["hue:a"].spans] == [(at(days=1, minutes=9), 1)]


def test_a_year_takes_little_memory(database: Path) -> None:
    """An object for each of its cycles took 60 MB; `python -m tests.benchmarks.scale` weighs fifty device-years."""
    year = History(database, SUNDAY - timedelta(days=365), SUNDAY)
    year.run()
    year.silent("hue:a", at(days=-300), at(days=-200))
    tracemalloc.start()
    try:
        coverage = year.report(keep_days=400)["hue:a"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (coverage.stored, coverage.missing) == (265 * 288, 100 * 288) and peak < 10_000_000
