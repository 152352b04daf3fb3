"""The simulated house is arithmetic, and its bridge answers like a real one."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from tests.simulator.asking import ask, temperatures
from tests.simulator.house import House
from tests.simulator.server import Simulator

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=timezone.utc)


class ManualClock:
    """A clock that is set by hand."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def frozen() -> Iterator[Simulator]:
    """A simulator with one sensor, at a winter noon, its clock stopped."""
    with Simulator(sensors=1, clock=lambda: NOW) as running:
        yield running


def test_the_temperature_is_arithmetic_and_survives_any_restart() -> None:
    first, second = House(seed=1, sensors=3), House(seed=1, sensors=3)
    assert [first.temperature(room, NOW) for room in first.rooms] == [20.54, 23.39, 1.04]
    assert [second.temperature(room, NOW) for room in second.rooms] == [20.54, 23.39, 1.04]
    assert first.sensors == second.sensors


def test_sensors_report_every_five_minutes_each_at_its_own_time() -> None:
    house = House(sensors=6)
    reports: dict[str, list[datetime]] = {sensor.uniqueid(): [] for sensor in house.sensors}
    for second in range(0, 7200, 10):
        when = NOW + timedelta(seconds=second)
        for uniqueid, seen in reports.items():
            last = house.last_report(uniqueid, when)
            assert last <= when
            if last not in seen:
                seen.append(last)
    for seen in reports.values():
        assert all(280 <= (later - earlier).seconds <= 320 for earlier, later in zip(seen, seen[1:]))
    assert len({seen[1] for seen in reports.values()}) == 6


def test_the_bridge_shows_the_temperature_of_the_last_report() -> None:
    clock = ManualClock()
    with Simulator(sensors=6, clock=clock) as simulator:
        for minutes in (0, 1, 7):
            clock.now = NOW + timedelta(minutes=minutes)
            for entry in temperatures(simulator):
                reported = simulator.house.last_report(entry["uniqueid"], clock.now)
                assert entry["state"]["lastupdated"] == reported.strftime("%Y-%m-%dT%H:%M:%S")
                assert entry["state"]["temperature"] / 100 == simulator.house.truth(entry["uniqueid"], reported)


@pytest.mark.parametrize("sensors, part, whole", [(3, 8.8, 26), (15, 37, 145), (50, 104, 304)])
def test_answers_weigh_what_a_real_bridges_do(sensors: int, part: float, whole: float) -> None:
    with Simulator(sensors=sensors) as simulator:
        assert len(ask(simulator).content) / 1000 == pytest.approx(part, rel=0.2)
        assert len(ask(simulator, "").content) / 1000 == pytest.approx(whole, rel=0.2)
