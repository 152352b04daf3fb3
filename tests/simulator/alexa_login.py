"""How a person introduces a program to Amazon: the sign-in page, the code it ends with, and its exchange for a token.

The flow is OAuth 2 with PKCE (https://www.rfc-editor.org/rfc/rfc7636) in the form that the phone app uses, as read in
chemelli74/aioamazondevices and mkb79/Audible in 2026. There is no password and no second factor here: the right
parameters are enough.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.simulator.alexa_sessions import SUFFIXES, secret
from tests.simulator.messages import Answer, json_answer

DEVICE_TYPE = "A2IVLV5VM2W81"
EXPECTED = {
    "openid.return_to": r"https://www\.amazon\.[a-z.]+/ap/maplanding",
    "openid.oa2.code_challenge": r"[\w-]{43}",
    "openid.oa2.code_challenge_method": "S256",
    "openid.oa2.client_id": r"device:(?:[0-9a-f]{2})+",
    "openid.oa2.response_type": "code",
    "openid.oa2.scope": "device_auth_access(?: offline_access)?",
    "openid.assoc_handle": "amzn_dp_project_dee_ios",
    "pageId": "amzn_dp_project_dee_ios",
    "openid.identity": re.escape("http://specs.openid.net/auth/2.0/identifier_select"),
    "openid.claimed_id": re.escape("http://specs.openid.net/auth/2.0/identifier_select"),
    "openid.mode": "checkid_setup",
    "openid.ns": re.escape("http://specs.openid.net/auth/2.0"),
    "openid.ns.oa2": re.escape("http://www.amazon.com/ap/ext/oauth/2"),
}


@dataclass(frozen=True)
class Applicant:
    """Who was let in, and the challenge that only they can answer."""

    client_id: str
    challenge: str


class Desk:
    """Gives out codes and takes each back once."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = Lock()
        self._given = 0
        self._codes: dict[str, Applicant] = {}

    def sign_in(self, url: str) -> str:
        """Play the person: given the sign-in page's address, return that of the page where the browser ends up.

        Raise ValueError with all that is wrong with the address.
        """
        parts = urlsplit(url)
        wishes = dict(parse_qsl(parts.query))
        wrong = [*([] if parts.path == "/ap/signin" else ["the path is not /ap/signin"]), *problems(wishes)]
        if wrong:
            raise ValueError("; ".join(wrong))
        with self._lock:
            self._given += 1
            code = secret("ANSimulatedCode", self._seed, self._given)
            self._codes[code] = Applicant(wishes["openid.oa2.client_id"].removeprefix("device:"),
                                          wishes["openid.oa2.code_challenge"])
        landed = {"openid.assoc_handle": wishes["openid.assoc_handle"], "openid.mode": "id_res",
                  "openid.ns": wishes["openid.ns"], "openid.oa2.authorization_code": code,
                  "openid.oa2.scope": "device_auth_access", "openid.oa2.token_type": "bearer"}
        return f"{wishes['openid.return_to']}?{urlencode(landed)}"

    def admit(self, wishes: Any) -> str | None:
        """Given the body of a registration, use its code up; return why it is refused, or None."""
        try:
            auth, device = wishes["auth_data"], wishes["registration_data"]
            with self._lock:
                applicant = self._codes.pop(auth["authorization_code"], None)
            if applicant is None or not _answers(auth, applicant):
                return "InvalidToken"
            mine = bytes.fromhex(applicant.client_id).decode() == f"{device['device_serial']}#{device['device_type']}"
            bearer = "bearer" in wishes["requested_token_type"]
            known = wishes["cookies"]["domain"].removeprefix(".") in SUFFIXES
            return None if mine and bearer and known and device["domain"] == "Device" else "InvalidValue"
        except (LookupError, TypeError, AttributeError, ValueError):
            return "MissingValue"


def problems(wishes: Mapping[str, str]) -> list[str]:
    """Return the problems with the parameters of the sign-in page, as sentences."""
    wrong = [f"{name} is {wishes.get(name)!r} and should match {pattern}" for name, pattern in EXPECTED.items()
             if not re.fullmatch(pattern, wishes.get(name, ""))]
    if wrong:
        return wrong
    client = bytes.fromhex(wishes["openid.oa2.client_id"].removeprefix("device:")).decode(errors="replace")
    return [] if re.fullmatch(f"[0-9A-F]{{32}}#{DEVICE_TYPE}", client) else [f"the client is {client!r}"]


def sign_in_page(status: int = 200) -> Answer:
    """Return the page that asks for a password, as unwelcome programs get to see it too."""
    page = ('<!doctype html><html><head><title>Amazon Sign-In</title></head><body><form name="signIn" method="post" '
            'action="/ap/signin"><input type="email" name="email"><input type="password" name="password"></form>'
            '</body></html>')
    return Answer(page.encode(), status, {"Content-Type": "text/html;charset=UTF-8"})


def show_sign_in(query: str) -> Answer:
    wrong = problems(dict(parse_qsl(query)))
    if not wrong:
        return sign_in_page()
    page = f"<html><head><title>Sorry</title></head><body><!-- {json.dumps(wrong)} -->Sorry</body></html>"
    return Answer(page.encode(), 404, {"Content-Type": "text/html;charset=UTF-8"})


def refuse(code: str, status: int = 400) -> Answer:
    """Return the cloud's refusal of a token, a code or a registration."""
    sentence = "One or more tokens are invalid." if code == "InvalidToken" else "One or more values are invalid."
    return json_answer({"response": {"error": {"code": code, "message": sentence}}, "request_id": "simulated"}, status)


def _answers(auth: Mapping[str, str], applicant: Applicant) -> bool:
    digest = hashlib.sha256(auth["code_verifier"].encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return (challenge == applicant.challenge and auth["client_id"] == applicant.client_id
            and auth["code_algorithm"] == "SHA-256")
