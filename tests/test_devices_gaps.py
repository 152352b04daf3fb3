"""The gap report after real cycles of both collectors, by a clock that the tests move, with all kinds of trouble."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from time import tzset
from typing import Any

import pytest
from freezegun import freeze_time

from collectors import amazon_aqm
from runtime.files import locked
from storage import manager
from tests.home import Home, Outcome
from tests.simulator.server import Simulator
from tests.storage.samples import start

# An hour before clocks are set back in Berlin, and forward.
STARTS = [datetime(2026, 10, 25, 0, 0, tzinfo=timezone.utc), datetime(2027, 3, 28, 0, 0, tzinfo=timezone.utc)]
EVERY = timedelta(minutes=5)
ROOMS = ("Utility", "Küche", "Außen", "Living room", "Büro")
UTILITY = "hue:00:17:88:01:cc:75:00:01-02-0402"


class House:
    """A home whose collectors run every five minutes of a simulated clock."""

    def __init__(self, home: Home, simulator: Simulator, moment: datetime) -> None:
        self.home, self.simulator, self.moment = home, simulator, moment
        simulator.clock = lambda: self.moment
        home.introduce(simulator)

    def live(self, cycles: int, *faults: str, ran: bool = True, **options: Any) -> tuple[datetime, datetime]:
        """Let that many cycles pass; return when the first and the last of them were due."""
        first = self.moment
        for fault in faults:
            self.simulator.faults.add(fault, **options)
        for _ in range(cycles):
            with freeze_time(self.moment, tick=True):
                if ran:
                    self.home.run()
                    assert self.home.run(collector=amazon_aqm).code == 0
            self.moment += EVERY
        self.simulator.faults.clear()
        return first, self.moment - EVERY

    def run_hue(self) -> None:
        self.home.run()

    def be_killed(self, number: int, others_run: bool) -> None:
        """Let a cycle pass whose Hue run is killed while the bridge is silent; the other collector runs or not."""
        asked = len(self.simulator.requests)
        self.simulator.faults.add("silence")
        with freeze_time(self.moment, tick=True):
            process = start(self.run_hue)
            while len(self.simulator.requests) == asked:
                assert process.is_alive()
            os.kill(process.pid or 0, number)
            process.join()
            assert process.exitcode != 0
            self.simulator.faults.clear()
            if others_run:
                assert self.home.run(collector=amazon_aqm).code == 0
        self.moment += EVERY

    def ask(self, *arguments: str, answer: str = "") -> Outcome:
        with freeze_time(self.moment - EVERY + timedelta(minutes=1), tick=True):
            run = self.home.desk(*arguments, answer=answer)
        assert run.code == 0, run.err
        return run

    def gaps(self, *arguments: str) -> dict[str, dict[str, Any]]:
        return {item["name"]: item for item in json.loads(self.ask("gaps", "--json", *arguments).out)}


@pytest.fixture(params=STARTS, ids=["back", "forward"])
def house(home: Home, simulator: Simulator, request: pytest.FixtureRequest,
          monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A house in Berlin in the nights in which clocks change, which readings in UTC do not notice."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    tzset()
    yield House(home, simulator, request.param)
    monkeypatch.undo()
    tzset()


def test_every_kind_of_gap_is_reported_to_the_cycle_with_its_reason(house: House) -> None:
    spans: list[tuple[str, tuple[datetime, datetime]]] = []
    house.live(3)
    spans.append(("source_unreachable", house.live(3, "reset")))
    house.live(2)
    spans.append(("not_authorised", house.live(2, "key-refused")))
    spans.append(("throttled", house.live(2, "429")))
    house.live(2)
    spans.append(("device_stale_or_unreachable", house.live(3, "stale", sensor="Utility")))
    house.live(1)
    with locked(house.home.data / "hue.lock", 0):
        spans.append(("overlapping_run", house.live(1)))
    house.live(2)
    spans.append(("computer_off", house.live(4, ran=False)))
    house.live(3)
    found = house.gaps()
    assert [(each["reason"], each["from"], each["to"], each["cycles"]) for each in found["Utility"]["spans"]] == [
        (reason, start.isoformat(), end.isoformat(), (end - start) // EVERY + 1) for reason, (start, end) in spans]
    assert {name: (each["expected"], each["stored"], each["missing"]) for name, each in found.items()} == {
        name: {"Utility": (28, 13, 15)}.get(name, (28, 16, 12) if name in ROOMS else (28, 24, 4)) for name in found}
    assert len(found) == 6 and found.keys() > set(ROOMS)
    refused = next(each for each in found["Utility"]["spans"] if each["reason"] == "not_authorised")
    assert "refuse" in refused["error"] and house.simulator.key not in json.dumps(found)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(("others_run", "reason", "words"), [
    (True, "collector_not_run", "not started, or killed: others left a trace"),
    (False, "computer_off", "computer off, or the run was killed: no collector left a trace")])
def test_a_run_that_was_killed_early_is_one_of_two_possible_reasons(
        house: House, number: int, others_run: bool, reason: str, words: str) -> None:
    house.live(2)
    killed = house.moment
    house.be_killed(number, others_run)
    house.live(1)
    assert [(each["from"], each["cycles"], each["reason"]) for each in house.gaps()["Utility"]["spans"]] == [
        (killed.isoformat(), 1, reason)]
    assert f"{killed:%Y-%m-%d %H:%M}  1 cycle  {words}" in house.ask("gaps").out


def test_spooled_readings_are_a_gap_until_they_are_stored(house: House) -> None:
    house.live(2)
    house.home.write_config(storage={"busy_timeout_ms": 0}, retry={"max_attempts": 1})
    first = house.moment
    with locked(manager.lock_path(house.home.database), 0), freeze_time(first, tick=True):
        assert (house.home.run().code, house.home.run(collector=amazon_aqm).code) == (1, 1)
    house.moment += EVERY
    asked = house.ask("gaps")
    assert "6 readings wait in the spool for the next cycle" in asked.err
    assert asked.out.count(f"{first:%Y-%m-%d %H:%M}  1 cycle  waiting in the spool") == 6
    house.live(1)
    assert [each["spans"] for each in house.gaps().values()] == [[]] * 6


def test_the_report_is_limited_to_its_window(house: House) -> None:
    house.live(2, "stale", sensor="Utility")
    house.live(6)
    assert [each["spans"] for each in house.gaps("--since", "20m").values()] == [[]] * 6
    assert len(house.gaps("--since", "2h")["Utility"]["spans"]) == 1


def test_a_disabled_collector_is_not_expected_to_run(house: House) -> None:
    house.live(2)
    house.home.configure_hue(enabled=False)
    house.live(4)
    found = house.gaps()["Utility"]
    assert (found["expected"], found["spans"], found["note"]) == (2, [], "collectors.hue is disabled")


def test_without_devices_it_says_so(home: Home) -> None:
    home.write_config()
    with manager.writing(home.database):
        pass
    assert home.desk("gaps").out.endswith("There are no devices yet.\n")
