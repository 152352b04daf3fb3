"""Pairing with the simulated cloud: PKCE, codes that work once, tokens that are refused; and its remote control."""

import base64
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
import yaml

from collectors.amazon_aqm.queries import GROUPS
from tests.simulator.alexa_asking import cookies, exchange, query
from tests.simulator.server import Simulator

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=timezone.utc)
CHECKOUT = Path(__file__).resolve().parent.parent
SERIAL, VERIFIER = "5F" * 16, "a-verifier-that-nobody-else-knows-01234567890"
CLIENT = f"{SERIAL}#A2IVLV5VM2W81".encode().hex()
WISHES = {
    "openid.return_to": "https://www.amazon.com/ap/maplanding", "openid.oa2.code_challenge_method": "S256",
    "openid.oa2.code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43],
    "openid.assoc_handle": "amzn_dp_project_dee_ios", "pageId": "amzn_dp_project_dee_ios",
    "openid.identity": "http://specs.openid.net/auth/2.0/identifier_select", "accountStatusPolicy": "P1",
    "openid.claimed_id": "http://specs.openid.net/auth/2.0/identifier_select", "openid.mode": "checkid_setup",
    "openid.ns": "http://specs.openid.net/auth/2.0", "openid.ns.oa2": "http://www.amazon.com/ap/ext/oauth/2",
    "openid.oa2.client_id": f"device:{CLIENT}", "openid.oa2.response_type": "code",
    "openid.oa2.scope": "device_auth_access", "language": "en-GB",
}


@pytest.fixture
def frozen() -> Iterator[Simulator]:
    with Simulator(tls=None, clock=lambda: NOW) as running:
        yield running


def page(simulator: Simulator, **changes: str) -> str:
    """Return the address of the sign-in page; changes are given with `_` for `.`."""
    wishes = {**WISHES, **{name.replace("__", "."): value for name, value in changes.items()}}
    return f"{simulator.cloud_url}/ap/signin?{urlencode(wishes)}"


def landed(simulator: Simulator) -> str:
    return parse_qs(urlsplit(simulator.alexa.sign_in(page(simulator))).query)["openid.oa2.authorization_code"][0]


def register(simulator: Simulator, code: str, auth: dict[str, Any] | None = None, **changes: Any) -> requests.Response:
    """Exchange a code; `auth` changes what proves it, and the changes replace whole parts of the body."""
    body = {
        "requested_extensions": ["device_info", "customer_info"], "user_context_map": {"frc": ""},
        "cookies": {"website_cookies": [], "domain": ".amazon.co.uk"},
        "registration_data": {"domain": "Device", "app_version": "2.2.663733.0", "device_type": "A2IVLV5VM2W81",
                              "device_serial": SERIAL, "device_name": "Home monitor", "app_name": "Home monitor"},
        "auth_data": {"use_global_authentication": "true", "client_id": CLIENT, "authorization_code": code,
                      "code_verifier": VERIFIER, "code_algorithm": "SHA-256", "client_domain": "DeviceLegacy",
                      **(auth or {})},
        "requested_token_type": ["bearer", "mac_dms", "website_cookies"], **changes}
    return requests.post(f"{simulator.cloud_url}/auth/register", json=body, timeout=5)


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["response"]["error"]["code"]


@pytest.mark.parametrize("name, value", [
    ("openid__oa2__code_challenge", VERIFIER[:42]), ("openid__assoc_handle", "amzn_web"), ("openid__ns", ""),
    ("openid__return_to", "https://example.org/ap/maplanding"),
    ("openid__oa2__client_id", f"device:{f'{SERIAL}#A10A33FOX2NUBK'.encode().hex()}"),
])
def test_a_wrong_parameter_is_refused(frozen: Simulator, name: str, value: str) -> None:
    assert requests.get(page(frozen, **{name: value}), timeout=5).status_code == 404
    with pytest.raises(ValueError, match="the client is" if name.endswith("client_id") and ":" in value
                       else name.replace("__", r"\.")):
        frozen.alexa.sign_in(page(frozen, **{name: value}))


def test_who_signed_in_ends_on_the_page_they_asked_for_with_a_code(frozen: Simulator) -> None:
    address = urlsplit(frozen.alexa.sign_in(page(frozen)))
    assert (address.netloc, address.path) == ("www.amazon.com", "/ap/maplanding")
    assert parse_qs(address.query)["openid.oa2.authorization_code"][0].startswith("ANSimulatedCode")
    assert landed(frozen) != landed(frozen)
    with pytest.raises(ValueError, match="the path is not /ap/signin"):
        frozen.alexa.sign_in(page(frozen).replace("/ap/signin", "/ap/register"))


def test_a_code_brings_a_refresh_token_that_is_good_for_cookies(frozen: Simulator) -> None:
    before = frozen.alexa.refresh_token
    success = register(frozen, landed(frozen)).json()["response"]["success"]
    bearer = success["tokens"]["bearer"]
    assert bearer["access_token"].startswith("Atna|") and bearer["refresh_token"].startswith("Atnr|")
    assert bearer["refresh_token"] == frozen.alexa.refresh_token != before
    assert success["extensions"]["device_info"]["device_serial_number"] == SERIAL
    sent = {each["Name"]: each["Value"].strip('"') for each in success["tokens"]["website_cookies"]}
    assert all("errors" not in query(frozen, GROUPS, each).json() for each in (sent, cookies(frozen)))
    assert exchange(frozen, token=before).ok


def test_a_code_is_good_once(frozen: Simulator) -> None:
    code = landed(frozen)
    assert register(frozen, code).ok
    again = register(frozen, code)
    assert refusal(again) == (400, "InvalidToken")
    assert again.json()["response"]["error"]["message"] == "One or more tokens are invalid."
    assert frozen.alexa.counts["register"] == 2


@pytest.mark.parametrize("auth", [{"code_verifier": VERIFIER + "0"}, {"authorization_code": "ANother"}])
def test_a_wrong_answer_to_the_challenge_is_refused(frozen: Simulator, auth: dict[str, str]) -> None:
    token = frozen.alexa.refresh_token
    assert refusal(register(frozen, landed(frozen), auth)) == (400, "InvalidToken")
    assert frozen.alexa.refresh_token == token


@pytest.mark.parametrize("changes, code", [
    ({"auth_data": {}}, "MissingValue"), ({"requested_token_type": ["mac_dms"]}, "InvalidValue"),
])
def test_an_incomplete_registration_is_refused(frozen: Simulator, changes: dict[str, Any], code: str) -> None:
    assert refusal(register(frozen, landed(frozen), **changes)) == (400, code)


@pytest.mark.parametrize("changes", [
    {"app_name": ""}, {"domain": ".amazon.de"}, {"requested_token_type": "access_token"},
])
def test_an_exchange_is_checked_field_by_field(frozen: Simulator, changes: dict[str, str]) -> None:
    assert refusal(exchange(frozen, **changes)) == (400, "InvalidValue")


def test_another_process_can_sign_in_revoke_and_expire(frozen: Simulator) -> None:
    def tell(wish: str, **wishes: Any) -> dict[str, Any]:
        answer: dict[str, Any] = requests.post(f"{frozen.cloud_url}/simulator/{wish}", json=wishes, timeout=5).json()
        return answer

    assert "/ap/maplanding?" in tell("sign-in", url=page(frozen))["address"]
    assert "pageId is 'x'" in tell("sign-in", url=page(frozen, pageId="x"))["error"]
    mine = cookies(frozen)
    assert tell("expire-cookies") == {"refresh_token": frozen.alexa.refresh_token}
    assert "errors" in query(frozen, GROUPS, mine).json()
    tell("revoke", status=403)
    assert exchange(frozen).status_code == 403
    assert tell("new-refresh-token") == {"refresh_token": frozen.alexa.refresh_token} and exchange(frozen).ok
    counts = requests.get(f"{frozen.cloud_url}/simulator/counts", timeout=5).json()
    assert counts == {"exchange": 3, "graphql": 1, "groups": 1}


def test_the_command_writes_and_prints_the_clouds_settings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.simulator", "--tls", "none", "--with-alexa", "--site", "amazon.de",
               "--fault", "offline", "--write-config", str(tmp_path)]
    with subprocess.Popen(command, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout
        facts = dict(process.stdout.readline().rstrip("\n").split(": ", 1) for _ in range(9))
        process.terminate()
    folder, cloud = tmp_path / "config", facts["cloud_url"]
    assert yaml.safe_load((folder / "config.yaml").read_text())["collectors"]["amazon_aqm"] == {
        "enabled": True, "domain": "alexa.amazon.de", "base_url": cloud, "auth_url": cloud}
    assert yaml.safe_load((folder / "secrets.yaml").read_text())["amazon_aqm"] == {
        "refresh_token": facts["refresh_token"]}
    assert [*facts][-4:] == ["site", "refresh_token", "serial", "endpoint_id"] and facts["site"] == "amazon.de"
