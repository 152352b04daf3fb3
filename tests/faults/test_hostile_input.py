"""Whatever bridge and cloud send, no run fails, no false value is stored, and nothing is injected.

Here documents are altered at random, the same way each time; the collectors' own tests have single odd values
(tests/collectors/hue/test_hostile.py names, sizes and nesting, test_bombs.py memory).
"""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import booleans, lists, tuples

from collectors import amazon_aqm, hue
from tests.collectors.amazon_aqm import samples as air
from tests.collectors.hue import samples as rooms
from tests.collectors.hue.samples import NOW
from tests.faults import WHOLE
from tests.faults.strange_json import ANYTHING, made_strange, numbers, written
from tests.home import Home, Outcome
from tests.simulator.server import Simulator

EXAMPLES = 170 if WHOLE else 15
REPEATABLE = settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
                      suppress_health_check=list(HealthCheck), phases=[Phase.generate])  # to shrink takes minutes
MANY = 6  # strange devices in an answer
SOUND = rooms.box(rooms.OTHER_MAC, "Hall", 1800, first=971)


class House:
    """A home with both collectors at `NOW`; every run starts with the state that a good run left."""

    def __init__(self, folder: Path, simulator: Simulator, clock: Any) -> None:
        self.home, self.simulator, self._clock = Home(folder / "home"), simulator, clock
        self.heard = 0
        self._well = folder / "well"
        self.home.introduce(simulator)
        assert self.home.run(collector=amazon_aqm).code == 0
        shutil.copytree(self.home.data, self._well, ignore=shutil.ignore_patterns("readings*", "logs"))

    def hear(self, collector: Any, body: str | bytes, face: str, *paths: str, known: bool = True) -> Outcome:
        """Run a cycle that gets that body as its answer, with monitors and session already known or not."""
        shutil.rmtree(self.home.data)
        shutil.copytree(self._well, self.home.data)
        self.home.config.with_name("record.id").unlink(missing_ok=True)
        if not known:
            (self.home.data / "amazon_aqm.session.json").unlink()
        self._clock.move_to(NOW)
        self.heard += 1
        self.simulator.faults.clear()
        self.simulator.faults.add("body", face=face, content=body, paths=paths)
        return self.home.run(collector=collector)

    def next_day(self, collector: Any) -> Outcome:
        self.simulator.faults.clear()
        self._clock.move_to(NOW + timedelta(hours=25))
        return self.home.run(collector=collector)

    def endpoints(self) -> list[str]:
        remembered = json.loads((self._well / "amazon_aqm.session.json").read_text(encoding="utf-8"))
        return [each["endpoint_id"] for each in remembered["discovered"]["found"]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with several monitors, whose clock stands still."""
    with Simulator(tls=None, monitors=1 + MANY) as simulator, freeze_time(NOW) as clock:
        house = House(tmp_path_factory.mktemp("hostile"), simulator, clock)
        yield house
        if WHOLE:
            print(f"\n{house.heard} strange answers heard")


def assert_harmless(house: House, outcome: Outcome, *codes: int) -> None:
    """No crash, a right exit code; only printable text and finite numbers in log, stderr and rows."""
    log = house.home.log()
    assert outcome.code in codes, (outcome, log)
    assert "Traceback" not in outcome.err + log and "a fault in the program" not in outcome.err + log
    assert all(re.match(r"2026-11-2[23]T\S+ [A-Z]+ (hue|amazon_aqm) ", line) for line in log.splitlines()), log
    assert all(line.isprintable() for text in (log, outcome.err, outcome.out) for line in text.split("\n"))
    for row in house.home.rows() + house.home.rows("SELECT * FROM device_registry") + house.home.cycles():
        assert all(value.isprintable() for value in row.values() if isinstance(value, str)), row
        assert all(abs(value) < float("inf") for value in row.values() if isinstance(value, float)), row


@REPEATABLE
@given(odd=tuples(*(made_strange(rooms.box(f"{rooms.MAC[:-1]}{number}", first=10 * number))
                    for number in range(MANY))))
def test_strange_sensors_cost_no_other_one_its_reading(house: House, odd: tuple[Any, ...]) -> None:
    """Nothing is stored as a temperature that was not a number in the answer."""
    inside = [each[1:-1] for each in map(written, (SOUND, *odd)) if each.startswith("{") and each != "{}"]
    outcome = house.hear(hue, "{" + ",".join(inside) + "}", "hue", "/sensors")
    assert_harmless(house, outcome, 0)
    rows = {row["device_id"]: row for row in house.home.rows()}
    assert rows.pop(f"hue:{rooms.OTHER_MAC}-02-0402")["temperature_celsius"] == 18.0
    sent = {round(number / 100, 2) for number in numbers(list(odd))}
    assert {row["temperature_raw"] for row in rows.values()} <= sent
    assert all(row["battery_level"] is None or 0 <= row["battery_level"] <= 100 for row in rows.values())


@REPEATABLE
@given(odd=lists(made_strange({"friendlyNameObject": air.text("Odd"), "features": [
    air.temperature(21.5), air.value("4", 45), air.value("8", 0), air.reachable()]}), min_size=MANY, max_size=MANY))
def test_strange_monitors_cost_no_other_one_its_reading(house: House, odd: list[Any]) -> None:
    sound, *strange = house.endpoints()
    body = written([air.wrapped(
        "listEndpoints", "endpoints", {"endpointId": sound, "features": [air.temperature(19.5), air.value("4", 50)]},
        *({**monitor, "endpointId": name} if isinstance(monitor, dict) else monitor for name, monitor in zip(strange, odd)))])
    assert_harmless(house, house.hear(amazon_aqm, body, "alexa", "/nexus"), 0)
    first, *others = house.home.rows("SELECT * FROM readings ORDER BY temperature_celsius IS NOT 19.5")
    assert (first["temperature_celsius"], first["humidity_percent"]) == (19.5, 50)
    sent = {value for number in numbers(odd)
            for value in (number, round(number, 2), round((number - 32) * 5 / 9, 2))}
    stored = {row[column] for row in others for column in ("temperature_celsius", "humidity_percent", "co_ppm",
                                                           "voc_index", "pm25_ugm3", "pm10_ugm3", "iaq_score")}
    assert stored - {None} <= sent


SECRET_COOKIES = {"response": {"tokens": {"cookies": {".amazon.co.uk": [{"Name": "session-id", "Value": "1"}]}}}}
LISTED = {"listEndpoints": {"endpoints": [air.listed()]},
          "listDeviceGroups": {"deviceGroups": [air.group("Hall", air.ID)]}}
PLACES: dict[str, tuple[Any, str, list[str], Any]] = {
    "sensors": (hue, "hue", ["/sensors"], SOUND | rooms.box()),
    "configuration": (hue, "hue", [], {"bridgeid": "001788FFFE000000", "sensors": SOUND | rooms.box()}),
    "errors": (hue, "hue", [], [{"error": {"type": 1, "address": "/", "description": "unauthorized user"}}]),
    "discovery": (hue, "discovery", [], [{"id": "001788FFFE000000", "internalipaddress": "127.0.0.1", "port": 9}]),
    "cloud": (amazon_aqm, "alexa", ["/nexus"], [air.wrapped("listEndpoints", "endpoints", air.listed())]),
    "cloud's errors": (amazon_aqm, "alexa", ["/nexus"], [{"data": None, "errors": [{
        "message": "no", "extensions": {"errorCode": "FORBIDDEN", "isRetryable": True}}]}]),
    "log-in": (amazon_aqm, "alexa", ["/ap"], SECRET_COOKIES),
    "all of Amazon": (amazon_aqm, "alexa", [], SECRET_COOKIES | {"data": LISTED}),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_strange_answer_anywhere_is_no_fault_and_over_by_the_next_day(house: House, place: str) -> None:
    """Exit codes stay right, and no remembered state spoils a later good answer."""
    collector, face, paths, document = PLACES[place]
    if place == "discovery":
        house.home.configure_hue(bridge_ip="http://127.0.0.1:9")

    @settings(REPEATABLE, max_examples=EXAMPLES // 5)
    @given(strange=made_strange(document) | ANYTHING, known=booleans())
    def try_it(strange: Any, known: bool) -> None:
        outcome = house.hear(collector, written(strange), face, *paths, known=known)
        assert_harmless(house, outcome, 0, 1, 2)
        assert house.next_day(collector).code == 0
        assert_harmless(house, outcome, 0, 1, 2)

    try:
        try_it()
    finally:
        house.home.configure_hue(bridge_ip=house.simulator.http_url)
