"""A monitor's features made into a reading: nulls, odd forms, ages."""

from datetime import timedelta
from typing import Any

import pytest

from tests.collectors.amazon_aqm.samples import (
    ID,
    NOW,
    SERIAL,
    collect,
    group,
    listed,
    named,
    reachable,
    reading,
    sighting,
    stamp,
    temperature,
    text,
    trouble,
    value,
    wrapped,
)

ALL = [temperature(20.5), value("4", 45), value("5", 20), value("6", 3), value("7", 8), value("8", 1), value("9", 88)]
MINUTES = timedelta(minutes=1)


def test_every_value_has_its_column() -> None:
    found = reading(*ALL, reachable())
    assert (found.temperature_celsius, found.temperature_raw, found.humidity_percent) == (20.5, 20.5, 45)
    assert (found.voc_index, found.pm25_ugm3, found.pm10_ugm3, found.co_ppm, found.iaq_score) == (20, 3, 8, 1, 88)
    assert (found.co2_ppm, found.voc_ppb, found.is_anomalous) == (None, None, False)
    assert (found.device_id, found.name, found.timestamp) == (f"alexa:{SERIAL}", "Monitor", NOW)
    assert found.measured_at == NOW - 3 * MINUTES


@pytest.mark.parametrize(("degrees", "scale", "celsius"), [
    (68, "FAHRENHEIT", 20.0), (70.7, "FAHRENHEIT", 21.5), (71, "FAHRENHEIT", 21.67), (-40, "FAHRENHEIT", -40.0),
    (20.123, "CELSIUS", 20.12), (0, "CELSIUS", 0.0), (293, "KELVIN", None), (20, None, None), (20, "celsius", None),
    (None, "CELSIUS", None), ("20", "CELSIUS", None), (True, "CELSIUS", None)])
def test_temperatures_are_in_degrees_celsius(degrees: Any, scale: Any, celsius: float | None) -> None:
    assert reading(temperature(degrees, scale), value("4", 45)).temperature_celsius == celsius


@pytest.mark.parametrize("changes", [
    {"type": "ERROR"}, {"type": "NOT_RETRIEVABLE"}, {"type": None}, {"error": {"type": "NOT_FOUND"}}, {"error": {}},
    {"rangeValue": None}, {"rangeValue": {}}, {"rangeValue": 45}, {"rangeValue": {"value": None}}, {"name": "other"},
    {"timeOfSample": stamp(timedelta(seconds=86_401))}])
def test_an_unreliable_value_is_not_stored(changes: dict[str, Any]) -> None:
    found = reading(temperature(20.5), value("4", 45, **changes))
    assert (found.humidity_percent, found.temperature_celsius) == (None, 20.5)


@pytest.mark.parametrize("feature", [
    None, 5, {}, {"name": None}, {"name": "range"}, {"name": "range", "instance": 4.5, "properties": [7, None]},
    {"name": "range", "instance": "4", "properties": None}, {"name": "temperatureSensor", "properties": {}},
    {"name": "range", "instance": {}, "properties": [{}]}, {"name": [], "instance": "4"},
    {"name": "connectivity", "properties": None}, {"name": "aroma", "properties": [{"type": "RETRIEVABLE"}]}])
def test_an_odd_feature_does_not_affect_the_others(feature: Any) -> None:
    found = reading(feature, temperature(20.5), value("9", 88))
    assert (found.temperature_celsius, found.iaq_score, found.humidity_percent) == (20.5, 88, None)


@pytest.mark.parametrize(("given", "column"), [
    (named(value("6", 7), {"assetId": "Alexa.AirQuality.CarbonDioxide"}), "co2_ppm"),
    (named(value("6", 7), {"assetId": "Alexa.AirQuality.CarbonMonoxide"}, {"text": "Particulate matter"}), "co_ppm"),
    (named(value("6", 7), {"text": "Indoor Air Quality"}), "iaq_score"),
    (named(value("6", 7), {"text": "PM 10", "locale": "en-US"}), "pm10_ugm3"),
    (named(value("12", 7), {"text": "PM2.5"}), "pm25_ugm3"),
    (named(value("6", 7), {"text": "Feinstaub", "locale": "de-DE"}), "pm25_ugm3"),
    (named(value("6", 7), {"text": "Luftqualit\xe4t"}), "pm25_ugm3"),
    (named(value("6", 7), {"text": "Feinstaub"}), "pm25_ugm3"),
    (named(value("8", 7), {"text": "\u4e00\u6c27\u5316\u78b3"}), "co_ppm"),
    (named(value("6", 7), {"text": " "}), "pm25_ugm3"),
    (named(value("6", 7), {"assetId": ""}), "pm25_ugm3"),
    (named(value("6", 7), {"assetId": ""}, {"text": ""}, {"text": "PM10"}), "pm10_ugm3"),
    (named(value("6", 7), {"text": None}, {"assetId": 3}), "pm25_ugm3"),
    ({**value("5", 7), "configuration": {"friendlyName": text("Volatile organic compounds")}}, "voc_index"),
    ({**value("4", 7), "configuration": {"friendlyNames": [{"value": {"assetId": "Alexa.AirQuality.Humidity"}}]}},
     "humidity_percent"),
])
def test_a_name_wins_over_the_instance_and_no_name_leaves_it(given: Any, column: str) -> None:
    row = reading(given, temperature(20)).row()
    told = {name for name in row if row[name] == 7}
    assert told == {column}


@pytest.mark.parametrize("asset", ["Alexa.AirQuality.Radon", "Alexa.Setting.FanSpeed"])
def test_an_unknown_asset_is_not_stored_under_its_instances_name(asset: str) -> None:
    assert reading(named(value("6", 7), {"assetId": asset}), temperature(20)).pm25_ugm3 is None


def test_an_unknown_english_name_is_not_stored_under_the_instances() -> None:
    """A name in another or an unknown language does not overrule the table."""
    radon = named(value("8", 7), {"text": "Radon", "locale": "en-GB"})
    assert reading(radon, temperature(20)).co_ppm is None
    assert reading(named(value("8", 7), {"text": "Kohlenmonoxid"}), temperature(20)).co_ppm == 7


def test_of_two_that_claim_to_be_the_same_the_lower_instance_counts() -> None:
    twice = [named(value(each, int(each)), {"text": "Particulate matter"}) for each in ("12", "7", "6")]
    found = reading(*twice)
    assert (found.pm25_ugm3, found.pm10_ugm3) == (6, None)


@pytest.mark.parametrize(("status", "is_there"), [
    ("OK", True), ("UNREACHABLE", False), ("UNKNOWN", False), (None, True), (7, True)])
def test_what_cannot_be_reached_is_not_read(status: Any, is_there: bool) -> None:
    found = collect(temperature(20), reachable(status))
    assert len(found) == 1 + is_there


def test_an_unreachable_monitor_is_reported_despite_its_values() -> None:
    assert trouble(*ALL, reachable("UNREACHABLE")) == "cannot be reached by the Alexa cloud"


def test_a_monitor_with_old_values_only_is_stale() -> None:
    old = temperature(20, timeOfSample=stamp(timedelta(hours=30)))
    older = value("4", 45, timeOfSample=stamp(timedelta(hours=50)))
    assert trouble(old, older, reachable()) == trouble(old, reachable()) == "last heard of 30 h ago"


@pytest.mark.parametrize("limit", [86_400, 604_800])
def test_no_value_older_than_a_day_is_stored(limit: int) -> None:
    old, new = (temperature(20, timeOfSample=stamp(timedelta(days=1, seconds=seconds))) for seconds in (1, 0))
    assert trouble(old, reachable(), stale_after_seconds=limit) == "last heard of 24 h ago"
    assert reading(new, reachable(), stale_after_seconds=limit).temperature_celsius == 20


@pytest.mark.parametrize("connectivity", [[], [reachable(None)], [reachable(7)], [{"name": "connectivity"}]])
def test_values_are_stale_after_an_hour_if_reachability_is_unknown(connectivity: list[Any]) -> None:
    old, new = (value("4", 45, timeOfSample=stamp(minutes * MINUTES)) for minutes in (61, 59))
    assert trouble(old, *connectivity) == "last heard of 1 h ago"
    assert reading(new, *connectivity).humidity_percent == 45
    assert trouble(new, *connectivity, stale_after_seconds=600) == "last heard of 0 h ago"
    assert reading(old, reachable()).humidity_percent == 45


@pytest.mark.parametrize("features", [[], [reachable()], [value("12", 7)], [value("4", None)]])
def test_a_monitor_without_values_is_reported(features: list[Any]) -> None:
    assert trouble(*features) == "reports no values"


@pytest.mark.parametrize("when", [
    None, "", "yesterday", 1_763_000_000, "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:00"])
def test_a_value_of_unknown_age_is_dropped_and_the_others_count(when: Any) -> None:
    undated = temperature(20, timeOfSample=when)
    assert trouble(undated, reachable()) == "reports no values of a believable time"
    found = reading(undated, value("4", 45), reachable())
    assert (found.temperature_celsius, found.humidity_percent, found.measured_at) == (None, 45, NOW - 3 * MINUTES)


def test_a_value_of_the_future_is_dropped() -> None:
    later = temperature(20, timeOfSample=stamp(-6 * MINUTES))
    assert trouble(later, reachable()) == "reports no values of a believable time"
    found = reading(later, value("4", 45), reachable())
    assert (found.temperature_celsius, found.humidity_percent) == (None, 45)
    assert reading(temperature(20, timeOfSample=stamp(-4 * MINUTES))).measured_at == NOW + 4 * MINUTES


def test_ages_are_judged_by_the_clouds_own_clock() -> None:
    """Ours may be a month behind after a power cut."""
    later = NOW + timedelta(days=30)
    fresh = temperature(20, timeOfSample=(later - MINUTES).isoformat())
    assert reading(fresh, date=later).measured_at == later - MINUTES
    assert trouble(temperature(20), date=later) == "last heard of 720 h ago"
    assert reading(temperature(20), date=None).measured_at == NOW - 3 * MINUTES


def test_the_newest_samples_time_counts() -> None:
    humidity, score = value("4", 45, timeOfSample=stamp(MINUTES)), value("9", 88, timeOfSample=stamp(9 * MINUTES))
    assert reading(temperature(20), humidity, score).measured_at == NOW - MINUTES


def test_a_monitor_whose_newest_sample_is_old_tells_nothing() -> None:
    """Frozen, whatever its reachability says: home-assistant/core issue 182083."""
    hours = [timedelta(hours=number) for number in (20, 21, 4)]
    frozen = [temperature(20, timeOfSample=stamp(hours[0])), value("4", 45, timeOfSample=stamp(hours[1]))]
    assert trouble(*frozen, reachable()) == "last heard of 20 h ago"
    assert trouble(*frozen, value("9", 88, timeOfSample=stamp(hours[2])), reachable()) == "last heard of 4 h ago"
    alive = reading(*frozen, value("9", 88), value("6", 7, timeOfSample=stamp(timedelta(hours=25))), reachable())
    assert (alive.temperature_celsius, alive.iaq_score, alive.pm25_ugm3) == (20, 88, None)


@pytest.mark.parametrize(("features", "is_anomalous"), [
    ([temperature(40)], False), ([temperature(40.1)], True), ([temperature(-1)], True), ([value("4", 100)], False),
    ([value("4", 100.5)], True), ([value("4", -1), temperature(20)], True), ([value("9", 500)], True),
    ([value("9", 88)], False),
    ([value("6", 65_535)], True), ([value("7", -1)], True), ([value("5", 101)], True), ([value("8", 5)], False)])
def test_what_is_outside_of_the_ranges_is_marked(features: list[Any], is_anomalous: bool) -> None:
    assert reading(*features).is_anomalous is is_anomalous


def test_an_answer_that_is_an_object_is_read_like_a_list() -> None:
    state = wrapped("listEndpoints", "endpoints", {"endpointId": ID, "features": ALL})
    assert reading(state=state).humidity_percent == reading(state=[None, state]).humidity_percent == 45


def test_other_endpoints_are_ignored() -> None:
    others = [{"endpointId": "amzn1.alexa.endpoint.other", "features": ALL}, {"features": ALL}, None, 3]
    state = [wrapped("listEndpoints", "endpoints", *others, {"endpointId": ID, "features": ALL})]
    assert len(collect(state=state)) == 2


@pytest.mark.parametrize(("changes", "name"), [
    ({"friendlyNameObject": text("Bath")}, "Bath"), ({"friendlyNameObject": None}, "Monitor"),
    ({"friendlyNameObject": text(" \n")}, "Monitor"), ({"friendlyNameObject": text(7)}, "Monitor")])
def test_the_latest_name_counts(changes: dict[str, Any], name: str) -> None:
    state = [wrapped("listEndpoints", "endpoints", {"endpointId": ID, "features": ALL, **changes})]
    assert (reading(state=state).name, sighting(state=state).name) == (name, name)


@pytest.mark.parametrize(("groups", "place"), [
    ([group("Bath", "x", ID)], "Bath"), ([group("Bath", ID), group("Attic", ID)], "Bath"), ([group("Bath")], None),
    ([group(None, ID), group("Attic", None, 3, ID)], "Attic"), ([{"memberDevices": None}, None, 4], None)])
def test_the_room_is_the_first_group_with_a_name(groups: list[Any], place: str | None) -> None:
    answer = wrapped("listDeviceGroups", "deviceGroups", *groups)
    seen = sighting(*ALL, groups=answer)
    assert (seen.location, seen.location_source, seen.model_info) == (place, "discovered", "Smart Air Quality Monitor")
    seen = sighting(*ALL, groups=answer, device_locations={SERIAL: "Cellar"})
    assert (seen.location, seen.location_source) == ("Cellar", "config")


def test_a_monitor_listed_twice_is_one() -> None:
    monitors = wrapped("listEndpoints", "endpoints", listed(), listed(endpointId="amzn1.alexa.endpoint.old"))
    assert len(collect(*ALL, monitors=monitors)) == 2


@pytest.mark.parametrize("broken", [
    {"serialNumber": None}, {"manufacturer": text("Airthings")}, {"manufacturer": None}, {"endpointId": None},
    {"endpointId": ""}, {"serialNumber": text(" ")}])
def test_a_monitor_without_identity_or_of_another_make_is_left_out(broken: dict[str, Any]) -> None:
    other = listed(**{"endpointId": "amzn1.alexa.endpoint.other", "serialNumber": text("OTHER"), **broken})
    assert len(collect(*ALL, monitors=wrapped("listEndpoints", "endpoints", other, listed()))) == 2
