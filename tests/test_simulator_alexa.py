"""The simulated Alexa cloud: its air is arithmetic, its answers have our queries' fields, its cookies age."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from collectors.amazon_aqm.queries import GROUPS, LABELS, discovery_operations, state_operation
from tests.simulator.alexa_alterations import ALTERATIONS
from tests.simulator.alexa_asking import cookies, endpoints, exchange, query
from tests.simulator.faults import ALEXA_KINDS, ALEXA_PATHS, KINDS
from tests.simulator.house import House
from tests.simulator.server import Simulator

[MONITORS] = discovery_operations(include_echo=False)
NOW = datetime(2026, 1, 15, 12, 0, tzinfo=timezone.utc)
QUANTITIES = {"4": "humidity", "5": "voc", "6": "pm25", "7": "pm10", "8": "co", "9": "iaq",
              "temperatureSensor": "temperature"}


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> Iterator[Simulator]:
    """Two monitors on a winter noon that does not pass by itself."""
    with Simulator(tls=None, monitors=2, clock=clock) as running:
        yield running


def query_fields(text: str) -> set[str]:
    text = re.sub(r"\([^)]*\)|\.\.\. on \w+", "", text[text.index("{"):])
    return {*re.findall(r"\w+", re.sub(r"(\w+): \w+", r"\1", text))}


def answer_fields(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(answer_fields, value))
    return set(value).union(*map(answer_fields, value.values())) if isinstance(value, dict) else set()


def errors(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["errorCode"] for error in answer.get("errors", [])]


@pytest.mark.parametrize("labels", LABELS)
def test_the_state_has_every_field_that_our_query_asks_for(labels: str, simulator: Simulator) -> None:
    simulator.faults.add("not-found", features=["4"])  # so that one property has an error
    operation = state_operation([simulator.alexa.endpoint_id], labels)
    assert answer_fields(query(simulator, operation).json()["data"]) == query_fields(operation["query"])


@pytest.mark.parametrize("operation, items", [(MONITORS, "endpoints"), (GROUPS, "deviceGroups")])
def test_lists_have_every_field_that_our_queries_ask_for(
        operation: dict[str, Any], items: str, simulator: Simulator) -> None:
    data = query(simulator, operation).json()["data"]
    [answer] = data.values()
    del answer[items][1:]  # a monitor of another make has fewer fields
    assert answer_fields(data) == query_fields(operation["query"])


def test_a_list_is_answered_by_a_list_and_an_object_by_an_object(simulator: Simulator) -> None:
    answers = query(simulator, [GROUPS, MONITORS]).json()
    assert [list(answer["data"]) for answer in answers] == [["listDeviceGroups"], ["listEndpoints"]]
    assert query(simulator, MONITORS).json() == answers[1]
    assert simulator.alexa.counts == {"exchange": 2, "graphql": 2, "groups": 1, "discovery": 2}


@pytest.mark.parametrize("body", ["text", [1], {"operationName": "getThermostats", "variables": {}, "query": ""}])
def test_an_operation_that_is_not_recorded_is_a_bad_request(simulator: Simulator, body: Any) -> None:
    assert query(simulator, body).status_code == 400


def test_the_air_depends_on_the_seed_alone() -> None:
    first, second = House(seed=1), House(seed=1)
    air = [first.air(quantity, "Living room", NOW) for quantity in QUANTITIES.values()]
    assert air == [46.0, 52.0, 21.0, 32.0, 3.0, 54.0, 22.5]
    assert air == [second.air(quantity, "Living room", NOW) for quantity in QUANTITIES.values()]
    assert first.monitors == second.monitors != House(seed=2).monitors
    assert air != [House(seed=2).air(quantity, "Living room", NOW) for quantity in QUANTITIES.values()]


@pytest.mark.parametrize("quantity, least, most", [
    ("humidity", 30, 70), ("voc", 0, 70), ("pm25", 0, 40), ("pm10", 0, 60), ("co", 0, 5), ("iaq", 30, 100)])
def test_the_air_is_whole_numbers_within_bounds_and_changes(quantity: str, least: int, most: int) -> None:
    values = [House().air(quantity, "Living room", NOW + timedelta(hours=hour)) for hour in range(24 * 14)]
    assert least <= min(values) < max(values) <= most and all(value == int(value) for value in values)


def test_samples_are_published_on_change_and_after_hours() -> None:
    house, serial = House(), House().monitors[0].serial
    for quantity in QUANTITIES.values():
        minutes = [NOW + timedelta(minutes=minute) for minute in range(0, 60 * 24, 5)]
        samples = sorted({house.last_sample(serial, quantity, minute) for minute in minutes})
        gaps = [(later - earlier).total_seconds() for earlier, later in zip(samples, samples[1:])]
        assert len(samples) > 3 and 280 <= min(gaps) and max(gaps) <= 6 * 3600 + 20
        for minute in minutes:
            published = house.last_sample(serial, quantity, minute)
            measured = house.last_report(f"{serial} {quantity}", minute)
            assert published <= measured <= minute
            assert house.air_truth(serial, quantity, published) == house.air_truth(serial, quantity, measured)


@pytest.mark.parametrize("hours", [0, 7])
def test_the_state_is_the_last_sample_of_every_quantity(hours: int, simulator: Simulator, clock: Clock) -> None:
    clock.now += timedelta(hours=hours)
    features = {feature["instance"] or feature["name"]: feature["properties"][0]
                for feature in endpoints(simulator)[0]["features"]}
    for name, quantity in QUANTITIES.items():
        when = simulator.house.last_sample(simulator.alexa.serial, quantity, clock.now)
        value = features[name].get("rangeValue", features[name].get("value"))["value"]
        assert value == simulator.house.air_truth(simulator.alexa.serial, quantity, when)
        assert features[name]["timeOfSample"] == when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert features["connectivity"]["reachabilityStatusValue"] == "OK"


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_a_fault_alters_the_chosen_monitor_alone(kind: str, simulator: Simulator) -> None:
    before = endpoints(simulator)
    simulator.faults.add(kind, monitor="Bedroom")
    after = endpoints(simulator)
    assert after[0] == before[0] and after[1:] != before[1:]
    simulator.faults.clear()
    assert endpoints(simulator) == before


def test_all_that_alters_the_state_can_happen_at_once(simulator: Simulator) -> None:
    for kind in ALTERATIONS:
        simulator.faults.add(kind)
    assert endpoints(simulator) == []
    simulator.faults.clear("vanished")
    assert len(endpoints(simulator)) == 2


def test_what_happens_on_the_wire_happens_to_the_cloud_alone(simulator: Simulator) -> None:
    own = cookies(simulator)
    simulator.faults.add("503", face="alexa", paths=["/nexus"])
    assert query(simulator, GROUPS, own).status_code == 503 and exchange(simulator).ok
    assert requests.get(f"{simulator.http_url}/api/{simulator.key}/sensors", timeout=5).ok


def test_faults_know_their_face_and_others_are_refused(simulator: Simulator) -> None:
    assert {simulator.faults.add(kind).face for kind in ALEXA_PATHS} == {"alexa"}
    assert {simulator.faults.add(kind).face for kind in KINDS} == {"hue"}
    assert {simulator.faults.add(kind, face="alexa").face for kind in ALEXA_KINDS} == {"alexa"}
    with pytest.raises(ValueError, match="there is no fault 'battery-null'"):
        simulator.faults.add("battery-null", face="alexa")
    with pytest.raises(ValueError, match="'offline' has no option sensor"):
        simulator.faults.add("offline", sensor="Utility")


def test_a_session_needs_all_its_own_cookies_without_quotes(simulator: Simulator) -> None:
    own, other = cookies(simulator), cookies(simulator)
    assert [*own] == ["session-id", "ubid-acbuk", "session-token", "x-acbuk", "at-acbuk", "sess-at-acbuk"]
    assert not errors(query(simulator, GROUPS, {**own, "csrf": "1"}).json())
    for name in own:
        without = {key: value for key, value in own.items() if key != name}
        for sent in (without, {**own, name: other[name]}, {**own, name: f'"{own[name]}"'}):
            assert errors(query(simulator, GROUPS, sent).json()) == ["FORBIDDEN"]


def test_cookies_last_a_day_of_the_houses_time_or_until_a_fault_ends_them(simulator: Simulator, clock: Clock) -> None:
    own = cookies(simulator)
    codes = []
    for hours in (23.9, 24.1):
        clock.now = NOW + timedelta(hours=hours)
        codes.append(errors(query(simulator, GROUPS, own).json()))
    assert codes == [[], ["FORBIDDEN"]]
    own = cookies(simulator)
    clock.now += timedelta(seconds=1)
    simulator.faults.add("cookies-expired", start=clock.now)
    assert errors(query(simulator, GROUPS, own).json()) == ["FORBIDDEN"]


def test_another_countrys_site_has_no_monitor(simulator: Simulator) -> None:
    monitors, groups = query(simulator, [MONITORS, GROUPS], cookies(simulator, "amazon.de")).json()
    assert monitors["data"]["listEndpoints"] == {"completeResult": True, "endpoints": []}
    assert groups["data"]["listDeviceGroups"]["deviceGroups"] == []
    with Simulator(tls=None, site="amazon.de") as german:
        monitors = query(german, MONITORS, cookies(german, "amazon.de")).json()
    assert len(monitors["data"]["listEndpoints"]["endpoints"]) == 2
    with pytest.raises(ValueError, match="there is no site 'amazon.xy'"):
        Simulator(tls=None, site="amazon.xy")
