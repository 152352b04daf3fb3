"""`python devices.py pair amazon_aqm`, with and without a user at a browser."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

import config
from collectors import amazon_aqm
from runtime.deadline import Deadline
from runtime.errors import BadAnswer, NotAuthorised, NotUnderstood, RemoteError
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.state import State
from tests.checkout import CHECKOUT
from tests.collectors.amazon_aqm.conftest import Household
from tests.home import Outcome, as_printed
from tests.simulator.alexa import Alexa
from tests.simulator.server import Simulator, real_time

NOT_FOUND = "https://www.amazon.com/ap/maplanding?openid.mode=id_res&openid.oa2.authorization_code="


class Person:
    """A user with terminal and browser, who pastes the right address, or `answers` instead."""

    address: str | None = None

    def __init__(self, alexa: Alexa, *answers: str) -> None:
        self.alexa, self.answers = alexa, list(answers)
        self.lines: list[str] = []

    def keep(self, values: Mapping[str, str]) -> None:
        self.kept = dict(values)

    def tell(self, text: str) -> None:
        self.lines.append(text)

    def ask(self, question: str) -> str:
        return self.answers.pop(0) if self.answers else self.alexa.sign_in(self.url) + "\n"

    @property
    def url(self) -> str:
        return next(line for line in self.lines if "/ap/signin" in line)


def introduce(person: Person, memory: State, url: str, domain: str | None = "amazon.co.uk",
              secrets: amazon_aqm.Secrets | None = None) -> dict[str, str]:
    settings = amazon_aqm.Settings(domain=domain, base_url=url, auth_url=url)
    with HttpClient(Deadline(20), retry_policy(config.Retry(base_delay_seconds=0))) as http:
        return amazon_aqm.pair(settings, secrets or amazon_aqm.Secrets(), http, memory, person)


@pytest.fixture
def memory(tmp_path: Path) -> State:
    return State(tmp_path / "memory.json")


def pair(household: Household, sign_in: bool = True) -> Outcome:
    """Run the command as a process, without a terminal, and paste what the browser ends at (or close its input)."""
    household.simulator.clock = real_time
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(household.home.config), "pair",
               "amazon_aqm"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          cwd=household.home.folder, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}) as process:
        assert process.stdin is not None and process.stderr is not None
        seen = [process.stderr.readline(), process.stderr.readline()]
        answer = household.alexa.sign_in(seen[1].strip()) + "\n" if sign_in else ""
        out, err = process.communicate(answer, timeout=30)
    return Outcome(process.returncode, out, "".join(seen) + err)


def test_the_command_leads_through_the_browser_and_then_everything_is_known(household: Household) -> None:
    household.home.secrets.unlink()
    outcome = pair(household)
    assert outcome.code == 0, outcome.err
    assert household.secrets()["refresh_token"] == household.alexa.refresh_token
    assert set(household.secrets()) == {"refresh_token", "device_serial"}
    assert stat.S_IMODE(household.home.secrets.stat().st_mode) == 0o600
    assert f"Found 1 device at amazon.co.uk: Air quality monitor ({household.alexa.serial}" in outcome.err
    assert "°C" in outcome.out
    assert (household.alexa.counts["register"], household.alexa.counts["exchange"]) == (1, 1)
    assert household.home.process(module="collectors.amazon_aqm").code == 0
    assert household.alexa.counts["exchange"] == 1


def test_the_command_without_anybody_to_answer_ends_with_the_remedy(household: Household) -> None:
    outcome = pair(household, sign_in=False)
    assert outcome.code == 1
    assert "was not given" in outcome.err
    assert household.home.as_printed("Remedy: python devices.py pair amazon_aqm") in outcome.err
    assert household.alexa.requests == []


def test_what_the_program_prints_holds_no_secret(household: Household) -> None:
    outcome = pair(household)
    assert household.alexa.refresh_token not in outcome.out + outcome.err
    kept = yaml.safe_load((household.home.data / "amazon_aqm.session.json").read_text(encoding="utf-8"))
    assert not [value for value in kept["session"]["cookies"].values() if value in outcome.out + outcome.err]


def test_the_sign_in_page_is_amazons_own_for_every_country(memory: State) -> None:
    with Simulator(tls=None) as simulator:
        person = Person(simulator.alexa, "")
        with pytest.raises(NotUnderstood), HttpClient(Deadline(5), retry_policy(config.Retry())) as http:
            amazon_aqm.pair(amazon_aqm.Settings(domain="amazon.de"), amazon_aqm.Secrets(), http, memory, person)
    parts = urlsplit(person.url)
    asked = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "www.amazon.com", "/ap/signin")
    assert asked["openid.return_to"] == ["https://www.amazon.com/ap/maplanding"]
    assert asked["openid.oa2.code_challenge_method"] == ["S256"]


def test_pairing_again_registers_the_same_device_with_another_secret(household: Household, memory: State) -> None:
    """After about seven devices Amazon forces a new password."""
    people = [Person(household.alexa) for _ in range(2)]
    first = introduce(people[0], memory, household.simulator.cloud_url)
    introduce(people[1], memory, household.simulator.cloud_url, secrets=amazon_aqm.Secrets(**first))  # type: ignore[arg-type]
    asked = [parse_qs(urlsplit(person.url).query) for person in people]
    assert asked[0]["openid.oa2.client_id"] == asked[1]["openid.oa2.client_id"]
    assert asked[0]["openid.oa2.code_challenge"] != asked[1]["openid.oa2.code_challenge"]


def test_a_device_of_another_serial_number_is_deregistered(household: Household, memory: State) -> None:
    old, person = household.alexa.refresh_token, Person(household.alexa)
    introduce(person, memory, household.simulator.cloud_url, secrets=amazon_aqm.Secrets(refresh_token=old))
    assert any("Amazon has deregistered our device" in line for line in person.lines)
    household.login(refresh_token=old)
    assert household.run().code == 2


@pytest.mark.parametrize("configured", [None, "amazon.de"])
def test_the_accounts_site_is_found(configured: str | None, memory: State) -> None:
    """Not every country has an Alexa host, and those of others show an account without devices, or refuse it."""
    with Simulator(tls=None, site="amazon.com.au") as simulator:
        person = Person(simulator.alexa)
        kept = introduce(person, memory, simulator.cloud_url, configured)
    assert kept.get("domain") == (None if configured else "amazon.com.au")
    assert any("at amazon.com.au" in line for line in person.lines)
    assert any("set collectors.amazon_aqm.domain to amazon.com.au" in line for line in person.lines) == bool(configured)


@pytest.mark.parametrize("spoil", [
    lambda url: url.replace("&", "&amp;"), lambda url: url.replace("?", "#"), lambda url: f"{url[:90]}\n{url[90:]}",
    lambda url: re.search("authorization_code=([^&]+)", url)[1],  # type: ignore[index]
    lambda url: url.replace("SimulatedCode", "Simulated\nCode"), lambda url: "\n".join(re.findall(".{1,20}", url)),
    lambda url: f"{url.partition('Code')[0]}\n{url}", lambda url: url.partition("&openid.oa2.scope")[0] + "\n"])
def test_what_is_pasted_may_be_spoiled(spoil: Callable[[str], str], household: Household, memory: State) -> None:
    person = Person(household.alexa)
    ask, person.pasted = person.ask, []  # type: ignore[attr-defined]

    def answer(question: str) -> str:
        if not person.pasted:  # type: ignore[attr-defined]
            person.pasted += spoil(ask(question).strip()).split("\n")  # type: ignore[attr-defined]
        return str(person.pasted.pop(0))  # type: ignore[attr-defined]

    person.ask = answer  # type: ignore[method-assign]
    assert introduce(person, memory, household.simulator.cloud_url)["refresh_token"]


def test_all_requests_are_an_apps(household: Household, memory: State) -> None:
    introduce(Person(household.alexa), memory, household.simulator.cloud_url)
    agents = {request.headers["User-Agent"] for request in household.alexa.requests}
    assert len(agents) == 1 and "AmazonAlexa" in agents.pop()


def test_an_address_without_a_code_may_be_corrected(household: Household, memory: State) -> None:
    person = Person(household.alexa, "https://www.amazon.com/", "http://[")
    assert introduce(person, memory, household.simulator.cloud_url)["refresh_token"] == household.alexa.refresh_token
    assert sum("no openid.oa2.authorization_code" in line for line in person.lines) == 2


def test_three_addresses_without_a_code_are_enough(household: Household, memory: State) -> None:
    with pytest.raises(NotUnderstood, match="was not given"):
        introduce(Person(household.alexa, *["no sense"] * 3), memory, household.simulator.cloud_url)
    assert household.alexa.requests == []


@pytest.mark.parametrize(("fault", "options", "error"), [
    ("body", {"status": 400}, NotAuthorised), ("body", {"status": 401}, NotAuthorised), ("500", {}, BadAnswer),
    ("body", {"status": 403, "content": "<html>blocked</html>"}, BadAnswer),
    ("429", {}, RemoteError), ("reset", {}, RemoteError), ("body", {"content": "{}"}, NotAuthorised),
    ("body", {"content": '{"response": {"success": {"tokens": {"bearer": {"refresh_token": 5}}}}}'}, NotAuthorised),
])
def test_registration_is_tried_once_whatever_happens(
        fault: str, options: dict[str, Any], error: type[Exception], household: Household, memory: State) -> None:
    household.faults.add(fault, face="alexa", paths=["/auth/register"], **options)
    with pytest.raises(error):
        introduce(Person(household.alexa), memory, household.simulator.cloud_url)
    assert household.alexa.counts["register"] == 1


def test_a_code_used_before_asks_for_another_sign_in(household: Household, memory: State) -> None:
    with pytest.raises(NotAuthorised, match="rejected the code") as refused:
        introduce(Person(household.alexa, NOT_FOUND + "USED&openid.oa2.scope=x"), memory, household.simulator.cloud_url)
    assert refused.value.remedy == as_printed("python devices.py pair amazon_aqm")


def test_the_wrong_country_is_suspected_and_the_token_kept_all_the_same(household: Household, memory: State) -> None:
    person = Person(household.alexa)
    household.faults.add("empty")
    assert introduce(person, memory, household.simulator.cloud_url, "amazon.de")["refresh_token"]
    assert "is the domain right?" in person.lines[-1] and "collectors.amazon_aqm.domain" in person.lines[-1]


def test_a_token_that_cannot_be_tried_just_now_is_kept_all_the_same(household: Household, memory: State) -> None:
    household.faults.add("500", face="alexa", paths=["/nexus"])
    person = Person(household.alexa)
    assert introduce(person, memory, household.simulator.cloud_url)["refresh_token"]
    assert "HTTP 500" in person.lines[-1]
