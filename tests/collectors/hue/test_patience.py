"""How long we wait for a bridge that rate-limits us, is slow, or is silent."""

import re
from datetime import datetime, timedelta, timezone

import pytest
from freezegun import freeze_time

from tests.home import Home
from tests.simulator.server import Simulator


def test_waits_grow_from_one_try_to_the_next(home: Home, simulator: Simulator, waits: list[float]) -> None:
    home.point_at(simulator)
    home.write_config(retry={"base_delay_seconds": 1})
    simulator.faults.add("429")
    assert home.run().code == 1
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_that_the_bridge_asks_for_is_kept(
        form: str, home: Home, simulator: Simulator, waits: list[float]) -> None:
    home.point_at(simulator)
    moment = datetime.now(timezone.utc) + timedelta(seconds=8)
    simulator.faults.add("429", times=1, retry_after=7 if form == "seconds" else moment)
    assert home.run().code == 0
    assert len(waits) == 1 and 5 < waits[0] <= 9


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_wait_too_long_for_this_cycle_is_kept_by_the_next_ones(form: str, home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    until = datetime.now(timezone.utc) + timedelta(hours=1)
    simulator.faults.add("429", times=1, retry_after=3600 if form == "seconds" else until)
    assert home.run().code == 1
    assert home.run().code == 1
    assert len(simulator.requests) == 1
    assert [(cycle["outcome"], cycle["requests"]) for cycle in home.cycles()] == [("throttled", 1), ("throttled", 0)]
    with freeze_time(until + timedelta(minutes=1), tick=True):
        assert home.run().code == 0
    assert home.run().code == 0
    assert len(simulator.requests) == 3


@pytest.mark.parametrize("retry_after", ["soon", "-5", "", "1.5", "٣", "9" * 5000, "Sun, 99 Nov 2026 00:55:00 GMT"])
def test_a_senseless_wait_is_short(retry_after: str, home: Home, simulator: Simulator, waits: list[float]) -> None:
    home.point_at(simulator)
    retry_after = retry_after.encode().decode("latin-1")
    simulator.faults.add("429", times=1, retry_after=retry_after)
    home.run()
    with freeze_time(datetime.now(timezone.utc) + timedelta(hours=4, minutes=1), tick=True):
        assert home.run().code == 0


@pytest.mark.parametrize("kind", ["drip-body", "drip-headers", "silence", "silent-handshake"])
def test_a_bridge_that_dawdles_is_given_up_after_the_time_out(kind: str, home: Home, simulator: Simulator) -> None:
    """However it dawdles: the time-out is one for the whole answer, not one for each byte."""
    home.point_at(simulator, timeout_seconds=0.5)
    home.configure_hue(discovery_url=None)
    home.write_config(retry={"max_attempts": 1})
    simulator.faults.add(kind)
    outcome = home.run()
    assert outcome.code == 1 and "within 0.5 s" in outcome.err
    assert home.cycles()[0]["outcome"] == "unreachable"


@pytest.mark.slow
def test_a_bridge_that_dawdles_at_every_try_does_not_stretch_the_cycle_beyond_its_deadline(
        home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, timeout_seconds=300)
    home.write_config(collection={"cycle_deadline_seconds": 10})
    simulator.faults.add("drip-body")
    simulator.faults.add("drip-body", face="discovery")
    outcome = home.run()
    given = re.search(r"within ([\d.]+) s", outcome.err)
    assert outcome.code == 1 and given and float(given[1]) <= 4  # 6 of the 10 seconds are kept for storing


def test_a_bridge_without_power_is_tried_three_times(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    home.configure_hue(discovery_url=None)
    simulator.close()
    outcome = home.run()
    assert outcome.code == 1
    assert "connection refused" in outcome.err
    assert [event["attempt"] for event in home.rows("SELECT attempt FROM retry_events ORDER BY id")] == [1, 2, 3]


@pytest.mark.slow
def test_a_bridge_that_answers_503_has_power_even_if_time_runs_out(home: Home, simulator: Simulator) -> None:
    """The last request gets no answer before the cycle's end; the row has what it answered before."""
    home.point_at(simulator, timeout_seconds=300)
    home.write_config(collection={"cycle_deadline_seconds": 10})
    simulator.faults.add("503", times=2)
    simulator.faults.add("silence", seconds=20)
    outcome = home.run()
    assert outcome.code == 1 and "server error (HTTP 503)" in outcome.err and "power" not in outcome.err
    assert home.cycles()[0]["error_type"] == "BadAnswer"
