"""Hostile answers: broken entries, bombs, oversized documents, unprintable names.

None of it may end a run, cost a sound neighbour its reading, or reach log, terminal or SQL as anything but text.
"""

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from runtime.errors import RemoteError
from tests.collectors.hue.samples import MAC, OTHER_MAC, box, collect, entry, reading, readings, with_literal
from tests.home import Home
from tests.simulator.server import Simulator

HOSTILE_NAMES = ["a\nERROR hue cycle forged", "\x1b[2J\x1b]0;owned\x07", "'; DROP TABLE readings; --", "%s%n{}",
                 "\r\x00\x85", "\ud800", "\u2028\u202e", '"quoted"', "n" * 10_000]


@pytest.mark.parametrize("junk", [None, True, 0, -1, 1.5, "text", [], [[]], {}, {"a": None}], ids=repr)
@pytest.mark.parametrize("part", ["state", "config", "name", "type", "modelid", "uniqueid", None])
def test_a_broken_entry_does_not_affect_the_others(part: str | None, junk: Any) -> None:
    sensors = {**box(OTHER_MAC, "Hall", 1800, first=7), **box()}
    for number in "456":
        sensors[number] = {**sensors[number], part: junk} if part else junk
    found = {each.device_id: each for each in readings(sensors, collect_raw_response=True)}
    hall = found.pop(f"hue:{OTHER_MAC}-02-0402")
    assert (hall.name, hall.temperature_celsius, hall.light_lux) == ("Hall", 18.0, 100.0)
    assert all(each.temperature_celsius == 20.29 for each in found.values())


@pytest.mark.parametrize("unique_id", ["", " ", "a\nb", "hue\x00", "\ud800", "u" * 10_000, 17, None, ["x"]])
def test_a_thermometer_without_identity_is_ignored(unique_id: Any, caplog: pytest.LogCaptureFixture) -> None:
    sensors = box()
    sensors["5"]["uniqueid"] = unique_id
    assert collect(sensors) == []
    assert "sensor without uniqueid: Hue temperature sensor 1" in caplog.text


@pytest.mark.parametrize("said", ["{}", '{"1": {"type": "Daylight"}}', '{"error": 1}'])
def test_a_bridge_without_thermometers_has_nothing_to_tell(said: str) -> None:
    assert collect(said) == []


def test_of_a_duplicate_key_the_last_counts() -> None:
    twice = json.dumps(box())[:-1] + "," + json.dumps(box(temperature=1800))[1:]
    assert reading(twice).temperature_celsius == 18.0


@pytest.mark.parametrize("depth", [50, 500, *range(900, 1000, 9), 5_000, 9_900])
def test_json_however_deep_is_either_read_and_kept_or_refused(depth: int) -> None:
    """Reading JSON and writing it recurse separately: neither may end in a RecursionError."""
    sensors = box()
    sensors["5"]["swupdate"] = "HERE"
    said = with_literal(sensors, "[" * depth + "]" * depth)
    try:
        assert reading(said, collect_raw_response=True).temperature_celsius == 20.29
    except RemoteError:
        assert depth > 500


def test_the_bridges_own_words_are_kept_as_json_that_others_can_read() -> None:
    sensors = box(name="half \ud83d")
    sensors["5"]["swupdate"] = "HERE"
    kept = reading(with_literal(sensors, "[1e999, NaN, -1e999]"), collect_raw_response=True).raw_response

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    json.loads(kept or "", parse_constant=refuse)


@pytest.mark.alone
def test_ten_thousand_sensors_are_ten_thousand_readings(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")
    updated_at = datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="seconds")
    sensors = {}
    for number in range(10_000):
        mac = MAC[:-5] + f"{number // 256:02x}:{number % 256:02x}"
        sensors[str(number)] = entry("ZLLTemperature", f"Sensor {number}", mac, temperature=number - 5000)
        sensors[str(number)]["state"]["lastupdated"] = updated_at
    simulator.faults.add("body", content=json.dumps(sensors))
    assert home.run().code == 0
    counted = home.rows("SELECT count(DISTINCT device_id), min(temperature_celsius) FROM readings")
    assert [tuple(row.values()) for row in counted] == [(10_000, -50.0)]


def test_hostile_names_reach_database_log_and_terminal_as_harmless_text(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")
    document: dict[str, Any] = {}
    for number, name in enumerate(HOSTILE_NAMES):
        mac = f"{MAC[:-2]}{number:02x}"
        document |= box(mac, name, None, first=number * 10)
    simulator.faults.add("body", content=json.dumps(document))
    outcome = home.run("-v")
    assert outcome.code == 0
    assert len(home.rows("SELECT * FROM device_registry")) == len(HOSTILE_NAMES)
    for text in (outcome.out, outcome.err, home.log()):
        assert all(character.isprintable() or character in "\n\ufe0f" for character in text)
        assert not any(line.startswith("ERROR hue cycle forged") for line in text.splitlines())
    assert all(line[:4].isdigit() for line in home.log().splitlines())


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_a_nesting_bomb_is_not_understood_and_the_configuration_asked_instead(
        content: str, home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")
    simulator.faults.add("body", content=content, paths=["/sensors"])
    assert home.run().code == 0
    assert (home.cycles()[0]["endpoint"], home.cycles()[0]["readings"]) == ("fallback", 5)
    assert "nested too deeply" in home.log() or "not JSON" in home.log()
