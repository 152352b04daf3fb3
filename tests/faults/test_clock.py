"""Clocks that are set back or ahead, change to summer time, pass 2038 or have no battery: no reading is lost.

The simulated house keeps the true time while the program's clock is set; every cycle has distinct values.
"""

import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from freezegun import freeze_time

from collectors import amazon_aqm, hue
from runtime.formats import format_time
from storage import alert_files
from tests.checkout import CHECKOUT
from tests.fake_clock import library, starting_at, tidy_up_after
from tests.faults import WHOLE
from tests.faults.workload import DAY, EVERY, HOUR, NOON, STEADY, Life
from tests.home import Home
from tests.simulator.server import Simulator

BEFORE = 14  # cycles before a step: more than an hour
LEAPS = [-HOUR, DAY, -400 * DAY, *([-DAY, 4000 * DAY] if WHOLE else [])]
ALEXA_ALERT = "ALERT_TOKEN_REFRESH_NEEDED.txt"

STEPS: dict[str, list[datetime | timedelta]] = {
    "an hour back": [-HOUR], "an hour back, twice": [-HOUR, -HOUR], "a day ahead": [DAY],
    "a day ahead and back": [DAY, -DAY], "a second back": [-timedelta(seconds=1)], "a month back": [-30 * DAY],
    "to 1970 and back": [datetime(1970, 1, 1, tzinfo=timezone.utc), NOON + 5 * HOUR],
    **{f"to {year}": [datetime(year, month, day, hour, minute, tzinfo=timezone.utc)]
       for year, month, day, hour, minute in [(2038, 1, 19, 3, 4), (2106, 2, 7, 6, 20), (2262, 4, 11, 23, 40)]},
    "to 2999 and back": [datetime(2999, 12, 31, 23, 30, tzinfo=timezone.utc), NOON + 5 * HOUR],
}


@pytest.fixture
def life(home: Home) -> Iterator[Life]:
    with Simulator(tls=None) as simulator, freeze_time(NOON, ignore=STEADY) as clock:
        yield Life(home, simulator, clock)


@pytest.mark.parametrize("name", STEPS if WHOLE else ["an hour back", "a day ahead and back", "to 1970 and back",
                                                      "to 2038"])
def test_a_step_of_the_clock_costs_no_reading(life: Life, name: str) -> None:
    for to in (timedelta(0), *STEPS[name]):
        life.step(to)
        for _ in range(BEFORE if WHOLE else 4):
            assert [each.code for each in life.cycle()] == [0, 0]
    life.assert_nothing_is_lost()
    if WHOLE:
        print(f"\n{name}: {2 * life.cycles} cycles, {len(life.given)} of {len(life.given)} readings")


def test_a_clock_that_was_an_hour_ahead_lives_that_hour_twice(life: Life) -> None:
    """Every second of it has two values; the later ones move to the next free second."""
    for to in (HOUR, -HOUR):
        life.step(to)
        for _ in range(BEFORE):
            assert life.cycle(hue)[0].code == 0
    life.assert_nothing_is_lost()
    seconds = {datetime.fromisoformat(row["timestamp"]).second for row in life.home.rows()}
    assert seconds == {0, 1} and "was the clock set back?" in life.home.log()


@pytest.mark.parametrize("step", LEAPS, ids=str)
def test_a_step_in_the_middle_of_a_run_changes_nothing_of_it(life: Life, step: timedelta) -> None:
    life.simulator.faults.add("503", times=1)
    assert life.cycle(hue, during=lambda: life.clock.move_to(life.now + step))[0].code == 0
    assert {row["timestamp"] for row in life.home.rows()} == {format_time(life.now)}
    assert {row["at"] for row in life.home.rows("SELECT at FROM retry_events")} == {format_time(life.now)}
    life.assert_nothing_is_lost()


@pytest.mark.parametrize("step", LEAPS, ids=str)
def test_a_pause_that_a_source_asked_for_does_not_last_because_of_a_step(life: Life, step: timedelta) -> None:
    """An hour's pause becomes two by an hour's step back; after any greater step it is over."""
    life.simulator.faults.add("429", times=1, retry_after=3600)
    assert life.cycle(hue)[0].code == 1
    life.step(step)
    codes = [life.cycle(hue)[0].code for _ in range(26 if step == -HOUR else 2)]
    assert codes == sorted(codes, reverse=True) and codes.count(1) == (23 if step == -HOUR else 0)


@pytest.mark.parametrize("step", LEAPS, ids=str)
def test_a_problem_is_printed_again_in_time_whatever_the_clock_does(life: Life, step: timedelta) -> None:
    """At once after a step, since its age is unknown then; after that once in 24 hours as usual."""
    life.simulator.faults.add("503")
    assert [bool(life.cycle(hue)[0].err) for _ in range(3)] == [True, False, False]
    life.step(step)
    assert [bool(life.cycle(hue)[0].err) for _ in range(3)] == [True, False, False]
    life.step(DAY)
    assert [bool(life.cycle(hue)[0].err) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("step", LEAPS, ids=str)
def test_an_alert_keeps_the_time_it_was_raised_at(life: Life, step: timedelta) -> None:
    life.simulator.alexa.revoke()
    assert life.cycle(amazon_aqm)[0].code == 2
    raised = format_time(life.now)
    life.step(step)
    assert life.cycle(amazon_aqm)[0].code == 2
    alert = alert_files.read(life.home.data / ALEXA_ALERT) or {}
    assert (alert["raised_at"], alert["last_seen_at"], alert["occurrences"]) == (raised, format_time(life.now), "2")
    life.home.write_secrets({"amazon_aqm": {"refresh_token": life.simulator.alexa.new_refresh_token()}})
    assert life.cycle(amazon_aqm)[0].code == 0 and not (life.home.data / ALEXA_ALERT).exists()


@pytest.fixture
def house(home: Home) -> Iterator[tuple[Home, Simulator]]:
    """A home whose sources have the true time, and have been read once."""
    if not library():
        pytest.skip("it takes Debian's libfaketime to give a process another time")
    with Simulator(tls=None) as simulator:
        home.introduce(simulator)
        yield home, simulator


def run_at(home: Home, collector: str, at: datetime) -> tuple[int, str]:
    """Run a collector as a process that starts at that time; return its exit code and stderr."""
    with subprocess.Popen(home.command(module=f"collectors.{collector}"), cwd=CHECKOUT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env={**os.environ, **starting_at(at)}) as run:
        out, err = run.communicate()
    tidy_up_after(run.pid)
    assert out == ""
    return run.returncode, err


@pytest.mark.parametrize("collector", ["hue", "amazon_aqm"])
def test_three_hours_behind_the_record_a_cycle_has_the_time_of_its_source(
        house: tuple[Home, Simulator], collector: str) -> None:
    """A Raspberry Pi after a power cut, before NTP answers."""
    home, simulator = house
    before, between = datetime(2027, 1, 2, 12, tzinfo=timezone.utc), datetime(2027, 1, 2, 12, 5, tzinfo=timezone.utc)
    for true, ours, warns in [(before, before, False), (between, between - 3 * HOUR, True),
                              (between + EVERY, between - 3 * HOUR + EVERY, False), (between + HOUR, between + HOUR, False),
                              (between + 2 * HOUR, between - HOUR, True)]:
        simulator.clock = partial(_fixed, true)
        code, err = run_at(home, collector, ours)
        assert (code, "timedatectl status" in err) == (0, warns), err
        *_, cycle = home.cycles()
        assert abs(datetime.fromisoformat(cycle["started_at"]) - true) < EVERY / 5
        assert abs(cycle["clock_offset_seconds"] - (ours - true).total_seconds()) < 60
        assert cycle["outcome"] == "ok" and cycle["stored"] > 0
    assert {row["timestamp"] for row in home.rows()} == {cycle["started_at"] for cycle in home.cycles()}
    assert home.log().count(f"the time of the cycle is that of {collector}") == 3


@pytest.mark.parametrize("collector", ["hue", "amazon_aqm"])
def test_eight_hours_ahead_a_cycle_keeps_our_time_and_warns(house: tuple[Home, Simulator], collector: str) -> None:
    home, simulator = house
    true = datetime(2027, 1, 2, 12, tzinfo=timezone.utc)
    simulator.clock = partial(_fixed, true)
    assert run_at(home, collector, true)[1] == ""
    for offset, warns in [(8 * HOUR, True), (8 * HOUR + EVERY, False), (timedelta(minutes=1), False)]:
        code, err = run_at(home, collector, true + offset)
        assert (code, "ahead of" in err) == (0, warns), err
        *_, cycle = home.cycles()
        assert abs(datetime.fromisoformat(cycle["started_at"]) - true - offset) < EVERY / 5
        assert abs(cycle["clock_offset_seconds"] - offset.total_seconds()) < 60
    assert home.log().count("the time of the cycle is this machine's") == 2
    simulator.close()
    code, err = run_at(home, collector, true)
    assert code == 1 and "behind the newest stored cycle" in err and f"{collector} gave no time" in err
    *_, cycle = home.cycles()
    assert cycle["clock_offset_seconds"] is None and cycle["started_at"].startswith("2027-01-02T12:0")


@pytest.mark.parametrize("collector", [hue, amazon_aqm], ids=["hue", "amazon_aqm"])
@pytest.mark.parametrize("step", [8 * HOUR, -3 * HOUR], ids=str)
def test_after_a_jump_during_the_request_a_cycle_has_the_time_of_its_source(
        life: Life, collector: Any, step: timedelta) -> None:
    """A machine that was suspended, or whose clock NTP corrected: the source answers after the jump."""
    def jump() -> None:
        if life.true == life.now:  # at the first request only
            life.true += step
            life.clock.move_to(life.true)
    run, = life.cycle(collector, during=jump)
    assert run.code == 0 and "jumped by" in run.err
    life.assert_nothing_is_lost()
    cycle, = life.home.cycles()
    assert {row["timestamp"] for row in life.home.rows()} == {cycle["started_at"]} == {format_time(life.true)}
    assert abs(cycle["clock_offset_seconds"] + step.total_seconds()) < 60


def test_the_times_of_retries_move_with_their_cycle(life: Life) -> None:
    life.cycle(hue)
    life.step(-3 * HOUR)
    life.simulator.faults.add("503", times=1)
    assert life.cycle(hue)[0].code == 0
    assert life.home.rows("SELECT DISTINCT at, cycle_started_at FROM retry_events") == [
        {"at": format_time(life.true), "cycle_started_at": format_time(life.true)}]


def test_a_source_whose_clock_was_never_set_does_not_date_our_readings(life: Life) -> None:
    """A bridge without internet starts in 1970."""
    life.cycle(hue)
    life.step(-HOUR)
    life.simulator.faults.add("date", seconds=-56 * 365 * 86_400)
    assert life.cycle(hue)[0].code == 0
    assert life.home.cycles()[-1]["started_at"] == format_time(life.now)


def test_a_dry_run_with_a_wrong_clock_warns_and_stores_nothing(life: Life) -> None:
    life.step(8 * HOUR)
    life.clock.move_to(life.now)
    run = life.home.run("--dry-run")
    assert run.code == 0 and "ahead of that of hue" in run.err and not life.home.database.exists()


CHANGES = {"Europe/Berlin, March": ("Europe/Berlin", datetime(2027, 3, 28, 1, tzinfo=timezone.utc)),
           "Europe/Berlin, October": ("Europe/Berlin", datetime(2027, 10, 31, 1, tzinfo=timezone.utc)),
           "Lord Howe, April": ("Australia/Lord_Howe", datetime(2027, 4, 3, 15, tzinfo=timezone.utc)),
           "Lord Howe, October": ("Australia/Lord_Howe", datetime(2027, 10, 2, 15, 30, tzinfo=timezone.utc)),
           "the end of 32 bits": ("UTC", datetime(2038, 1, 19, 3, 14, 7, tzinfo=timezone.utc))}
AROUND = 12 if WHOLE else 1  # cycles on either side


@pytest.mark.skipif(not library(), reason="it takes Debian's libfaketime to give a process another time")
@pytest.mark.parametrize("change", CHANGES if WHOLE else ["Europe/Berlin, October"])
def test_real_processes_run_through_a_change_of_local_time(home: Home, change: str) -> None:
    zone, moment = CHANGES[change]
    before = (moment - HOUR).astimezone(ZoneInfo(zone))
    assert zone == "UTC" or moment.astimezone(ZoneInfo(zone)).utcoffset() != before.utcoffset()
    moments = [moment + EVERY * turn for turn in range(-AROUND, AROUND + 1)]
    with Simulator(tls=None) as simulator:
        home.point_at(simulator, scheme="http")
        for at in moments:
            offset = at - datetime.now(timezone.utc)
            simulator.clock = partial(_shifted, offset)
            with subprocess.Popen(home.command(), cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={
                    **os.environ, "TZ": zone, **starting_at(at)}) as run:
                assert run.communicate() == (b"", b"") and run.returncode == 0
            tidy_up_after(run.pid)
    rows = home.rows()
    late = [datetime.fromisoformat(row["timestamp"]) - moments[number // 5] for number, row in enumerate(rows)]
    assert len(rows) == 5 * len(moments) and all(timedelta(0) <= each < EVERY for each in late)
    assert all(0 <= each["duration_ms"] < 10_000 for each in home.cycles())
    logged_at = [datetime.strptime(line.split()[0], "%Y-%m-%dT%H:%M:%S%z") for line in home.log().splitlines()]
    assert logged_at == sorted(logged_at)
    if WHOLE:
        print(f"\n{change}: {len(moments)} real runs, {len(rows)} of {5 * len(moments)} readings")


def _fixed(moment: datetime) -> datetime:
    return moment


def _shifted(offset: timedelta) -> datetime:
    return datetime.now(timezone.utc) + offset
