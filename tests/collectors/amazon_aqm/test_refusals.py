"""What the cloud answers instead of data, and what becomes of it: another try, patience, or a clear word."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest

from tests.collectors.amazon_aqm.conftest import Household


def refused(code: object = "SOMETHING", retryable: object = False, data: object = None, **extensions: Any) -> str:
    extensions |= {"errorCode": code, "isRetryable": retryable}
    return json.dumps([{"errors": [{"message": "so it is", "extensions": extensions}], "data": data}])


@pytest.mark.parametrize(("fault", "options"), [("throttled", {}), ("429", {"face": "alexa", "paths": ["/nexus"]})])
def test_throttling_is_retried_once_and_then_left_alone(fault: str, options: dict[str, Any], settled: Household) -> None:
    """FR-009: the shared retry first; each pause ends with one single request. US2-4."""
    settled.faults.add(fault, **options)
    outcomes = [settled.run("--json") for _ in range(4)]
    assert [(outcome.code, outcome.json["requests"]) for outcome in outcomes] == [(1, 3), (1, 0), (1, 0), (1, 1)]
    assert {outcome.json["outcome"] for outcome in outcomes} == {"throttled"}


@pytest.mark.parametrize("message", ["Rate exceeded", "ThrottlingException", "Too many requests"])
def test_throttling_is_known_by_its_words_too(message: str, settled: Household) -> None:
    settled.faults.add("body", face="alexa", paths=["/nexus"], content=json.dumps([{"errors": [{"message": message}]}]))
    assert settled.run("--json").json["outcome"] == "throttled"


@pytest.mark.parametrize(("content", "operation"), [
    ('{"message": "Bad Request"}', "state"), ('{"__type": "ThrottlingException"}', "state"),
    ('{"message": "Rate exceeded"}', "discovery")])
def test_a_400_that_means_throttling_is_retried_as_such(content: str, operation: str, settled: Household) -> None:
    """So is any for a query that has worked here."""
    settled.faults.add("body", face="alexa", paths=["/nexus"], content=content, status=400)
    first, second = settled.run("--json", hours=25 if operation == "discovery" else 0), settled.run("--json")
    assert (first.json["outcome"], first.json["retries"], second.json["requests"]) == ("throttled", 2, 0)


def test_the_pause_grows_to_four_hours_and_ends_with_success(settled: Household) -> None:
    """In cycles of 15 minutes, over a day."""
    settled.faults.add("throttled", end=settled.moment + timedelta(hours=20))
    asked = []
    for cycle in range(24 * 4):
        settled.run(hours=10 / 60)
        asked += [cycle * 15] * bool(settled.alexa.counts["state"])
        settled.alexa.counts.clear()
    pauses = [after - before for before, after in zip(asked, asked[1:])]
    assert pauses[:6] == [15, 30, 60, 120, 240, 240]
    assert pauses[-3:] == [15, 15, 15]
    assert "throttled" not in settled.memory


def test_a_source_that_asks_for_more_patience_gets_it(settled: Household) -> None:
    settled.faults.add("429", face="alexa", paths=["/nexus"], times=1, retry_after=3600)
    settled.run()
    settled.asked()
    assert [settled.run(hours=0.8).code, settled.asked()] == [1, []]
    assert [settled.run(hours=0.2).code, settled.asked()] == [0, ["state"]]


def test_a_throttled_exchange_is_throttling_too(household: Household) -> None:
    household.faults.add("429", face="alexa", paths=["/ap/exchangetoken"])
    outcome = household.run("--json")
    assert (outcome.code, outcome.json["requests"], household.memory["throttled"]) == (1, 1, 1)


@pytest.mark.parametrize("fault", ["500", "502", "503", "not-json", "truncated", "reset"])
def test_one_bad_answer_is_made_good_by_asking_again(fault: str, settled: Household) -> None:
    settled.faults.add(fault, face="alexa", times=1)
    outcome = settled.run("--json")
    assert (outcome.code, outcome.json["requests"], outcome.json["retries"]) == (0, 2, 1)


@pytest.mark.parametrize(("content", "requests"), [
    (refused(retryable=True), 3), (refused(), 1), (refused(retryable="true"), 1), (refused(None), 1), ("null", 1),
    ("[]", 1), ("{}", 1), ('[{"data": null}]', 1), ('[{"data": {"listEndpoints": null}}]', 1), ("17", 1),
    ('[{"data": {"listEndpoints": {"endpoints": null}}}]', 1), ('[{"data": [], "errors": [1, {}]}]', 1),
    ('{"data": {"listEndpoints": {"endpoints": [], "completeResult": false}}}', 3), ("<html>back soon</html>", 3),
    ('<html><a href="/ap/signin">back soon, or sign in</a></html>', 3),
])
def test_an_answer_without_data_fails_the_cycle_and_no_more(content: str, requests: int, settled: Household) -> None:
    settled.faults.add("body", face="alexa", content=content, paths=["/nexus"])
    outcome = settled.run("--json")
    assert (outcome.code, outcome.json["requests"]) == (1, requests)
    settled.faults.clear()
    assert settled.run("--json").json["requests"] == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_firewalls_page_is_no_sign_of_a_dead_login(status: int, settled: Household) -> None:
    page = "<html><title>Request blocked</title></html>"
    settled.faults.add("body", face="alexa", paths=["/nexus"], content=page, status=status)
    outcome = settled.run("--json")
    assert (outcome.code, outcome.json["outcome"], outcome.json["requests"]) == (1, "unreachable", 3)
    assert "exchange" not in settled.asked() and not list(settled.home.data.glob("ALERT_*"))


def test_an_empty_answer_is_no_sign_of_a_dead_login(settled: Household) -> None:
    settled.faults.add("body", face="alexa", content="", status=202, paths=["/nexus"])
    assert settled.run("--json").json["outcome"] == "unreachable"


def test_requests_look_like_the_apps(settled: Household) -> None:
    settled.run()
    headers = settled.alexa.requests[-1].headers
    assert "AmazonAlexa" in headers["User-Agent"] and headers["Accept-Encoding"] == "gzip"
    assert "csrf" not in headers


@pytest.mark.parametrize("content", ["[" * 100_000, '[{"data": {"listEndpoints": {"endpoints": [0, 1, null]}}}]'])
def test_hostile_answers_are_no_fault_of_the_program(content: str, settled: Household) -> None:
    settled.faults.add("body", face="alexa", content=content, paths=["/nexus"])
    outcome = settled.run()
    assert outcome.code in (0, 1) and "a fault in the program" not in outcome.err + settled.home.log()


@pytest.mark.parametrize("length", [200_000, 7_990_000])
@pytest.mark.parametrize("piece", ["<form", "<title>", "<form action=x ", "<title>sign"])
def test_a_hostile_page_takes_no_longer_than_another(piece: str, length: int, settled: Household) -> None:
    spent = []
    for text in ("any text at all", piece):
        page = "<html>" + text * (length // len(text))
        settled.faults.add("body", face="alexa", content=page, paths=["/nexus"], times=1)
        started = time.process_time()
        assert settled.run("--json").json["retries"] == 1
        spent.append(time.process_time() - started)
    assert spent[1] < 5 * spent[0]
