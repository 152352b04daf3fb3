"""Whole cycles against the simulated cloud: the requests of each, and the rows that are stored."""

import json
from datetime import datetime
from typing import Any

import pytest

from tests.collectors.amazon_aqm.conftest import Household
from tests.simulator.alexa_answers import INSTANCES


def test_the_first_cycle_logs_in_and_looks_around(household: Household) -> None:
    outcome = household.run("--json")
    assert (outcome.code, outcome.json["requests"]) == (0, 4)
    assert household.asked() == ["exchange", "discovery", "groups", "state"]


def test_a_normal_cycle_is_one_request(settled: Household) -> None:
    outcomes = [settled.run("--json") for _ in range(3)]
    assert [(outcome.code, outcome.json["requests"], outcome.json["stored"]) for outcome in outcomes] == [(0, 1, 1)] * 3
    assert settled.asked() == ["state"] * 3


def test_what_is_stored_is_what_the_house_is_like(settled: Household) -> None:
    [row] = settled.home.rows()
    truth, monitor = settled.simulator.house.air_truth, settled.simulator.house.monitors[0]

    def measured(quantity: str) -> float:
        when = settled.simulator.house.last_sample(monitor.serial, quantity, settled.moment)
        return truth(monitor.serial, quantity, when)

    columns = {"humidity_percent": "humidity", "voc_index": "voc", "pm25_ugm3": "pm25", "pm10_ugm3": "pm10",
               "co_ppm": "co", "iaq_score": "iaq", "temperature_celsius": "temperature"}
    assert {column: row[column] for column in columns} == {
        column: pytest.approx(measured(quantity)) for column, quantity in columns.items()}
    assert (row["device_id"], row["device_type"]) == (f"alexa:{monitor.serial}", "alexa_aqm")
    assert (row["co2_ppm"], row["voc_ppb"], row["is_anomalous"]) == (None, None, 0)


def test_the_time_measured_is_that_of_the_newest_sample(settled: Household) -> None:
    when = max(settled.simulator.house.last_sample(settled.alexa.serial, quantity, settled.moment)
               for quantity in ("temperature", *INSTANCES.values()))
    assert datetime.fromisoformat(settled.home.rows()[0]["measured_at"]) == when.replace(microsecond=0)


def test_the_room_is_the_group_and_a_configured_one_wins(settled: Household) -> None:
    settled.configure(device_locations={settled.alexa.serial: "Box room"})
    settled.run()
    room = settled.simulator.house.monitors[0].room
    assert [row["location"] for row in settled.home.rows()] == [room, "Box room"]
    [device] = settled.home.rows("SELECT * FROM device_registry")
    assert (device["location"], device["location_source"]) == ("Box room", "config")


def test_two_monitors_are_one_request(two: Household) -> None:
    assert two.run("--json").json["requests"] == 1
    assert len({row["device_id"] for row in two.home.rows()}) == 2


def test_one_of_two_can_be_chosen_by_its_serial_number(two: Household) -> None:
    two.configure(device_serial=two.alexa.serial.lower())
    assert [reading["device_id"] for reading in two.run("--json").json["readings"]] == [f"alexa:{two.alexa.serial}"]


@pytest.mark.parametrize("flags", [[], ["--discover"]])
def test_a_serial_number_that_is_not_the_accounts_lists_those_that_are(flags: list[str], two: Household) -> None:
    two.configure(device_serial="GAJ0")
    outcome = two.run(*flags)
    serials = ", ".join(monitor.serial for monitor in two.simulator.house.monitors)
    assert outcome.code == 1 and f"device_serial 'GAJ0' is none of the account's: {serials}." in outcome.err
    assert two.asked() == (["discovery", "groups"] if flags else [])


def test_another_makers_monitor_is_left_out_and_named_once(household: Household) -> None:
    assert household.run().code == household.run(hours=25).code == 0
    assert household.home.log().count("not Amazon's own, or have no serial number: Wave Plus") == 1
    assert len(household.home.rows("SELECT * FROM device_registry")) == 1


@pytest.mark.parametrize(("fault", "options", "trouble"), [
    ("offline", {}, "cannot be reached by the Alexa cloud"),
    ("offline", {"frozen": True}, "cannot be reached by the Alexa cloud"),
    ("old-samples", {}, "last heard of 48 h ago"),
    ("properties-null", {}, "reports no values"),
    ("value-null", {}, "reports no values"),
    ("not-found", {}, "reports no values"),
    ("not-retrievable", {}, "reports no values"),
])
def test_a_monitor_without_fresh_values_is_seen_and_not_read(
        fault: str, options: dict[str, Any], trouble: str, two: Household) -> None:
    two.faults.add(fault, monitor=two.alexa.serial, **options)
    outcome = two.run("--json")
    assert (outcome.code, outcome.json["outcome"], len(outcome.json["readings"])) == (0, "ok", 1)
    assert trouble in two.home.log()


def test_a_value_of_unknown_meaning_is_logged_once_and_not_stored(settled: Household) -> None:
    settled.faults.add("extra-features")
    for _ in range(2):
        assert settled.run("--json").json["stored"] == 1
    assert [settled.home.log().count(f"not stored: instance {each}") for each in (12, 13)] == [1, 1]
    assert settled.memory["unknown_instances"] == ["12", "13"]


@pytest.mark.parametrize("labels", [1.0, True, [1], {}, "1", -1, 7])
def test_an_invalid_query_form_in_the_state_is_ignored(labels: object, settled: Household) -> None:
    path = settled.home.data / "amazon_aqm.session.json"
    monitors = {**settled.memory["discovered"], "query_form": labels}
    path.write_text(json.dumps({**settled.memory, "discovered": monitors}), encoding="utf-8")
    assert settled.run("--json").json["requests"] == 1


def test_without_instances_the_names_tell(settled: Household) -> None:
    settled.faults.add("uninstanced")
    [reading] = settled.run("--json").json["readings"]
    assert reading["pm25_ugm3"] is not None and reading["pm10_ugm3"] is None


def test_a_field_that_the_cloud_does_not_know_is_asked_for_once(settled: Household) -> None:
    settled.faults.add("invalid-query", field="assetId")
    assert settled.run("--json").json["requests"] == 2
    assert settled.run("--json").json["requests"] == 1
    settled.faults.add("invalid-query", field="configuration")
    assert settled.run("--json").json["requests"] == 2
    outcome = settled.run("--json")
    assert (outcome.json["requests"], outcome.json["stored"]) == (1, 1)
    settled.faults.clear()
    assert settled.run("--json", hours=25).code == 0
    assert settled.memory["discovered"]["query_form"] == 0


def test_a_field_that_can_not_be_done_without_is_not_asked_for_for_ever(settled: Household) -> None:
    settled.faults.add("invalid-query", field="features")
    outcome = settled.run("--json")
    assert (outcome.code, outcome.json["requests"], outcome.json["outcome"]) == (1, 3, "not_understood")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10 ** 400, True, "20", [20]])
def test_what_is_no_number_is_no_value(value: object, settled: Household) -> None:
    settled.faults.add("value", value=value, features=["6", "temperatureSensor"])
    [reading] = settled.run("--json").json["readings"]
    assert (reading["pm25_ugm3"], reading["temperature_celsius"]) == (None, None)
    assert reading["humidity_percent"] is not None


def test_the_whole_answer_is_kept_if_wished(settled: Household) -> None:
    settled.configure(collect_raw_response=True)
    settled.run()
    rows = settled.home.rows()
    assert rows[0]["raw_response"] is None
    assert '"temperatureSensor"' in rows[1]["raw_response"] and rows[1]["raw_response"].startswith("{")


def test_a_dry_run_leaves_no_trace(household: Household) -> None:
    outcome = household.run("--dry-run")
    assert outcome.code == 0 and "°C" in outcome.out
    assert list(household.home.data.iterdir()) == []


def test_a_name_changed_in_the_app_shows_at_the_next_cycle(settled: Household) -> None:
    settled.faults.add("called", name="Spy\x1b[31m\ncatcher")
    settled.run()
    assert settled.home.rows()[-1]["name"] == "Spy [31m catcher"
    assert settled.asked() == ["state"]


@pytest.mark.parametrize("domain", ["amazon.cm", "amazon.co", "amazon.com.de", "amazon.example.com"])
def test_nobody_but_amazon_is_sent_the_token(domain: str, household: Household) -> None:
    household.configure(domain=domain)
    outcome = household.run()
    assert outcome.code == 2 and "amazon_aqm.domain" in outcome.err and household.asked() == []


def test_a_country_without_an_alexa_host_is_named(household: Household) -> None:
    """alexa.amazon.pl does not exist; Polish accounts live at amazon.com."""
    household.configure(domain="amazon.pl", base_url="http://127.0.0.1:9")
    household.login(cookies={"session-id": "1"})
    outcome = household.run()
    assert outcome.code == 1 and "Alexa has no host for amazon.pl" in outcome.err and "amazon.com" in outcome.err
