"""The Alexa cloud of the pretend world: its air is arithmetic, its GraphQL answers what is asked, its cookies age."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.simulator import Simulator
from tests.simulator.alexa_asking import DISCOVERY, GROUPS, STATE, cookies, exchange, features, query, shown, state
from tests.simulator.alexa_graphql import REFUSALS_BY_HTTP
from tests.simulator.house import House

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=timezone.utc)
QUANTITIES = {"4": "humidity", "5": "voc", "6": "pm25", "7": "pm10", "8": "co", "9": "iaq",
              "temperatureSensor": "temperature"}


@pytest.fixture
def frozen() -> Iterator[Simulator]:
    """A simulator on a fine winter noon that does not pass."""
    with Simulator(sensors=5, tls=None, clock=lambda: NOW) as running:
        yield running


class Hands:
    """A clock that is set by hand."""

    now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_the_air_is_arithmetic_and_survives_any_restart() -> None:
    first, second = House(seed=1), House(seed=1)
    air = [first.air(quantity, "Living room", NOW) for quantity in QUANTITIES.values()]
    assert air == [46.0, 52.0, 21.0, 32.0, 3.0, 54.0, 22.5]
    assert air == [second.air(quantity, "Living room", NOW) for quantity in QUANTITIES.values()]
    assert first.monitors == second.monitors != House(seed=2).monitors
    assert air != [House(seed=2).air(quantity, "Living room", NOW) for quantity in QUANTITIES.values()]


@pytest.mark.parametrize("quantity, least, most", [
    ("humidity", 30, 70), ("voc", 0, 70), ("pm25", 0, 40), ("pm10", 0, 60), ("co", 0, 5), ("iaq", 30, 100)])
def test_the_air_is_whole_numbers_within_a_houses_bounds_and_changes(quantity: str, least: int, most: int) -> None:
    house, hours = House(), [NOW + timedelta(hours=hour) for hour in range(24 * 14)]
    values = [house.air(quantity, "Living room", hour) for hour in hours]
    assert least <= min(values) < max(values) <= most and all(value == int(value) for value in values)


def test_a_monitor_takes_the_room_for_a_little_warmer_than_the_sensor_does() -> None:
    house = House()
    for hour in range(48):
        when = NOW + timedelta(hours=hour)
        own = house.air("temperature", "Living room", when)
        assert 0.2 < own - house.temperature("Living room", when) < 1.3 and 4 * own == int(4 * own)


def test_samples_are_published_on_change_and_after_hours() -> None:
    house, serial = House(), House().monitors[0].serial
    for quantity in QUANTITIES.values():
        samples = sorted({house.last_sample(serial, quantity, NOW + timedelta(minutes=minute))
                          for minute in range(0, 60 * 24, 2)})
        values = [house.air_truth(serial, quantity, sample) for sample in samples]
        gaps = [(later - earlier).total_seconds() for earlier, later in zip(samples, samples[1:])]
        assert len(samples) > 3 and 280 <= min(gaps) and max(gaps) <= 6 * 3600 + 20
        assert all(before != after or gap > 280 for before, after, gap in zip(values, values[1:], gaps))
        assert sum(before != after for before, after in zip(values, values[1:])) >= len(gaps) - 4
        assert house.last_sample(serial, quantity, samples[-1]) == samples[-1] <= NOW + timedelta(days=1)


def test_a_sample_holds_what_was_measured_last() -> None:
    house, serial = House(), House().monitors[0].serial
    for quantity in QUANTITIES.values():
        for minute in range(0, 60 * 24, 5):
            when = NOW + timedelta(minutes=minute)
            published, measured = house.last_sample(serial, quantity, when), house.last_report(
                f"{serial} {quantity}", when)
            assert published <= measured <= when
            assert house.air_truth(serial, quantity, published) == house.air_truth(serial, quantity, measured)


def test_the_state_is_the_last_sample_of_everything_the_monitor_measures() -> None:
    clock = Hands()
    with Simulator(tls=None, clock=clock) as simulator:
        house, serial = simulator.house, simulator.alexa.serial
        for hours in (0, 1, 7):
            clock.now = NOW + timedelta(hours=hours)
            values, told = shown(simulator), features(simulator)
            for name, quantity in QUANTITIES.items():
                when = house.last_sample(serial, quantity, clock.now)
                assert values[name] == house.air_truth(serial, quantity, when)
                assert told[name]["properties"][0]["timeOfSample"] == when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
            assert values["connectivity"] == "OK"


def test_properties_have_the_types_of_the_cloud_and_toggles_have_none_that_is_known(frozen: Simulator) -> None:
    told = features(frozen)
    assert {name: each["properties"][0]["__typename"] for name, each in told.items()} == {
        **dict.fromkeys("456789", "RangeValue"), "11": "UnknownFeatureProperty", "connectivity": "Reachability",
        "temperatureSensor": "TemperatureSensor"}
    assert all(each["properties"][0]["type"] == "RETRIEVABLE" for each in told.values())


def test_ranges_have_names_and_asset_ids_but_for_the_coarse_dust(frozen: Simulator) -> None:
    told = {name: each["configuration"]["friendlyName"]["value"] for name, each in features(frozen).items()
            if each["name"] == "range"}
    assert told["4"] == {"text": "Indoor humidity", "assetId": "Alexa.AirQuality.Humidity"}
    assert told["7"] == {"text": None, "assetId": None}
    assert [name for name, label in told.items() if not label["text"]] == ["7"]


def test_degrees_can_be_fahrenheit(frozen: Simulator) -> None:
    celsius = shown(frozen)["temperatureSensor"]
    frozen.alexa.scale = "FAHRENHEIT"
    value = features(frozen)["temperatureSensor"]["properties"][0]["value"]
    assert value == {"value": pytest.approx(celsius * 1.8 + 32), "scale": "FAHRENHEIT"}


def test_discovery_shows_the_monitor_and_somebody_elses(frozen: Simulator) -> None:
    found = query(frozen, {"query": DISCOVERY}).json()["data"]["listEndpoints"]["endpoints"]
    assert [(each["endpointId"], each["manufacturer"]["value"]["text"]) for each in found][0] == (
        frozen.alexa.endpoint_id, "Amazon")
    assert found[0]["serialNumber"]["value"]["text"] == frozen.alexa.serial
    assert found[0]["friendlyNameObject"]["value"]["text"] == "Air quality monitor"
    assert (found[1]["manufacturer"]["value"]["text"], found[1]["serialNumber"]) == ("Airthings", None)
    lights = query(frozen, {"query": DISCOVERY.replace("AIR_QUALITY_MONITOR", "LIGHT")}).json()
    assert lights["data"]["listEndpoints"]["endpoints"] == []


def test_groups_are_the_rooms_with_the_monitor_in_one_of_them(frozen: Simulator) -> None:
    groups = query(frozen, {"query": GROUPS}).json()["data"]["listDeviceGroups"]["deviceGroups"]
    members = {each["friendlyName"]["value"]["text"]: each["memberDevices"]["items"] for each in groups}
    assert [*members] == [*frozen.house.rooms] and all(each["id"].startswith("amzn1.alexa.endpointGroup.")
                                                       for each in groups)
    assert {room: items for room, items in members.items() if items} == {
        "Living room": [{"id": frozen.alexa.endpoint_id}]}


def test_a_list_is_answered_by_a_list_and_an_object_by_an_object(frozen: Simulator) -> None:
    listed = query(frozen, [{"query": GROUPS}, {"query": DISCOVERY}]).json()
    assert [list(each["data"]) for each in listed] == [["listDeviceGroups"], ["listEndpoints"]]
    assert query(frozen, {"query": DISCOVERY}).json() == listed[1]
    assert frozen.alexa.counts == {"exchange": 2, "graphql": 2, "groups": 1, "discovery": 2}


def test_only_what_is_asked_for_is_answered_under_the_name_asked_for(frozen: Simulator) -> None:
    asked = '{ mine: listEndpoints(listEndpointsInput: {endpointIds: ["%s"]}) { endpoints { it: id } } }'
    assert query(frozen, {"query": asked % frozen.alexa.endpoint_id}).json() == {
        "data": {"mine": {"endpoints": [{"it": frozen.alexa.endpoint_id}]}}}


@pytest.mark.parametrize("asked, said", [
    ("{ listEndpoints { endpoints { co2 } } }", "FieldUndefined@[listEndpoints/endpoints/co2]"),
    ("{ listThermostats { id } }", "Field 'listThermostats' is undefined"),
    ("{ listEndpoints { endpoints } }", "subselection required"),
    ("{ listEndpoints { endpoints { id }", "Invalid syntax"),
    ("{ listEndpoints(listEndpointsInput: {endpointIds: $ids}) { completeResult } }", "Invalid syntax"),
    ("{ listEndpoints { completeResult } } }", "offending token '}'"), ("{ listEndpoints; }", "offending token ';'"),
])
def test_a_query_that_makes_no_sense_is_told_so_at_200(frozen: Simulator, asked: str, said: str) -> None:
    answer = query(frozen, {"query": asked})
    (error,) = answer.json()["errors"]
    assert said in error["message"] and error["extensions"] == {"classification": "ValidationError"}
    assert (answer.status_code, answer.json()["data"]) == (200, None)


@pytest.mark.parametrize("body", ["text", [1], {"operationName": "x"}])
def test_a_body_without_a_query_is_a_bad_request(frozen: Simulator, body: Any) -> None:
    assert query(frozen, body).status_code == 400


def test_an_id_of_no_monitor_is_passed_over_and_one_that_is_none_spoils_its_operation(frozen: Simulator) -> None:
    mine = frozen.alexa.endpoint_id
    known = state(frozen, mine[:-1] + "x", mine)["data"]["listEndpoints"]["endpoints"]
    assert [each["endpointId"] for each in known] == [mine]
    refused, answered = query(frozen, [{"query": STATE, "variables": {"endpointIds": ["nonsense", mine]}},
                                       {"query": DISCOVERY}]).json()
    assert refused["errors"][0]["extensions"]["errorCode"] == "BAD_REQUEST" and refused["data"] == {
        "listEndpoints": None}
    assert len(answered["data"]["listEndpoints"]["endpoints"]) == 2


def test_cookies_are_fresh_each_time_and_say_that_they_are_simulated(frozen: Simulator) -> None:
    first, second = cookies(frozen), cookies(frozen)
    assert [*first] == ["session-id", "ubid-acbuk", "session-token", "x-acbuk", "at-acbuk", "sess-at-acbuk"]
    assert all(first[name] != second[name] for name in first) and first["at-acbuk"].startswith("Atza|Simulated")
    assert all("errors" not in query(frozen, {"query": GROUPS}, sent).json() for sent in (first, second))


def test_values_come_in_quotes_and_are_not_accepted_with_them(frozen: Simulator) -> None:
    listed = exchange(frozen).json()["response"]["tokens"]["cookies"][".amazon.co.uk"]
    quoted = {each["Name"]: each["Value"] for each in listed}
    assert any(value.startswith('"') and value.endswith('"') for value in quoted.values())
    assert "errors" in query(frozen, {"query": GROUPS}, quoted).json()


def test_a_session_needs_all_its_cookies_and_none_of_anothers(frozen: Simulator) -> None:
    mine, other = cookies(frozen), cookies(frozen)
    assert "errors" not in query(frozen, {"query": GROUPS}, {**mine, "csrf": "1"}).json()
    for name in mine:
        lacking = {each: value for each, value in mine.items() if each != name}
        for sent in (lacking, {**mine, name: other[name]}):
            assert "errors" in query(frozen, {"query": GROUPS}, sent).json()


def test_cookies_last_a_day_of_the_houses_time() -> None:
    clock = Hands()
    with Simulator(tls=None, clock=clock) as simulator:
        mine = cookies(simulator)
        answers = []
        for hours in (23.9, 24.1):
            clock.now = NOW + timedelta(hours=hours)
            answers.append(query(simulator, [{"query": GROUPS}], mine).json()[0])
    assert "errors" not in answers[0]
    assert answers[1] == {"data": {"listDeviceGroups": None}, "errors": [{
        "message": "Unauthenticated call", "extensions": {"errorCode": "FORBIDDEN", "isRetryable": False}}]}


@pytest.mark.parametrize("refusal", REFUSALS_BY_HTTP)
def test_dead_cookies_are_refused_in_the_form_that_is_set_and_fresh_ones_are_not(frozen: Simulator, refusal: str
                                                                                 ) -> None:
    mine, frozen.alexa.refusal = cookies(frozen), refusal
    assert "errors" not in query(frozen, {"query": GROUPS}, mine).json()
    frozen.alexa.expire_cookies()
    answer = query(frozen, {"query": GROUPS}, mine)
    assert str(answer.status_code) == refusal if refusal.isdigit() else 'name="signIn"' in answer.text
    assert answer.headers.get("Location", "/ap/signin?").partition("?")[0].endswith("/ap/signin")
    assert "errors" not in query(frozen, {"query": GROUPS}).json()


def test_another_countrys_site_knows_no_monitor(frozen: Simulator) -> None:
    german = cookies(frozen, "amazon.de")
    assert "at-acbde" in german
    found, rooms = query(frozen, [{"query": DISCOVERY}, {"query": GROUPS}], german).json()
    assert found["data"]["listEndpoints"] == {"completeResult": True, "endpoints": []}
    assert rooms["data"]["listDeviceGroups"]["deviceGroups"] == []


def test_an_account_can_be_of_another_country() -> None:
    with Simulator(tls=None, site="amazon.de") as simulator:
        found = query(simulator, {"query": DISCOVERY}, cookies(simulator, "amazon.de")).json()
    assert len(found["data"]["listEndpoints"]["endpoints"]) == 2
    with pytest.raises(ValueError, match="there is no site 'amazon.xy'; there are amazon.com"):
        Simulator(tls=None, site="amazon.xy")


def test_what_was_sent_can_be_looked_at_and_the_bridge_knows_nothing_of_it(frozen: Simulator) -> None:
    mine = cookies(frozen)
    query(frozen, {"query": GROUPS}, mine)
    seen = frozen.alexa.requests[-1]
    assert (seen.method, seen.path) == ("POST", "/nexus/v1/graphql")
    assert f"at-acbuk={mine['at-acbuk']}" in seen.headers["Cookie"] and "AmazonAlexa" in seen.headers["User-Agent"]
    assert frozen.requests == frozen.alexa.requests and len(frozen.requests) == 2
