"""Its sections of config.yaml and secrets.yaml: what they take, and what they refuse."""

from typing import Any

import pytest

from collectors.amazon_aqm import Secrets, Settings
from collectors.amazon_aqm.addresses import hosts
from tests.collectors.amazon_aqm.conftest import Household


def problems(**settings: Any) -> list[str]:
    return [name for name, _ in Settings(**settings).problems()]


def test_the_defaults_are_sound_and_switched_off() -> None:
    assert (problems(), Settings().enabled) == ([], False)


@pytest.mark.parametrize(("domain", "site"), [
    ("alexa.amazon.co.uk", "amazon.co.uk"), ("amazon.de", "amazon.de"), ("https://alexa.amazon.com/", "amazon.com"),
    ("www.amazon.com.au", "amazon.com.au"), ("ALEXA.AMAZON.CO.JP", "amazon.co.jp")])
def test_all_hosts_are_derived_from_the_domain(domain: str, site: str) -> None:
    where = hosts(Settings(domain=domain))
    assert (problems(domain=domain), where.site) == ([], site)
    assert (where.alexa, where.www) == (f"https://alexa.{site}", f"https://www.{site}")
    assert where.api == "https://api.amazon.com"


@pytest.mark.parametrize("domain", ["", "amazon", "amazon.example.org", "alexa.amazon.de.evil.org", "notamazon.de",
                                    "http://alexa.amazon.de", "amazon.de/path", "amazon.de@evil.org", "amazon.d\n"])
def test_only_amazon_is_sent_the_tokens(domain: str) -> None:
    assert problems(domain=domain) == ["domain"]


def test_the_addresses_for_tests_stand_for_all_hosts() -> None:
    where = hosts(Settings(base_url="http://127.0.0.1:1/", auth_url="http://127.0.0.1:2/"))
    assert (where.alexa, where.www, where.api) == ("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:2")


@pytest.mark.parametrize(("address", "is_allowed"), [
    ("https://proxy.example.org/alexa", True), ("http://127.0.0.1:8080", True), ("http://localhost", True),
    ("http://[::1]:80", True), ("http://192.168.1.2", False), ("http://alexa.amazon.de", False), ("ftp://x", False),
    ("localhost:80", False), ("https://", False), ("http://127.0.0.1:99999", False),
    ("http://localhost.evil.org", False)])
def test_http_is_for_this_machine_alone(address: str, is_allowed: bool) -> None:
    assert problems(base_url=address) == ([] if is_allowed else ["base_url"])
    assert problems(auth_url=address) == ([] if is_allowed else ["auth_url"])


def test_ranges_have_to_be_ranges() -> None:
    assert problems(temperature_min=40, humidity_max=0) == ["temperature_min", "humidity_min"]


def test_secrets_do_not_show_in_a_representation() -> None:
    assert "Atnr" not in repr(Secrets("Atnr|x", {"at-main": "Atza|y"}))


def test_a_refresh_token_has_its_form() -> None:
    [(key, sentence)] = Secrets(refresh_token="hello").problems()
    assert key == "refresh_token" and "hello" not in sentence and sentence.endswith("pair amazon_aqm")
    assert list(Secrets(refresh_token="Atnr|x").problems()) == list(Secrets(cookies={"at-main": "x"}).problems()) == []


def test_it_is_off_unless_switched_on(household: Household) -> None:
    del household.home.settings["collectors"]["amazon_aqm"]["enabled"]
    household.configure()
    assert household.run().code == 0
    assert household.alexa.requests == []
