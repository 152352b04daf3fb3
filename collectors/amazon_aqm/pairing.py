"""How a human introduces us to Amazon: they sign in with their own browser, we are told a code that is good for once.

The way of the Alexa app (OAuth 2 with PKCE, https://www.rfc-editor.org/rfc/rfc7636), as aioamazondevices (login.py)
and Audible (login.py, mkb79) have it. Password, second factor and captcha stay between the person and their browser.
Registering more than once for one sign-in is never tried: after some seven of them Amazon forces a new password
(mkb79 in Libation issue 18).
"""

from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from secrets import token_bytes
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from collectors.amazon_aqm import Secrets, Settings, discovery
from collectors.amazon_aqm.addresses import Hosts, hosts
from collectors.amazon_aqm.cloud import enter
from collectors.amazon_aqm.login import PAIR
from collectors.amazon_aqm.queries import part
from runtime.errors import NotAuthorised, NotTrusted, NotUnderstood, RemoteError, describe
from runtime.formats import pluralize
from runtime.http_client import HttpClient, Request
from storage.state import State

if TYPE_CHECKING:
    from collectors import Human

DEVICE_TYPE = "A2IVLV5VM2W81"
APP_NAME, APP_VERSION, SOFTWARE_VERSION, OS_VERSION = "Home temperature monitoring", "2.2.663733.0", "35602678", "18.5"
LANDING = "https://www.amazon.com/ap/maplanding"  # for every country; what is there is a "not found" page
HANDLE = "amzn_dp_project_dee_ios"
IDENTITY = "http://specs.openid.net/auth/2.0/identifier_select"
TRIES = 3


class _Device(NamedTuple):
    """What we pretend to be while pairing, and the secret that ties the sign-in to us."""

    serial: str
    verifier: str

    @property
    def client_id(self) -> str:
        return f"{self.serial}#{DEVICE_TYPE}".encode().hex()

    @property
    def challenge(self) -> str:
        return _base64url(sha256(self.verifier.encode()).digest())


def pair(settings: Settings, http: HttpClient, memory: State, human: "Human") -> dict[str, str]:
    """Ask the person to sign in and to paste the address where that ends; return refresh_token.

    Raise NotUnderstood if no such address is pasted, NotAuthorised if Amazon does not take the code in it.
    """
    where = hosts(settings)
    device = _Device(uuid4().hex.upper(), _base64url(token_bytes(32)))
    human.tell("Open this address in your browser and sign in to Amazon there, with the account of the Alexa app:")
    human.tell(_sign_in(settings, device))
    human.tell("You end on a page that says it was not found. Its address is what is needed.")
    token = _register(http, where, device, _code(human), settings.timeout_seconds)
    http.learn_secrets([token])
    human.keep({"refresh_token": token})
    human.tell(_found(settings, Secrets(refresh_token=token), http, memory))
    return {"refresh_token": token}


def _sign_in(settings: Settings, device: _Device) -> str:
    """Return the address of Amazon's own sign-in page, for the whole world in one place."""
    host = settings.auth_url.rstrip("/") if settings.auth_url else "https://www.amazon.com"
    return f"{host}/ap/signin?" + urlencode({
        "openid.return_to": LANDING,
        "openid.oa2.code_challenge_method": "S256",
        "openid.oa2.code_challenge": device.challenge,
        "openid.assoc_handle": HANDLE,
        "pageId": HANDLE,
        "openid.identity": IDENTITY,
        "openid.claimed_id": IDENTITY,
        "accountStatusPolicy": "P1",
        "openid.mode": "checkid_setup",
        "openid.ns": "http://specs.openid.net/auth/2.0",
        "openid.ns.oa2": "http://www.amazon.com/ap/ext/oauth/2",
        "openid.oa2.client_id": f"device:{device.client_id}",
        "openid.oa2.response_type": "code",
        "openid.oa2.scope": "device_auth_access",
        "openid.ns.pape": "http://specs.openid.net/extensions/pape/1.0",
        "openid.pape.max_auth_age": "0",
        "language": "en-US",
    })


def _code(human: "Human") -> str:
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
        human.tell("That address holds no openid.oa2.authorization_code: copy the whole of it, after signing in.")
    raise NotUnderstood("the address of the page after signing in was not given", PAIR)


def _register(http: HttpClient, where: Hosts, device: _Device, code: str, timeout_seconds: float) -> str:
    """Exchange the code for a refresh token, with one request whatever happens."""
    http.learn_secrets([code, device.verifier])
    try:
        answer = http.fetch_json(Request(
            f"{where.api}/auth/register", timeout_seconds, method="POST", body=_registration(where, device, code),
            retry_on=(), operation="register", endpoint="register"))
    except NotTrusted:
        raise
    except (NotAuthorised, NotUnderstood) as error:
        raise NotAuthorised(f"Amazon does not take the code ({error}); each is good for once, and for some minutes",
                            PAIR) from None
    tokens = part(part(part(answer.document, "response"), "success"), "tokens")
    token = part(tokens, "bearer").get("refresh_token")
    if not isinstance(token, str) or not token:
        raise NotAuthorised("Amazon took the code but gave no refresh token for it", PAIR)
    return token


def _registration(where: Hosts, device: _Device, code: str) -> dict[str, object]:
    return {
        "requested_extensions": ["device_info", "customer_info"],
        "cookies": {"website_cookies": [], "domain": f".{where.site}"},
        "registration_data": {
            "domain": "Device",
            "app_version": APP_VERSION,
            "device_type": DEVICE_TYPE,
            "device_name": f"%FIRST_NAME%'s%DUPE_STRATEGY_1ST%{APP_NAME}",
            "os_version": OS_VERSION,
            "device_serial": device.serial,
            "device_model": "iPhone",
            "app_name": APP_NAME,
            "software_version": SOFTWARE_VERSION,
        },
        "auth_data": {
            "use_global_authentication": "true",
            "client_id": device.client_id,
            "authorization_code": code,
            "code_verifier": device.verifier,
            "code_algorithm": "SHA-256",
            "client_domain": "DeviceLegacy",
        },
        "user_context_map": {"frc": b64encode(token_bytes(313)).decode().rstrip("=")},
        "requested_token_type": ["bearer", "mac_dms", "website_cookies", "store_authentication_cookie"],
    }


def _found(settings: Settings, secrets: Secrets, http: HttpClient, memory: State) -> str:
    """Try the new token and say what the account has; a trouble with that is no reason to lose the token."""
    try:
        found = discovery.discover(enter(settings, secrets, http, memory, None), memory, None)
    except RemoteError as error:
        return f"You are signed in, but {describe(error)}"
    names = (f"{each.name} ({each.serial}{', ' + each.room if each.room else ''})" for each in found)
    return f"Found {pluralize(len(found), 'air quality monitor')}: {'; '.join(names)}."


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
