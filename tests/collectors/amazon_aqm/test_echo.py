"""Echo devices with a thermometer, which `include_echo: true` collects beside the monitors."""

from typing import Any

import pytest

from tests.collectors.amazon_aqm.conftest import Household
from tests.collectors.amazon_aqm.samples import ID, SERIAL, collect, listed, temperature, text, wrapped
from tests.home import Home

ECHO = listed(endpointId="amzn1.alexa.endpoint.echo", serialNumber=text("G0900001"))


def echo_rows(home: Home) -> int:
    return len(home.rows("SELECT id FROM readings WHERE device_type = 'alexa_echo'"))


def test_thermometers_of_echo_devices_take_no_request_more(household: Household) -> None:
    """One Echo of the house has a thermometer, the other is left out."""
    household.configure(include_echo=True)
    assert household.run().code == 0
    assert household.asked().count("state") == 1
    assert [household.run().code, household.asked()] == [0, ["state"]]
    rows = household.home.rows("SELECT DISTINCT device_type, name FROM readings")
    assert sorted((row["device_type"], row["name"]) for row in rows) == [
        ("alexa_aqm", "Air quality monitor"), ("alexa_echo", "Hall Echo")]


@pytest.mark.parametrize("features", [None, [], 7, [None], [{"name": "connectivity"}]])
def test_an_echo_that_lists_no_thermometer_is_left_out(features: Any) -> None:
    lists = [wrapped("listEndpoints", "endpoints", each) for each in (listed(), {**ECHO, "features": features})]
    found = collect(temperature(20), monitors=lists, include_echo=True)
    assert {(item.device_id, item.device_type) for item in found} == {(f"alexa:{SERIAL}", "alexa_aqm")}


@pytest.mark.parametrize("first", [None, {"data": None}, {"data": {"listEndpoints": None}}])
def test_an_echo_is_one_though_the_list_of_monitors_is_missing(first: Any) -> None:
    echo = {**ECHO, "endpointId": ID, "features": [{"name": "temperatureSensor"}]}
    lists = [first, wrapped("listEndpoints", "endpoints", echo)]
    found = collect(temperature(20), monitors=lists, include_echo=True)
    assert [item.device_type for item in found] == ["alexa_echo"] * 2


def test_a_thermometer_is_kept_while_its_echo_lists_no_features(household: Household) -> None:
    household.configure(include_echo=True)
    household.run()
    household.faults.add("unlisted-features")
    household.run(hours=25)
    assert echo_rows(household.home) == 2


def test_the_setting_acts_at_the_next_cycle(settled: Household) -> None:
    settled.configure(include_echo=True)
    assert [settled.run().code, settled.asked(), echo_rows(settled.home)] == [0, ["discovery", "groups", "state"], 1]
    assert [settled.run().code, settled.asked(), echo_rows(settled.home)] == [0, ["state"], 2]
    settled.configure(include_echo=False)
    assert [settled.run().code, settled.asked(), echo_rows(settled.home)] == [0, ["discovery", "groups", "state"], 2]


@pytest.mark.parametrize("include_echo", [True, False])
def test_a_discovery_that_fails_when_the_setting_changes_is_repeated_in_an_hour(
        include_echo: bool, household: Household) -> None:
    household.configure(include_echo=not include_echo)
    household.run()
    before = echo_rows(household.home)
    household.configure(include_echo=include_echo)
    household.faults.add("bad-request", operation="discovery", partial=False)
    household.faults.add("bad-request", operation="echoes", partial=False)
    household.run()
    assert echo_rows(household.home) == before
    household.faults.clear()
    household.asked()
    asked = [household.asked() for _ in range(13) if household.run().code == 0]
    assert [turn for turn, names in enumerate(asked) if "discovery" in names] == [11]
    assert echo_rows(household.home) == 2 * include_echo + before


def test_an_account_without_a_monitor_is_searched_at_once_for_echo_devices(household: Household) -> None:
    household.faults.add("vanished", replaced=False)
    assert household.run().code == 1
    household.configure(include_echo=True)
    assert household.run().code == 0 and echo_rows(household.home) == 1
