"""Each fault of the simulated cloud is what it says, as seen by a client on the other side of a real socket."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from tests.simulator import Simulator
from tests.simulator.alexa_alterations import ALTERATIONS
from tests.simulator.alexa_asking import DISCOVERY, GROUPS, cookies, exchange, features, query, shown, state
from tests.simulator.faults import ALEXA_KINDS, ALEXA_PATHS, KINDS

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=timezone.utc)
MEASURED = ["4", "5", "6", "7", "8", "9", "temperatureSensor"]


@pytest.fixture
def frozen() -> Iterator[Simulator]:
    """A simulator with two monitors on a fine winter noon that does not pass."""
    with Simulator(tls=None, monitors=2, clock=lambda: NOW) as running:
        yield running


def both(simulator: Simulator) -> dict[str, Any]:
    """Return the answer to a question for both monitors."""
    second = state_id(simulator, 1)
    return state(simulator, simulator.alexa.endpoint_id, second)


def state_id(simulator: Simulator, place: int) -> str:
    """Return the endpoint id of a monitor by its place."""
    return f"amzn1.alexa.endpoint.{simulator.house.monitors[place].uuid}"


def seen(answer: dict[str, Any]) -> list[str]:
    """Return the ids that an answer tells of."""
    return [each["endpointId"] for each in answer["data"]["listEndpoints"]["endpoints"]]


def codes(answer: dict[str, Any]) -> list[str]:
    """Return the error codes of an answer to one operation."""
    return [each["extensions"]["errorCode"] for each in answer.get("errors", [])]


@pytest.mark.parametrize("kind, status, phrase", [
    ("401", 401, ""), ("403", 403, "message"), ("302", 302, ""), ("sign-in", 200, '<form name="signIn"')])
def test_a_web_servers_refusals_are_for_queries_only(frozen: Simulator, kind: str, status: int, phrase: str) -> None:
    frozen.faults.add(kind)
    answer = query(frozen, {"query": GROUPS})
    assert answer.status_code == status and phrase in answer.text
    assert answer.headers.get("Location", "").startswith("https://www.amazon.co.uk/ap/signin") is (kind == "302")


@pytest.mark.parametrize("kind, code", [
    ("forbidden", "FORBIDDEN"), ("throttled", "UNOFFICIAL_CLIENT_TOO_MANY_REQUESTS"), ("bad-request", "BAD_REQUEST")])
def test_an_operation_is_refused_by_itself_at_200(frozen: Simulator, kind: str, code: str) -> None:
    options: dict[str, Any] = {"partial": False} if kind == "bad-request" else {}
    frozen.faults.add(kind, operation="groups", **options)
    answer = query(frozen, [{"query": GROUPS}, {"query": DISCOVERY}])
    refused, answered = answer.json()
    assert answer.status_code == 200 and codes(refused) == [code] and refused["data"] == {"listDeviceGroups": None}
    assert refused["errors"][0]["extensions"]["isRetryable"] is False
    assert codes(answered) == [] and len(seen(answered)) == 3


def test_one_bad_id_among_good_ones_leaves_the_others(frozen: Simulator) -> None:
    frozen.faults.add("bad-request", monitor=frozen.alexa.serial)
    answer = both(frozen)
    assert codes(answer) == ["BAD_REQUEST"] and seen(answer) == [state_id(frozen, 1)]
    assert codes(state(frozen, state_id(frozen, 1))) == []


def test_a_field_can_be_unknown_to_the_cloud(frozen: Simulator) -> None:
    frozen.faults.add("invalid-query")
    answer = state(frozen)
    assert answer["data"] is None and answer["errors"][0]["extensions"] == {"classification": "ValidationError"}
    assert len(seen(query(frozen, {"query": DISCOVERY}).json())) == 3


@pytest.mark.parametrize("kept", [0, 1])
def test_a_result_can_be_a_part_and_says_so(frozen: Simulator, kept: int) -> None:
    assert both(frozen)["data"]["listEndpoints"]["completeResult"] is True
    frozen.faults.add("incomplete", kept=kept)
    answer = both(frozen)
    assert answer["data"]["listEndpoints"]["completeResult"] is False and len(seen(answer)) == kept


def test_a_list_can_be_empty_and_pretend_to_be_complete(frozen: Simulator) -> None:
    frozen.faults.add("empty")
    frozen.faults.add("groupless")
    answer, groups = state(frozen), query(frozen, {"query": GROUPS}).json()
    assert answer["data"]["listEndpoints"] == {"endpoints": [], "completeResult": True} and codes(answer) == []
    assert groups["data"]["listDeviceGroups"] == {"deviceGroups": []}


def test_a_monitor_out_of_reach_has_null_values_and_errors(frozen: Simulator) -> None:
    frozen.faults.add("offline")
    told = features(frozen)
    assert told["connectivity"]["properties"][0]["reachabilityStatusValue"] == "UNREACHABLE"
    assert shown(frozen) == {**dict.fromkeys(MEASURED), "11": None, "connectivity": "UNREACHABLE"}
    assert {told[name]["properties"][0]["type"] for name in MEASURED} == {"ERROR"}


@pytest.mark.parametrize("kind, options, status", [
    ("offline", {"frozen": True, "seconds": 7200}, "UNREACHABLE"), ("old-samples", {"seconds": 7200}, "OK"),
    ("old-samples", {"start": NOW - timedelta(hours=2)}, "OK")])
def test_old_values_are_those_of_then(frozen: Simulator, kind: str, options: dict[str, Any], status: str) -> None:
    frozen.faults.add(kind, **options)
    values, told, serial = shown(frozen), features(frozen), frozen.alexa.serial
    then = frozen.house.last_sample(serial, "voc", NOW - timedelta(hours=2))
    assert values["5"] == frozen.house.air_truth(serial, "voc", then) and values["connectivity"] == status
    assert told["5"]["properties"][0]["timeOfSample"] == then.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert all(told[name]["properties"][0]["timeOfSample"] <= "2026-01-15T10:00" for name in MEASURED)
    assert {told[name]["properties"][0]["type"] for name in MEASURED} == {"RETRIEVABLE"}


@pytest.mark.parametrize("kind, expected", [
    ("value-null", {"type": "RETRIEVABLE", "error": None}),
    ("not-found", {"type": "ERROR", "error": {"type": "NOT_FOUND", "message": "The property was not found"}}),
])
def test_the_outer_value_can_be_null_with_and_without_an_error(
        frozen: Simulator, kind: str, expected: dict[str, Any]) -> None:
    frozen.faults.add(kind, features=["6", "temperatureSensor"])
    told = features(frozen)
    for name, key in (("6", "rangeValue"), ("temperatureSensor", "value")):
        (found,) = told[name]["properties"]
        assert found[key] is None and {each: found[each] for each in expected} == expected
    assert told["5"]["properties"][0]["rangeValue"]["value"] > 0


def test_a_value_that_cannot_be_retrieved_is_there_all_the_same(frozen: Simulator) -> None:
    honest = shown(frozen)
    frozen.faults.add("not-retrievable", features=["4"])
    assert shown(frozen) == honest
    types = {name: each["properties"][0]["type"] for name, each in features(frozen).items()}
    assert [name for name, kind in types.items() if kind != "RETRIEVABLE"] == ["4"]


@pytest.mark.parametrize("value", [None, True, "20", [], 1e300, -40, 10**400, math.inf, -math.inf])
def test_the_innermost_value_can_be_anything(frozen: Simulator, value: Any) -> None:
    frozen.faults.add("value", features=["range"], value=value)
    values = shown(frozen)
    assert [values[name] for name in "456789"] == [value] * 6 and values["temperatureSensor"] > 0


def test_a_value_can_be_no_number(frozen: Simulator) -> None:
    frozen.faults.add("value", value=math.nan)
    assert all(math.isnan(shown(frozen)[name]) for name in MEASURED)


def test_anything_can_be_laid_over_a_property(frozen: Simulator) -> None:
    frozen.faults.add("property", features=["9"], property={"timeOfSample": 5, "rangeValue": [1]})
    (found,) = features(frozen)["9"]["properties"]
    assert (found["timeOfSample"], found["rangeValue"]) == (5, [1])


def test_features_can_lack_properties_instance_or_label(frozen: Simulator) -> None:
    frozen.faults.add("properties-null", features=["6"])
    frozen.faults.add("unlabelled", features=["range"])
    told = features(frozen)
    assert told["6"]["properties"] is None and told["5"]["properties"]
    assert [each["configuration"] for each in told.values() if each["name"] == "range"] == [None] * 6
    frozen.faults.add("uninstanced", features=["8", "9"])
    assert [*features(frozen)] == ["11", "4", "5", "6", "7", "range", "temperatureSensor", "connectivity"]


def test_ranges_can_be_called_otherwise(frozen: Simulator) -> None:
    frozen.faults.add("relabelled", labels={"5": "Carbon dioxide", "6": "Alexa.AirQuality.CarbonDioxide", "9": None})
    told = {name: each["configuration"]["friendlyName"]["value"] for name, each in features(frozen).items()
            if each["name"] == "range"}
    assert told["5"] == {"text": "Carbon dioxide", "assetId": None} and told["9"] == {"text": None, "assetId": None}
    assert told["6"] == {"text": None, "assetId": "Alexa.AirQuality.CarbonDioxide"} and told["4"]["text"]


def test_there_can_be_features_that_nobody_knows(frozen: Simulator) -> None:
    honest = features(frozen)
    frozen.faults.add("extra-features")
    told = features(frozen)
    assert told.keys() - honest.keys() == {"12", "13", "aroma", "1"} and told["aroma"]["properties"] is None
    assert all(told[name] == each for name, each in honest.items())


@pytest.mark.parametrize("kind, options", [
    ("offline", {}), ("value-null", {}), ("unlabelled", {"features": ["range"]}), ("extra-features", {}),
    ("called", {})])
def test_a_fault_can_be_about_one_monitor(frozen: Simulator, kind: str, options: dict[str, Any]) -> None:
    before = both(frozen)["data"]["listEndpoints"]["endpoints"]
    frozen.faults.add(kind, monitor="Bedroom", **options)
    after = both(frozen)["data"]["listEndpoints"]["endpoints"]
    assert after[0] == before[0] and after[1] != before[1]
    frozen.faults.clear()
    frozen.faults.add(kind, **options)
    assert both(frozen)["data"]["listEndpoints"]["endpoints"][0] != before[0]


@pytest.mark.parametrize("replaced", [True, False])
def test_a_monitor_can_vanish_and_come_back_under_another_id(frozen: Simulator, replaced: bool) -> None:
    old, serial = frozen.alexa.endpoint_id, frozen.alexa.serial
    frozen.faults.add("vanished", monitor=serial, replaced=replaced)
    found = query(frozen, {"query": DISCOVERY}).json()
    serials = [each["serialNumber"] and each["serialNumber"]["value"]["text"]
               for each in found["data"]["listEndpoints"]["endpoints"]]
    assert seen(state(frozen)) == [] and old not in seen(found) and (serial in serials) is replaced
    if replaced:
        assert seen(state(frozen, seen(found)[0])) == [seen(found)[0]]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_can_be_refused_for_a_while(frozen: Simulator, status: int) -> None:
    mine = cookies(frozen)
    frozen.faults.add("token-refused", status=status, times=1)
    assert "errors" not in query(frozen, {"query": GROUPS}, mine).json()
    assert [exchange(frozen).status_code, exchange(frozen).status_code] == [status, 200]


def test_an_exchange_can_come_without_cookies_without_some_or_for_elsewhere(frozen: Simulator) -> None:
    frozen.faults.add("cookieless", times=1)
    assert exchange(frozen).json()["response"]["tokens"] == {"ttl": 2592000}
    frozen.faults.add("cookieless", names=["at-", "x-"], times=1)
    assert [*cookies(frozen)] == ["session-id", "ubid-acbuk", "session-token", "sess-at-acbuk"]
    frozen.faults.add("foreign-cookies")
    assert [*exchange(frozen).json()["response"]["tokens"]["cookies"]] == [".amazon.com"]


def test_cookies_can_expire_early_by_schedule() -> None:
    clock = {"now": NOW}
    with Simulator(tls=None, clock=lambda: clock["now"]) as simulator:
        old, later = cookies(simulator), NOW + timedelta(hours=1)
        simulator.faults.add("cookies-expired", start=later, end=later + timedelta(hours=3))
        before = query(simulator, {"query": GROUPS}, old).json()
        clock["now"] = later
        assert codes(before) == [] and codes(query(simulator, {"query": GROUPS}, old).json()) == ["FORBIDDEN"]
        assert codes(query(simulator, {"query": GROUPS}).json()) == []


@pytest.mark.parametrize("kind, status", [("429", 429), ("500", 500), ("503", 503), ("not-json", 200)])
def test_what_happens_on_the_wire_happens_to_the_cloud_alone(frozen: Simulator, kind: str, status: int) -> None:
    mine = cookies(frozen)
    frozen.faults.add(kind, face="alexa", paths=["/nexus"])
    answer = query(frozen, {"query": GROUPS}, mine)
    assert answer.status_code == status and not answer.text.startswith('{"data')
    assert exchange(frozen).ok and requests.get(f"{frozen.http_url}/api/{frozen.key}/sensors", timeout=5).json()


def test_a_connection_to_the_cloud_breaks_and_the_visit_counts(frozen: Simulator) -> None:
    for kind, error in (("reset", requests.ConnectionError), ("truncated", requests.exceptions.ChunkedEncodingError)):
        frozen.faults.add(kind, face="alexa", times=1)
        with pytest.raises(error):
            exchange(frozen)
    assert frozen.alexa.counts == {"exchange": 2} and len(frozen.alexa.requests) == 2


def test_a_status_may_be_one_that_nobody_has_named(frozen: Simulator) -> None:
    frozen.faults.add("body", face="alexa", content="", status=299)
    assert (exchange(frozen).status_code, exchange(frozen).text) == (299, "")


def test_faults_know_their_face_and_others_are_refused(frozen: Simulator) -> None:
    assert {frozen.faults.add(kind).face for kind in ALEXA_PATHS} == {"alexa"}
    assert {frozen.faults.add(kind).face for kind in KINDS} == {"hue"}
    assert {frozen.faults.add(kind, face="alexa").face for kind in ALEXA_KINDS} == {"alexa"}
    with pytest.raises(ValueError, match="there is no fault 'battery-null'"):
        frozen.faults.add("battery-null", face="alexa")
    with pytest.raises(ValueError, match="'offline' has no option sensor"):
        frozen.faults.add("offline", sensor="Utility")


def test_all_that_alters_the_state_can_happen_at_once(frozen: Simulator) -> None:
    for kind in ALTERATIONS:
        frozen.faults.add(kind)
    answer = both(frozen)
    assert seen(answer) == [] and answer["data"]["listEndpoints"]["completeResult"] is True
    frozen.faults.clear("vanished")
    assert len(seen(both(frozen))) == 2
