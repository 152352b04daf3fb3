"""The login: how long cookies are used, what happens when they are refused, and when only a human can help."""

import json
import stat
from typing import Any

import pytest

from tests.collectors.amazon_aqm.conftest import Household
from tests.home import Home, as_printed
from tests.simulator.server import Simulator

REFUSALS = ["forbidden", "401", "403", "302", "sign-in"]


def test_cookies_are_used_for_twelve_hours(settled: Household) -> None:
    settled.run(hours=11.5)
    assert settled.asked() == ["state"]
    settled.run(hours=0.5)
    assert settled.asked() == ["exchange", "state"]
    settled.run()
    assert settled.asked() == ["state"]


def test_cookies_from_a_future_are_renewed(settled: Household) -> None:
    """The clock was set back."""
    settled.run(hours=-30)
    assert settled.asked() == ["exchange", "discovery", "groups", "state"]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refused_cookies_are_exchanged_once_and_the_request_repeated_once(refusal: str, settled: Household) -> None:
    settled.alexa.refusal = refusal
    settled.alexa.expire_cookies()
    outcome = settled.run("--json")
    assert (outcome.code, outcome.json["stored"], outcome.json["requests"]) == (0, 1, 3)
    assert settled.asked() == ["exchange", "state", "state"]
    before, after = settled.cookies()[-2:]
    assert before != after


@pytest.mark.parametrize("refusal", REFUSALS[:2])
def test_fresh_cookies_that_are_refused_too_need_a_human_when_it_lasts(refusal: str, settled: Household) -> None:
    """The exchange has proven the login. It is asked again after 5, 15 and 60 minutes, and needs a human after an hour."""
    settled.faults.add(refusal)
    outcomes, asked = [], []
    for cycle in range(24):
        outcomes.append(settled.run("--json"))
        asked += [5 * cycle] * bool(settled.asked())
    assert asked == [0, 5, 20, 80]
    assert [outcome.code for outcome in outcomes] == 16 * [1] + 8 * [2]
    assert (outcomes[0].json["requests"], outcomes[0].json["outcome"]) == (3, "unreachable")
    assert as_printed("python devices.py pair amazon_aqm") in outcomes[16].err
    settled.faults.clear()
    assert settled.run(hours=1).code == 0 and "refusals" not in settled.memory


def test_a_refusal_that_passes_costs_five_minutes(settled: Household) -> None:
    """Amazon refuses sessions it has just issued for minutes: alexa_media_player issue 1697."""
    settled.faults.add("403", times=2)
    assert [settled.run().code, settled.run().code] == [1, 0]
    assert len(settled.home.rows()) == 2
    assert not list(settled.home.data.glob("ALERT_*"))


def test_where_nothing_was_ever_read_the_site_is_doubted_first(household: Household) -> None:
    household.faults.add("401")
    err = household.run().err
    assert err.index("collectors.amazon_aqm.domain") < err.index("pair amazon_aqm")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_revoked_token_needs_a_human_and_is_tried_ever_more_rarely(status: int, settled: Household) -> None:
    """After 15 minutes, an hour, four hours, and then daily."""
    settled.alexa.revoke(status)
    assert settled.run("--json").json["requests"] == 2
    settled.asked()
    for minutes in (15, 60, 240, 1440, 1440):
        before, due = settled.run(hours=(minutes - 10) / 60), settled.run()
        assert (before.code, due.code, settled.asked()) == (2, 2, ["exchange"])


def test_a_new_token_is_tried_at_once(settled: Household) -> None:
    settled.alexa.revoke()
    assert settled.run().code == 2
    settled.login(refresh_token=settled.alexa.new_refresh_token())
    assert settled.run().code == 0


@pytest.mark.parametrize(("fault", "options"), [
    ("cookieless", {}), ("cookieless", {"names": ["at-"]}), ("foreign-cookies", {})])
def test_an_exchange_that_brings_no_cookies_for_our_site_needs_a_human(
        fault: str, options: dict[str, Any], household: Household) -> None:
    household.faults.add(fault, **options)
    outcome = household.run()
    assert "collectors.amazon_aqm.domain in config.yaml" in outcome.err and "pair amazon_aqm" in outcome.err
    assert household.alexa.counts["exchange"] == 1 and not household.home.rows()


@pytest.mark.parametrize("fault", ["500", "503", "not-json", "truncated", "reset"])
def test_an_exchange_that_fails_for_a_moment_is_tried_again(fault: str, household: Household) -> None:
    household.faults.add(fault, face="alexa", paths=["/ap/exchangetoken"], times=2)
    assert household.run().code == 0


def test_an_exchange_that_goes_on_failing_is_no_reason_to_call_a_human(household: Household) -> None:
    household.faults.add("500", face="alexa", paths=["/ap/exchangetoken"])
    outcome = household.run("--json")
    assert (outcome.code, outcome.json["outcome"], outcome.json["requests"]) == (1, "unreachable", 3)


@pytest.mark.parametrize(("content", "status", "code"), [
    ("[]", 200, 1), ("null", 200, 1), ("{}", 200, 2), ('{"response": null}', 200, 2),
    ('{"response": {"tokens": {"cookies": {".amazon.co.uk": [{"Name": 1, "Value": "x"}, {"Name": ""}, null]}}}}',
     200, 1),
    ('{"response": {"error": {"code": "ServerError"}}}', 200, 1),
    ('{"response": {"error": {"code": "InternalError"}}}', 200, 1),
    ('{"response": {"error": {"code": "InvalidToken", "message": "One or more\\u001b tokens"}}}', 200, 2),
    ("", 404, 1), ("<html>maintenance</html>", 200, 1),
])
def test_what_an_answer_to_the_exchange_means(content: str, status: int, code: int, household: Household) -> None:
    household.faults.add("body", face="alexa", paths=["/ap/exchangetoken"], content=content, status=status)
    assert household.run().code == code


def test_old_cookies_go_on_if_new_ones_cannot_be_had_just_now(settled: Household) -> None:
    settled.faults.add("503", face="alexa", paths=["/ap/exchangetoken"])
    assert settled.run(hours=13).code == 0
    assert "still using the old one" in settled.home.log()
    settled.asked()
    asked = [settled.asked() for _ in range(9) if settled.run().code == 0]
    assert asked == 2 * [["state"]] + [["exchange"] * 3 + ["state"]] + 5 * [["state"]] + [["exchange"] * 3 + ["state"]]
    settled.faults.clear()


@pytest.mark.parametrize("hours", [0, 13, 25])
@pytest.mark.parametrize("fault", ["503", "reset", "not-json"])
def test_an_exchange_that_fails_for_a_moment_is_no_dead_login(fault: str, hours: int, settled: Household) -> None:
    """Whatever the age of the refused cookies, and whether discovery is due."""
    settled.faults.add(fault, face="alexa", paths=["/ap/exchangetoken"])
    settled.alexa.expire_cookies()
    outcome = settled.run("--json", hours=hours)
    assert (outcome.code, outcome.json["outcome"]) == (1, "unreachable")
    assert "refuses our login" not in outcome.err and not list(settled.home.data.glob("ALERT*"))
    assert "session" not in settled.memory
    assert sum("/ap/exchangetoken" in each.path for each in settled.alexa.requests[4:]) <= 3
    settled.faults.clear()
    assert settled.run().code == 0


def test_an_exchange_that_goes_on_failing_is_tried_once_in_a_cycle(settled: Household) -> None:
    settled.run(hours=12)
    settled.asked()
    settled.faults.add("503", face="alexa", paths=["/ap/exchangetoken"])
    assert settled.run("--json", hours=12).json["requests"] == 3 + 3
    assert settled.asked() == ["exchange"] * 3 + ["discovery", "groups", "state"]


@pytest.mark.parametrize("path", ["/nexus", "/ap/exchangetoken"])
def test_being_sent_elsewhere_is_a_refusal_only_if_it_is_to_the_sign_in(path: str, settled: Household) -> None:
    settled.faults.add("redirect", face="alexa", paths=[path], location="https://www.amazon.co.uk/maintenance")
    settled.alexa.expire_cookies()
    outcome = settled.run("--json")
    assert (outcome.code, outcome.json["outcome"]) == (1, "unreachable")
    settled.faults.clear()
    assert settled.run().code == 0
    settled.faults.add("redirect", face="alexa", paths=[path], location="https://www.amazon.co.uk/ap/signin?a=b")
    settled.alexa.expire_cookies()
    outcome = settled.run()
    assert outcome.code == (1 if path == "/nexus" else 2)


def test_cookies_that_a_header_cannot_hold_are_left_out(settled: Household) -> None:
    settled.login(cookies={"session-id": '"1-2"', "b d": "x", "c": "a;b", "d": "a\u20ac", "e": "ok"})
    settled.run()
    assert settled.cookies()[-1] == "e=ok; session-id=1-2"


def test_an_earlier_programs_cookies_do_while_they_live(household: Household) -> None:
    household.login(cookies=household.alexa.browser_cookies(household.moment))
    assert [household.run().code for _ in range(2)] == [0, 0]
    assert household.asked() == ["discovery", "groups", "state", "state"]
    assert "session" not in household.memory


def test_an_earlier_programs_cookies_once_refused_need_a_human_at_once(household: Household) -> None:
    household.login(cookies=household.alexa.browser_cookies(household.moment))
    household.run()
    household.asked()
    household.alexa.expire_cookies()
    outcome = household.run()
    assert outcome.code == 2 and as_printed("Remedy: python devices.py pair amazon_aqm") in outcome.err
    assert household.asked() == ["state"]
    household.run()
    assert household.asked() == []


@pytest.mark.parametrize("secrets", [{}, {"cookies": {}}, {"refresh_token": ""}, {"cookies": {"a b": "c"}}])
def test_without_a_login_no_request_is_made(secrets: dict[str, object], household: Household) -> None:
    household.login(**secrets)
    outcome = household.run()
    assert outcome.code == 2 and "there is no amazon_aqm.refresh_token" in outcome.err
    assert household.alexa.requests == []


def test_another_account_starts_over(settled: Household) -> None:
    settled.login(refresh_token=settled.alexa.new_refresh_token())
    settled.run()
    assert settled.asked() == ["exchange", "discovery", "groups", "state"]


def test_what_is_remembered_is_for_the_owner_alone_and_holds_no_token(settled: Household) -> None:
    path = settled.home.data / "amazon_aqm.session.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert settled.alexa.refresh_token not in path.read_text(encoding="utf-8")


def test_a_damaged_memory_is_an_empty_one(settled: Household) -> None:
    remembered = settled.memory
    for damaged in ({"session": 5, "discovered": [3]}, {"session": {"issued_at": "x", "cookies": {"a": 1}}},
                    {"discovered": {"found": [None, {}, {"endpoint_id": 3}], "discovered_at": "yesterday"}},
                    {"session": {"issued_at": "", "cookies": remembered["session"]["cookies"]}, "throttled": "often",
                     "discovered": {**remembered["discovered"], "silent": 7}, "unknown_instances": 3, "labels": "x"},
                    {"discovered": {**remembered["discovered"], "discovered_at": "yesterday"}}):
        (settled.home.data / "amazon_aqm.session.json").write_text(
            json.dumps({**remembered, **damaged}), encoding="utf-8")
        assert settled.run().code == 0


def test_no_secret_leaves_the_program(settled: Household) -> None:
    """In the log, on the terminal, in the database, whatever goes wrong."""
    outcomes = [settled.run("-v")]
    for refusal in REFUSALS:
        settled.faults.add(refusal)
        outcomes.append(settled.run("-v", hours=25))
        settled.faults.clear()
    everything = "".join(each.out + each.err for each in outcomes) + settled.home.log() + "".join(
        file.read_bytes().decode("latin-1") for file in settled.home.data.rglob("*") if "session.json" not in file.name
        and file.is_file())
    values = {pair.partition("=")[2] for cookies in settled.cookies() for pair in cookies.split("; ")}
    assert len(values) > 12
    assert not [value for value in {settled.alexa.refresh_token, *values} if value in everything]


@pytest.mark.parametrize("address", ["base_url", "auth_url"])
def test_a_stranger_in_amazons_place_gets_no_second_request(address: str, home: Home, simulator: Simulator) -> None:
    """A man in the middle does not prove that the login is dead, and costs no day of waiting."""
    household = Household(home, simulator)
    household.configure(**{address: simulator.https_url})
    for _ in range(2):
        outcome = household.run("-v")
        assert outcome.code == 2 and "certificate that is not the one to trust" in outcome.err
        assert "refuses our login" not in outcome.err
    assert household.asked() == (["exchange"] if address == "base_url" else [])


@pytest.mark.parametrize("padding", ["", "x" * 60])
@pytest.mark.parametrize("hours", [0, 13])
def test_a_cookie_that_the_cloud_repeats_is_redacted(hours: float, padding: str, settled: Household) -> None:
    """One that was kept and one just issued; cut off in the middle it would not be known again."""
    canary = settled.memory["session"]["cookies"]["session-token"] if hours == 0 else "CanaryOfTheExchange-" + 40 * "c"
    cookies = [{"Name": "session-token", "Value": canary}]
    settled.faults.add("body", face="alexa", paths=["/ap/exchangetoken"], content=json.dumps(
        {"response": {"tokens": {"cookies": {".amazon.co.uk": cookies}}}}))
    settled.faults.add("body", face="alexa", paths=["/nexus"], content=json.dumps(
        {"errors": [{"message": f"{padding} bad: {canary}", "extensions": {"errorCode": "X"}}]}))
    outcome = settled.run("-v", hours=hours)
    assert outcome.code == 1 and "answers with an error" in outcome.err
    assert canary[:15] not in outcome.err + settled.home.log()
    assert settled.cookies()[-1].endswith(canary) == (hours == 13)


def test_a_cookie_that_was_given_in_quotes_is_masked_without_them(settled: Household) -> None:
    canary = "CanaryOfTheQuotes-" + 20 * "c"
    settled.login(cookies={"session-token": f'"{canary}"'})
    settled.faults.add("body", face="alexa", paths=["/nexus"], content=json.dumps(
        {"errors": [{"message": f"bad: {canary}", "extensions": {"errorCode": "X"}}]}))
    outcome = settled.run("-v")
    assert outcome.code == 1 and "answers with an error" in outcome.err
    assert settled.cookies()[-1] == f"session-token={canary}"
    assert canary not in outcome.err + settled.home.log()
