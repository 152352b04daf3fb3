"""The probe for the health check: one real request, described in a sentence or an error."""

from typing import Any

import pytest

import config
from collectors import amazon_aqm
from runtime.deadline import Deadline
from runtime.errors import NotAuthorised, NotUnderstood, Questionable, Throttled
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.state import State
from tests.collectors.amazon_aqm.conftest import Household


def probe(household: Household, **settings: str) -> str:
    url = household.simulator.cloud_url
    chosen = amazon_aqm.Settings(base_url=url, auth_url=url, **settings)  # type: ignore[arg-type]  # texts only
    memory = State(household.home.data / "amazon_aqm.session.json")
    with HttpClient(Deadline(10), retry_policy(config.Retry(base_delay_seconds=0))) as http:
        return amazon_aqm.probe(chosen, amazon_aqm.Secrets(**household.secrets()), http, memory)


def test_known_monitors_are_asked_for_their_state(settled: Household) -> None:
    assert probe(settled) == "the Alexa cloud at amazon.co.uk lists 1 device: Air quality monitor"
    assert settled.asked() == ["state"]


def test_without_a_known_monitor_it_fetches_the_list(household: Household) -> None:
    assert "lists 1 device" in probe(household)
    assert household.asked() == ["exchange", "discovery", "state"]


def test_known_monitors_that_are_gone_are_looked_for(settled: Household) -> None:
    settled.faults.add("vanished", replaced=False)
    with pytest.raises(NotUnderstood, match="is the domain right"):
        probe(settled)


def test_it_leaves_no_trace(settled: Household) -> None:
    before = settled.memory
    settled.alexa.expire_cookies()
    probe(settled)
    assert (settled.asked(), settled.memory) == (["exchange", "state", "state"], before)


def test_a_dead_login_and_throttling_are_reported(settled: Household) -> None:
    settled.faults.add("throttled")
    with pytest.raises(Throttled):
        probe(settled)
    settled.alexa.revoke()
    settled.faults.clear()
    with pytest.raises(NotAuthorised, match="Amazon refuses our login"):
        probe(settled)


@pytest.mark.parametrize(("fault", "options"), [
    ("offline", {}), ("old-samples", {}), ("empty", {"operation": "state"})])
def test_a_monitor_that_is_listed_and_gives_no_value_is_a_warning(
        fault: str, options: dict[str, Any], settled: Household) -> None:
    """An account of the family that does not own it, or another country's site: aioamazondevices issue 659."""
    settled.faults.add(fault, **options)
    with pytest.raises(Questionable, match="no value of any can be read"):
        probe(settled)


def test_a_session_that_is_no_longer_renewed_is_a_warning(settled: Household) -> None:
    settled.faults.add("503", face="alexa", paths=["/ap/exchangetoken"])
    settled.run(hours=15)
    with pytest.raises(Questionable, match="could not be renewed for 15 h"):
        probe(settled)
