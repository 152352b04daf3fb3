"""Pairing: the user signs in to Amazon with their own browser and pastes a code that is good for one registration.

This is the Alexa app's flow (OAuth 2 with PKCE, https://www.rfc-editor.org/rfc/rfc7636), as in aioamazondevices
(login.py) and Audible (login.py, mkb79). Password, second factor and captcha stay between user and browser. A code is
never registered twice: after about seven registrations Amazon forces a new password (mkb79 in Libation issue 18).
"""

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from secrets import token_bytes
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from collectors.amazon_aqm.addresses import Hosts, hosts
from collectors.amazon_aqm.cloud import Cloud
from collectors.amazon_aqm.discovery import discover
from collectors.amazon_aqm.login import pair_command
from collectors.amazon_aqm.queries import part
from runtime.errors import NotAuthorised, NotTrusted, NotUnderstood, RemoteError, describe
from runtime.formats import pluralize
from runtime.http_client import HttpClient, Request
from storage.state import State

if TYPE_CHECKING:
    from collectors import Human
    from collectors.amazon_aqm import Settings

DEVICE_TYPE = "A2IVLV5VM2W81"
APP_NAME, APP_VERSION, SOFTWARE_VERSION, OS_VERSION = "Home temperature monitoring", "2.2.663733.0", "35602678", "18.5"
LANDING = "https://www.amazon.com/ap/maplanding"  # for every country; it shows a "not found" page
HANDLE = "amzn_dp_project_dee_ios"
IDENTITY = "http://specs.openid.net/auth/2.0/identifier_select"
TRIES = 3


class _Device(NamedTuple):
    serial: str
    verifier: str

    @property
    def client_id(self) -> str:
        return f"{self.serial}#{DEVICE_TYPE}".encode().hex()

    @property
    def challenge(self) -> str:
        return _base64url(sha256(self.verifier.encode()).digest())


def sign_in(settings: "Settings", http: HttpClient, human: "Human") -> str:
    """Have the user sign in and paste the address of the last page; return the refresh token."""
    device = _Device(uuid4().hex.upper(), _base64url(token_bytes(32)))
    human.tell("Open this address in your browser and sign in to Amazon there, with the account of the Alexa app:")
    human.tell(_sign_in_url(settings, device))
    human.tell("You will end on a page that says it was not found. Copy its address.")
    token = _register(http, hosts(settings), device, _ask_for_code(human), settings.timeout_seconds)
    http.learn_secrets([token])
    return token


def list_monitors(cloud: Cloud, state: State) -> str:
    """Try the new login; describe the monitors or the error, which does not invalidate the token."""
    try:
        monitors = discover(cloud, state, None)
    except RemoteError as error:
        return f"You are signed in, but {describe(error)}"
    names = (f"{monitor.name} ({monitor.serial}{', ' + monitor.room if monitor.room else ''})" for monitor in monitors)
    return f"Found {pluralize(len(monitors), 'air quality monitor')}: {'; '.join(names)}."


def _sign_in_url(settings: "Settings", device: _Device) -> str:  # the same for all countries
    host = settings.auth_url.rstrip("/") if settings.auth_url else "https://www.amazon.com"
    return f"{host}/ap/signin?" + urlencode({
        "openid.return_to": LANDING, "openid.mode": "checkid_setup", "accountStatusPolicy": "P1", "language": "en-US",
        "openid.oa2.code_challenge_method": "S256", "openid.oa2.code_challenge": device.challenge,
        "openid.assoc_handle": HANDLE, "pageId": HANDLE, "openid.identity": IDENTITY, "openid.claimed_id": IDENTITY,
        "openid.ns": "http://specs.openid.net/auth/2.0", "openid.ns.oa2": "http://www.amazon.com/ap/ext/oauth/2",
        "openid.oa2.client_id": f"device:{device.client_id}", "openid.oa2.response_type": "code",
        "openid.oa2.scope": "device_auth_access", "openid.pape.max_auth_age": "0",
        "openid.ns.pape": "http://specs.openid.net/extensions/pape/1.0",
    })


def _ask_for_code(human: "Human") -> str:
    for _ in range(TRIES):
        answer = human.ask("Paste it here: ").strip()
        if not answer:
            break
        try:
            codes = parse_qs(urlsplit(answer).query).get("openid.oa2.authorization_code", [])
        except ValueError:
            codes = []
        if codes:
            return codes[0]
        human.tell("That address contains no openid.oa2.authorization_code: sign in, then copy the whole address.")
    raise NotUnderstood("the address of the page after signing in was not given", pair_command())


def _register(http: HttpClient, account_hosts: Hosts, device: _Device, code: str, timeout_seconds: float) -> str:
    """Exchange the code for a refresh token, with exactly one request."""
    http.learn_secrets([code, device.verifier])
    try:
        answer = http.fetch_json(Request(
            f"{account_hosts.api}/auth/register", timeout_seconds, method="POST", retry_on=(), operation="register",
            endpoint="register", body=_registration(account_hosts.site, device, code)))
    except NotTrusted:
        raise
    except (NotAuthorised, NotUnderstood) as error:
        raise NotAuthorised(f"Amazon rejected the code ({error}); each is good for one use within a few minutes",
                            pair_command()) from None
    tokens = part(part(part(answer.document, "response"), "success"), "tokens")
    token = part(tokens, "bearer").get("refresh_token")
    if not isinstance(token, str) or not token:
        raise NotAuthorised("Amazon accepted the code but sent no refresh token", pair_command())
    return token


def _registration(site: str, device: _Device, code: str) -> dict[str, object]:
    return {
        "requested_extensions": ["device_info", "customer_info"],
        "cookies": {"website_cookies": [], "domain": f".{site}"},
        "registration_data": {
            "domain": "Device", "device_type": DEVICE_TYPE, "device_serial": device.serial, "device_model": "iPhone",
            "device_name": f"%FIRST_NAME%'s%DUPE_STRATEGY_1ST%{APP_NAME}", "app_name": APP_NAME,
            "app_version": APP_VERSION, "os_version": OS_VERSION, "software_version": SOFTWARE_VERSION},
        "auth_data": {
            "use_global_authentication": "true", "client_id": device.client_id, "client_domain": "DeviceLegacy",
            "authorization_code": code, "code_verifier": device.verifier, "code_algorithm": "SHA-256"},
        "user_context_map": {"frc": b64encode(token_bytes(313)).decode().rstrip("=")},
        "requested_token_type": ["bearer", "mac_dms", "website_cookies", "store_authentication_cookie"],
    }


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
