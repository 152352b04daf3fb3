"""When the list of monitors is fetched, and what follows for monitors that move, are missing or are new."""

from datetime import timedelta
from typing import Any

import pytest

import config
from collectors import amazon_aqm
from runtime.deadline import Deadline
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.state import State
from tests.collectors.amazon_aqm.conftest import Household


def test_discovery_comes_once_a_day(settled: Household) -> None:
    settled.run(hours=11)
    settled.run(hours=11)
    assert "discovery" not in settled.asked()
    settled.run(hours=2)
    assert settled.asked() == ["discovery", "groups", "state"]
    settled.run()
    assert settled.asked() == ["state"]


@pytest.mark.parametrize(("fault", "options"), [("bad-request", {"partial": False}), ("empty", {}), ("incomplete", {})])
def test_known_monitors_have_to_do_while_discovery_fails(
        fault: str, options: dict[str, Any], settled: Household) -> None:
    settled.faults.add(fault, operation="discovery", **options)
    assert settled.run("--json", hours=25).json["stored"] == 1
    settled.asked()
    settled.run()
    assert settled.asked() == ["state"]


def test_yesterdays_monitors_can_still_be_asked_when_discovery_takes_its_time(settled: Household) -> None:
    settled.moment += timedelta(hours=25)
    settled.faults.add("incomplete", operation="discovery")
    settled.faults.add("delay", face="alexa", paths=["/nexus"], seconds=0.2)
    url = settled.simulator.cloud_url
    retry = retry_policy(config.Retry(base_delay_seconds=0, max_attempts=20))
    with HttpClient(Deadline(1.2), retry) as http:
        found = list(amazon_aqm.collect(
            amazon_aqm.Settings(base_url=url, auth_url=url), amazon_aqm.Secrets(**settled.secrets()), http,
            State(settled.home.data / "amazon_aqm.session.json"), settled.moment))
    assert len(found) == 2


@pytest.mark.parametrize("endpoints", ["[]", "[null, 3]", "{}", '{"a": 1}', '"none"', "7", "true", "null"])
def test_one_odd_or_empty_answer_makes_no_monitor_forgotten(endpoints: str, settled: Household) -> None:
    before = settled.memory["discovered"]["found"]
    content = '[{"data": {"listEndpoints": {"completeResult": true, "endpoints": %s}}}]' % endpoints
    settled.faults.add("body", face="alexa", content=content, paths=["/nexus"], times=2)
    assert settled.run().code == 1
    assert settled.memory["discovered"]["found"] == before
    settled.faults.clear()
    assert settled.run("--json").json["stored"] == 1
    assert not settled.memory["discovered"].get("was_empty")


def test_an_incomplete_list_removes_no_monitor(two: Household) -> None:
    two.faults.add("incomplete", operation="discovery", kept=1)
    assert two.run("--json", hours=25).json["stored"] == 2
    two.faults.clear()
    assert len(two.memory["discovered"]["found"]) == 2


def test_rooms_that_remain_unknown_cost_nothing(household: Household) -> None:
    household.faults.add("forbidden", operation="groups")
    outcome = household.run("--json")
    assert (outcome.code, outcome.json["readings"][0]["location"]) == (0, "Air quality monitor")
    assert household.asked() == ["exchange", "discovery", "groups", "state"]


def test_rooms_once_known_are_kept_while_the_cloud_does_not_tell(settled: Household) -> None:
    settled.faults.add("bad-request", operation="groups", partial=False)
    settled.run(hours=25)
    room = settled.simulator.house.monitors[0].room
    assert [row["location"] for row in settled.home.rows()] == [room, room]


def test_a_monitor_without_a_room_stands_where_its_name_says(household: Household) -> None:
    household.faults.add("groupless")
    household.run()
    assert household.home.rows()[0]["location"] == "Air quality monitor"


def test_throttled_rooms_end_the_cycle_but_the_monitors_stay_known(household: Household) -> None:
    household.faults.add("throttled", operation="groups")
    assert household.run().code == 1
    household.faults.clear()
    household.asked()
    assert household.run(hours=1).code == 0
    assert household.asked() == ["state"]


def test_a_monitor_set_up_again_is_found_in_the_same_cycle(two: Household) -> None:
    two.faults.add("vanished", monitor=two.alexa.serial)
    outcome = two.run("--json")
    assert (outcome.code, outcome.json["stored"]) == (0, 2)
    assert two.asked() == ["discovery", "groups", "state", "state"]
    assert two.run("--json").json["requests"] == 1
    assert len(two.home.rows("SELECT * FROM device_registry")) == 2


def test_a_monitor_taken_out_of_the_account_is_forgotten(two: Household) -> None:
    two.faults.add("vanished", monitor=two.alexa.serial, replaced=False)
    assert two.run("--json").json["stored"] == 1
    assert two.asked() == ["discovery", "groups", "state"]
    assert two.run("--json").json["requests"] == 1


def test_a_monitor_that_is_listed_but_missing_is_searched_for_at_most_hourly(two: Household) -> None:
    two.faults.add("bad-request", monitor=two.alexa.serial)
    outcomes = [two.run("--json").json for _ in range(3)]
    assert [each["stored"] for each in outcomes] == [1, 1, 1]
    assert two.asked() == ["discovery", "groups", "state", "state", "state"]
    assert "is missing from the Alexa cloud's answer" in two.home.log()
    two.run(hours=24)
    assert two.asked().count("discovery") == 1
    two.faults.clear()
    two.run()
    two.asked()
    two.faults.add("vanished", monitor=two.alexa.serial)
    assert two.run("--json").json["stored"] == 2


def test_a_monitor_that_comes_and_goes_is_looked_up_once_an_hour(two: Household) -> None:
    for cycle in range(20):
        two.faults.clear()
        if cycle % 2:
            two.faults.add("bad-request", monitor=two.alexa.serial)
        assert two.run().code == 0
    assert two.asked().count("discovery") == 2


def test_a_monitor_that_vanished_again_is_found_within_the_hour(two: Household) -> None:
    two.faults.add("bad-request", monitor=two.alexa.serial, times=1)
    two.run()
    two.run()
    two.faults.add("vanished", monitor=two.alexa.serial)
    stored = [two.run("--json").json["stored"] for _ in range(14)]
    assert (stored[0], stored[-1]) == (1, 2)


def test_an_id_that_spoils_the_answer_for_all_is_asked_for_by_itself(two: Household) -> None:
    """The cloud refuses ids of another form than its own, and the operation with them."""
    path = two.home.data / "amazon_aqm.session.json"
    path.write_text(path.read_text(encoding="utf-8").replace(two.alexa.endpoint_id, "nonsense"), encoding="utf-8")
    assert two.run("--json").json["stored"] == 2
    assert two.run("--json").json["requests"] == 1


def test_an_incomplete_answer_leads_to_no_discovery(two: Household) -> None:
    two.faults.add("incomplete", operation="state", kept=1)
    assert two.run("--json").json["stored"] == 1
    assert two.asked() == ["state"]


def test_the_last_monitor_is_forgotten_after_two_empty_lists(settled: Household) -> None:
    settled.faults.add("vanished", replaced=False)
    outcomes = [settled.run() for _ in range(15)]
    assert settled.asked().count("discovery") == 2
    assert (outcomes[0].code, outcomes[-1].code, settled.memory["discovered"]["found"]) == (1, 1, [])
    settled.faults.clear()
    assert settled.run(hours=1).code == 0


def test_an_account_without_a_monitor_is_asked_once_an_hour(household: Household) -> None:
    household.configure(domain="alexa.amazon.de")
    assert {household.run().code for _ in range(24)} == {1}
    assert household.asked() == ["exchange", "discovery", "discovery"]
    assert household.run("--discover").code == 1
    assert household.asked() == ["discovery"]
    household.login(refresh_token=household.alexa.new_refresh_token())
    household.run()
    assert household.asked() == ["exchange", "discovery"]


def test_the_wrong_countrys_site_shows_nothing_and_is_suspected(household: Household) -> None:
    household.configure(domain="alexa.amazon.de")
    outcome = household.run()
    assert outcome.code == 1
    assert "there is no monitor in this account on amazon.de: is the domain right?" in outcome.err
    assert "Remedy: set collectors.amazon_aqm.domain" in outcome.err
    household.configure(domain="amazon.co.uk")
    assert household.run().code == 0


def test_discover_lists_all_without_changing_anything(two: Household) -> None:
    before = two.memory
    outcome = two.run("--discover")
    assert outcome.code == 0 and outcome.out.count("alexa:") == 2
    assert "Amazon Smart Air Quality Monitor" in outcome.out
    assert two.memory == before


def test_ids_that_are_all_unknown_are_looked_up(two: Household) -> None:
    path = two.home.data / "amazon_aqm.session.json"
    path.write_text(path.read_text(encoding="utf-8").replace("amzn1.alexa.endpoint.", "x."), encoding="utf-8")
    assert two.run("--json").json["stored"] == 2
    assert two.run("--json").json["requests"] == 1
