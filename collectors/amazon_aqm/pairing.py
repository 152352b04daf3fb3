"""Pairing: the user signs in to Amazon with their own browser and pastes a code that is good for one registration.

This is the Alexa app's flow (OAuth 2 with PKCE, https://www.rfc-editor.org/rfc/rfc7636), as in aioamazondevices
(login.py) and Audible (login.py, mkb79). Password, second factor and captcha stay between user and browser. A code is
never registered twice: after about seven registrations Amazon forces a new password (mkb79 in Libation issue 18).
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from secrets import token_bytes
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlencode
from uuid import uuid4

from collectors.amazon_aqm.addresses import COMMON_SITES, HEADERS, Hosts, hosts, site
from collectors.amazon_aqm.cloud import Cloud, open_cloud
from collectors.amazon_aqm.discovery import Monitor, discover
from collectors.amazon_aqm.login import pair_command
from collectors.amazon_aqm.queries import part, short_message
from collectors.amazon_aqm.refusals import check_refusing_page
from collectors.amazon_aqm.unpairing import deregister
from runtime.errors import NotAuthorised, NotTrusted, NotUnderstood, RemoteError, describe
from runtime.formats import pluralize
from runtime.http_client import HttpClient, JsonResponse, Request
from storage.state import State

if TYPE_CHECKING:
    from collectors import Human
    from collectors.amazon_aqm import Secrets, Settings

DEVICE_TYPE = "A2IVLV5VM2W81"
APP_NAME, APP_VERSION, SOFTWARE_VERSION, OS_VERSION = "Home temperature monitoring", "2.2.663733.0", "35602678", "18.5"
LANDING = "https://www.amazon.com/ap/maplanding"  # for every country; it shows a "not found" page
HANDLE = "amzn_dp_project_dee_ios"
IDENTITY = "http://specs.openid.net/auth/2.0/identifier_select"
TRIES = 3
MOST_LINES = 100  # of one address
CODE = re.compile(r"authorization_code=(?P<code>[^&#\s]+)(?P<end>[&#])?")
BARE_CODE = re.compile(r"([A-Za-z0-9_-]{16,})")
ADDRESS = re.compile(r"https?:|www\.", re.IGNORECASE)
NO_CODE = "That contains no openid.oa2.authorization_code: paste the rest, or sign in and copy the whole address."
CUT = "That ends within the code, or right after it: paste the rest, or press Enter if it was the whole address."


class _Device(NamedTuple):
    serial: str
    verifier: str

    @property
    def client_id(self) -> str:
        return f"{self.serial}#{DEVICE_TYPE}".encode().hex()

    @property
    def challenge(self) -> str:
        return _base64url(sha256(self.verifier.encode()).digest())


def pair(settings: "Settings", secrets: "Secrets", http: HttpClient, state: State, human: "Human") -> dict[str, str]:
    """Register one device, the former one again if there is one; find the account's site; return the secrets."""
    device = _Device(secrets.device_serial or uuid4().hex.upper(), _base64url(token_bytes(32)))
    human.tell("Open this address in your browser and sign in to Amazon there, with the account of the Alexa app:")
    human.tell(_sign_in_url(settings, device))
    human.tell("You will end on a page that says it was not found. Copy its address.")
    token = _register(http, hosts(settings, secrets.domain), device, _ask_for_code(human), settings.timeout_seconds)
    http.learn_secrets([token])
    values = {"refresh_token": token, "device_serial": device.serial}
    human.keep(values)
    if secrets.refresh_token and not secrets.device_serial:  # registered under another serial number
        with suppress(RemoteError):
            human.tell(f"The former device: {deregister(settings, secrets, http)}")
    site = _find_site(settings, secrets, token, http, state, human)
    if site is not None and settings.domain is None:
        values["domain"] = site
        human.keep(values)
    return values


def _find_site(settings: "Settings", secrets: "Secrets", token: str, http: HttpClient, state: State,
               human: "Human") -> str | None:
    """Return the first site at which the account has devices: the configured one, those that Amazon names, then others."""
    def opened(name: str) -> Cloud:
        return open_cloud(replace(settings, domain=name), type(secrets)(refresh_token=token), http, state, None)

    configured = hosts(settings, secrets.domain).site
    failure: RemoteError | None = None
    tried: set[str] = set()
    for names in (lambda: [configured], lambda: _named_sites(opened(COMMON_SITES[0])), lambda: COMMON_SITES):
        for name in names():
            if name in tried:
                continue
            tried.add(name)
            try:
                monitors = discover(opened(name), state, None)
            except RemoteError as error:
                failure = failure or error
                continue
            human.tell(_describe(monitors, name))
            if settings.domain is not None and name != configured:
                human.tell(f"Note that config.yaml names another site: set collectors.amazon_aqm.domain to {name}.")
            return name
    human.tell(f"You are signed in, but {describe(failure)}" if failure else "You are signed in.")
    return None


def _named_sites(cloud: Cloud) -> list[str]:
    """Return the sites that Amazon names for the account (alexa-cookie and aioamazondevices ask so, 2026)."""
    found = []
    for path, key in (("users/me", "marketPlaceDomainName"), ("welcome", "alexaHostName")):
        with suppress(RemoteError):
            answer = cloud.http.fetch_json(Request(
                f"{cloud.hosts.alexa}/api/{path}", cloud.timeout_seconds, retry_on=(), endpoint=path,
                headers={**HEADERS, "Cookie": cloud.login.cookies()}))
            found.append(site(str(answer.document.get(key))) if isinstance(answer.document, dict) else None)
    return [name for name in found if name is not None]


def _describe(monitors: Sequence[Monitor], site: str) -> str:
    names = (f"{monitor.name} ({monitor.serial}{', ' + monitor.room if monitor.room else ''})" for monitor in monitors)
    return f"Found {pluralize(len(monitors), 'device')} at {site}: {'; '.join(names)}."


def _sign_in_url(settings: "Settings", device: _Device) -> str:
    """Amazon's page for all countries but Japan, whose accounts it does not know."""
    is_japanese = settings.domain is not None and site(settings.domain) == "amazon.co.jp"
    host = settings.auth_url.rstrip("/") if settings.auth_url else (
        "https://www.amazon.co.jp" if is_japanese else "https://www.amazon.com")
    handle, language = (f"{HANDLE}_jp", "ja-JP") if is_japanese else (HANDLE, "en-US")
    return f"{host}/ap/signin?" + urlencode({
        "openid.return_to": LANDING, "openid.mode": "checkid_setup", "accountStatusPolicy": "P1", "language": language,
        "openid.oa2.code_challenge_method": "S256", "openid.oa2.code_challenge": device.challenge,
        "openid.assoc_handle": handle, "pageId": handle, "openid.identity": IDENTITY, "openid.claimed_id": IDENTITY,
        "openid.ns": "http://specs.openid.net/auth/2.0", "openid.ns.oa2": "http://www.amazon.com/ap/ext/oauth/2",
        "openid.oa2.client_id": f"device:{device.client_id}", "openid.oa2.response_type": "code",
        "openid.oa2.scope": "device_auth_access", "openid.pape.max_auth_age": "0",
        "openid.ns.pape": "http://specs.openid.net/extensions/pape/1.0",
    })


def _ask_for_code(human: "Human") -> str:
    """Return the code of a pasted address, which may be broken over several lines, within the code too."""
    pasted, tries = "", 0
    for _ in range(MOST_LINES):
        answer = human.ask("Paste it here: ").strip()
        if not pasted and (bare := BARE_CODE.fullmatch(answer)):
            return bare[1]
        is_continued = ADDRESS.match(pasted) is not None and not ADDRESS.match(answer)
        pasted, tries = (pasted + answer, tries) if is_continued else (answer, tries + 1)
        match = CODE.search(unquote(pasted.replace("&amp;", "&")))
        if match and (match["end"] or not answer):
            return match["code"]
        if not answer or tries >= TRIES:
            break
        human.tell(CUT if match else NO_CODE)
    raise NotUnderstood("the address of the page after signing in was not given", pair_command())


def _register(http: HttpClient, account_hosts: Hosts, device: _Device, code: str, timeout_seconds: float) -> str:
    """Exchange the code for a refresh token, with exactly one request."""
    http.learn_secrets([code, device.verifier])
    try:
        answer = http.fetch_json(Request(
            f"{account_hosts.api}/auth/register", timeout_seconds, method="POST", retry_on=(), operation="register",
            endpoint="register", headers=HEADERS, body=_registration(account_hosts.site, device, code),
            check_refusal=_check_refusal))
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


def _check_refusal(status: int, answer: JsonResponse) -> None:
    check_refusing_page(status, answer)
    error = part(part(answer.document, "response"), "error")
    if message := short_message(error.get("message")):
        raise NotAuthorised(message)


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
