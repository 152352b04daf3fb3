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
