"""The bridge's sensors made into readings: names, temperature, light and battery."""

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from storage.reading import Reading, Sighting
from tests.collectors.hue.samples import (
    NOW,
    OTHER_MAC,
    UNIQUE_ID,
    box,
    collect,
    reading,
    readings,
    stamp,
    trouble,
    with_literal,
)

HOSTILE_NUMBERS = ["null", "true", "false", '"2029"', "[2029]", '{"a": 1}', "NaN", "Infinity", "-Infinity", "1e999",
                   "-1e999", "9" * 400, "-" + "9" * 400, "9" * 5000, '""', '"\\ud800"']


def lit(lightlevel: Any) -> dict[str, Any]:
    sensors = box()
    sensors["6"]["state"]["lightlevel"] = lightlevel
    return sensors


def charged(battery: Any) -> dict[str, Any]:
    sensors = box()
    sensors["5"]["config"]["battery"] = battery
    return sensors


def test_a_motion_sensor_becomes_one_reading_of_all_it_tells() -> None:
    assert reading(box()) == Reading(
        timestamp=NOW, device_id=f"hue:{UNIQUE_ID}", device_type="hue_sensor", name="Kitchen",
        temperature_celsius=20.29, temperature_raw=20.29, light_lux=100.0, battery_level=100,
        measured_at=NOW - timedelta(minutes=1))


def test_every_thermometer_is_seen_with_its_model() -> None:
    found = collect({**box(), **box(OTHER_MAC, "Hall", None, first=7)})
    sightings = [item for item in found if isinstance(item, Sighting)]
    assert [(each.device_id, each.name, each.model_info) for each in sightings] == [
        (f"hue:{UNIQUE_ID}", "Kitchen", "SML001"), (f"hue:{OTHER_MAC}-02-0402", "Hall", "SML001")]


@pytest.mark.parametrize("order", list(itertools.permutations("456")))
def test_the_three_entries_of_a_sensor_belong_together_in_any_order(order: tuple[str, ...]) -> None:
    sensors = box()
    found = reading({number: sensors[number] for number in order})
    assert (found.name, found.temperature_celsius, found.light_lux) == ("Kitchen", 20.29, 100.0)


def test_a_sensor_does_not_borrow_name_or_light_from_its_neighbour() -> None:
    alone, neighbour = {"5": box()["5"]}, box(OTHER_MAC, "Hall", first=7)
    mine, other = readings({**alone, **neighbour})
    assert (mine.name, mine.light_lux) == ("Hue temperature sensor 1", None)
    assert (other.name, other.light_lux) == ("Hall", 100.0)


@pytest.mark.parametrize(("said", "name"), [
    ("Küche", "Küche"),
    ("  two\nlines\r\n", "two lines"),
    ("\x1b[2Jcleared\x07", "[2Jcleared"),
    ("\u202egnp.exe", "gnp.exe"),
    ("half \ud83d a smile", "half a smile"),
    ("x'); DROP TABLE readings; --", "x'); DROP TABLE readings; --"),
    ("n" * 10_000, "n" * 120),
    ("", "Hue temperature sensor 1"),
    (" \t\n", "Hue temperature sensor 1"),
    (None, "Hue temperature sensor 1"),
    (7, "Hue temperature sensor 1"),
    (["Kitchen"], "Hue temperature sensor 1"),
])
def test_a_name_becomes_one_printable_line(said: Any, name: str) -> None:
    assert reading(box(name=said)).name == name


def test_a_sensor_without_any_name_is_read_all_the_same() -> None:
    sensors = box()
    for each in sensors.values():
        del each["name"]
    assert (reading(sensors).name, reading(sensors).temperature_celsius) == (None, 20.29)


def test_a_place_from_the_configuration_goes_with_reading_and_sighting() -> None:
    sighting, found = collect(box(), sensor_locations={UNIQUE_ID: "Larder"})
    assert isinstance(sighting, Sighting) and isinstance(found, Reading)
    assert (sighting.location, sighting.location_source, found.location) == ("Larder", "config", "Larder")


@pytest.mark.parametrize("order", [1, -1])
def test_the_bridges_own_id_goes_before_ours_where_both_are_configured(order: int) -> None:
    places = dict([(UNIQUE_ID, "Larder"), (f"hue:{UNIQUE_ID}", "Attic")][::order])
    assert collect(box(), sensor_locations=places)[0].location == "Larder"


@pytest.mark.parametrize(("hundredths", "celsius"), [(2029, 20.29), (0, 0.0), (1, 0.01), (-1, -0.01), (-1250, -12.5)])
def test_a_temperature_comes_in_hundredths_of_a_degree(hundredths: int, celsius: float) -> None:
    assert reading(box(temperature=hundredths)).temperature_celsius == celsius


@pytest.mark.parametrize("literal", HOSTILE_NUMBERS)
def test_a_temperature_that_is_no_number_is_no_reading(literal: str) -> None:
    assert trouble(with_literal(box(temperature="HERE"), literal)) == "has reported nothing since the bridge started"


@pytest.mark.parametrize(("hundredths", "anomalous"), [
    (-1, True), (0, False), (4000, False), (4001, True), (20_000, True)])
def test_an_implausible_temperature_is_kept_and_marked(hundredths: int, anomalous: bool) -> None:
    found = reading(box(temperature=hundredths))
    assert (found.temperature_celsius, found.is_anomalous) == (hundredths / 100, anomalous)


def test_what_is_plausible_is_for_the_configuration_to_say() -> None:
    assert not reading(box(temperature=-1250), temperature_min=-20.0).is_anomalous
    assert reading(box(temperature=2029), temperature_max=20.0).is_anomalous


def of_model(model: str, hundredths: int) -> dict[str, Any]:
    sensors = box(temperature=hundredths)
    sensors["5"]["modelid"] = model
    return sensors


@pytest.mark.parametrize(("model", "hundredths", "doubt"), [
    ("SML001", -180, "outside 0 to 40"), ("SML003", 4120, "outside 0 to 40"), ("SML002", -180, None),
    ("SML004", 5000, None), ("SML002", -4001, "outside -40 to 50"), ("SML004", 5001, "outside -40 to 50")])
def test_outdoor_models_may_have_frost(model: str, hundredths: int, doubt: str | None) -> None:
    sighting, found = collect(of_model(model, hundredths))
    assert isinstance(sighting, Sighting) and isinstance(found, Reading)
    assert (sighting.doubt, found.is_anomalous) == (doubt, doubt is not None)


@pytest.mark.parametrize("listed", [UNIQUE_ID, UNIQUE_ID.upper(), f"hue:{UNIQUE_ID}"])
def test_another_sensor_can_be_outdoors_too(listed: str) -> None:
    limits = {"outdoor_temperature_min": -10.0, "outdoor_temperature_max": 30.0}
    for hundredths, anomalous in ((-1000, False), (-1001, True), (3001, True)):
        assert reading(box(temperature=hundredths), outdoor_sensors=(listed,), **limits).is_anomalous is anomalous


@pytest.mark.parametrize("unique_id", [UNIQUE_ID, UNIQUE_ID.upper()])
def test_the_case_of_an_address_does_not_matter(unique_id: str) -> None:
    sensors = box(unique_id[:23])
    found = reading(sensors, sensor_locations={UNIQUE_ID.upper(): "Larder"})
    assert (found.device_id, found.location, found.name, found.light_lux) == (
        f"hue:{UNIQUE_ID}", "Larder", "Kitchen", 100.0)


@pytest.mark.parametrize(("level", "lux"), [(0, 0.0), (1, 1.0), (10_001, 10.0), (20_001, 100.0), (65_534, 3_577_722.8)])
def test_light_comes_in_ten_thousand_times_the_logarithm_of_lux(level: int, lux: float) -> None:
    assert reading(lit(level)).light_lux == pytest.approx(lux, rel=1e-3)


@pytest.mark.parametrize("literal", [*HOSTILE_NUMBERS, "-1", "65535", "65536", "9" * 29])
def test_an_invalid_light_level_affects_only_the_light(literal: str) -> None:
    found = reading(with_literal(lit("HERE"), literal))
    assert (found.light_lux, found.temperature_celsius) == (None, 20.29)


def test_a_stale_light_level_is_dropped() -> None:
    sensors = box()
    sensors["6"]["state"]["lastupdated"] = stamp(timedelta(hours=1, seconds=1))
    assert (reading(sensors).light_lux, reading(sensors).temperature_celsius) == (None, 20.29)


def test_light_battery_and_the_bridges_own_words_are_a_matter_of_choice() -> None:
    found = reading(box(), collect_light_level=False, collect_battery_level=False)
    assert (found.light_lux, found.battery_level, found.raw_response) == (None, None, None)
    kept = reading(box(), collect_raw_response=True).raw_response
    assert kept is not None and json.loads(kept) == box()["5"]


@pytest.mark.parametrize("level", [0, 1, 100])
def test_a_battery_level_is_in_percent(level: int) -> None:
    assert reading(charged(level)).battery_level == level


@pytest.mark.parametrize("literal", [*HOSTILE_NUMBERS, "-1", "101", "85.5", "9" * 29])
def test_an_invalid_battery_level_affects_only_the_battery(literal: str) -> None:
    """It is null for up to two hours after the bridge's restart: homebridge-hue issue 280."""
    found = reading(with_literal(charged("HERE"), literal))
    assert (found.battery_level, found.temperature_celsius) == (None, 20.29)
