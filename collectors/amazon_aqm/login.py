"""The account's login: session cookies, kept in the collector's state for about a day.

A refresh token, which lives until the account's password changes, is exchanged for new ones as the Alexa app does: form
and answer as in alexa-cookie-cli (adn77, README, 2026-08) and thorsten-gehrig/alexa-remote-control. How Amazon answers
a dead token is undocumented; a refusing status or an answer without cookies is taken for that.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from collectors.amazon_aqm.addresses import Hosts
from collectors.amazon_aqm.queries import moment, objects, part, short_message
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError
from runtime.formats import format_time
from runtime.http_client import HttpClient, JsonResponse, Request
from storage.state import State

if TYPE_CHECKING:
    from collectors.amazon_aqm import Secrets

log = logging.getLogger(__name__)

APP = "Amazon Alexa"
RENEW_AFTER = timedelta(hours=12)  # the cookies at-* and sess-at-* expire 24 h after they were issued
DAY_SECONDS = 86_400.0  # a dead login is tried again once a day
OTHER_SITE = "set collectors.amazon_aqm.domain in config.yaml to the Amazon site of the account's own country"
COOKIE = re.compile(r"[\w!#$%&'*+.^`|~-]+=[!-:<-~]*", re.ASCII)
ACCOUNT_STATE = ("session", "monitors", "unknown_instances", "throttled")


class Login:
    """The session cookies of one cycle, renewed at most once. Without `now`, outside a cycle, none is too old."""

    def __init__(self, hosts: Hosts, secrets: "Secrets", http: HttpClient, state: State, now: datetime | None,
                 timeout_seconds: float) -> None:
        self._hosts, self._secrets, self._http, self._state, self._now = hosts, secrets, http, state, now
        self._timeout_seconds = timeout_seconds
        self._exchanged = False  # Amazon has answered an exchange in this cycle
        self._failure: RemoteError | None = None  # why the exchange failed without judging the token
        credential = secrets.refresh_token or repr(sorted(secrets.cookies.items()))
        identity = f"{hosts.site} {hosts.alexa} {credential}".encode("utf-8", "replace")
        account = hashlib.sha256(identity).hexdigest()[:16]
        if state.get("account") != account:
            for name in ACCOUNT_STATE:
                state.pop(name, None)
            state["account"] = account

    def cookies(self) -> str:
        renewable = bool(self._secrets.refresh_token)
        cookies = valid_cookies(part(self._state.get("session"), "cookies") if renewable else self._secrets.cookies)
        self._http.learn_secrets(cookies.values())
        if not cookies:
            return self._renew()
        if not renewable or self._exchanged or self._failure is not None or not self._is_old():
            return _header(cookies)
        try:
            return self._renew(share=0.5)
        except CannotReach as error:  # the old cookies are still good
            log.warning("could not renew the session, still using the old one: %s", error)
            return _header(cookies)

    def renew_after(self, error: NotAuthorised) -> str:
        """Return new cookies after the cloud refused the current ones. Raise if they cannot be renewed."""
        if isinstance(error, NotTrusted):
            raise error
        self._state.pop("session", None)
        if self._exchanged or not self._secrets.refresh_token:
            raise _refusal(error)
        return self._renew()

    def _is_old(self) -> bool:
        issued_at = moment(part(dict(self._state), "session").get("issued_at"))
        return issued_at is None or self._now is not None and abs(self._now - issued_at) >= RENEW_AFTER

    def _renew(self, share: float = 1.0) -> str:
        if self._failure is not None:
            raise self._failure
        if not self._secrets.refresh_token:
            raise NotAuthorised("there is no amazon_aqm.refresh_token in secrets.yaml", pair_command())
        try:
            answer = self._exchange(self._secrets.refresh_token, share)
        except NotTrusted:
            raise
        except NotAuthorised as error:
            self._exchanged = True
            self._state.pop("session", None)
            raise _refusal(error) from None
        except RemoteError as error:
            self._failure = error
            raise
        self._exchanged = True
        cookies = issued_cookies(answer.document, self._hosts.site)
        self._http.learn_secrets(cookies.values())
        issued_at = self._now or answer.date
        self._state["session"] = {"issued_at": format_time(issued_at) if issued_at else None, "cookies": cookies}
        log.info("the session at %s was renewed", self._hosts.site)
        return _header(cookies)

    def _exchange(self, refresh_token: str, share: float) -> JsonResponse:
        site = self._hosts.site
        form = {"app_name": APP, "requested_token_type": "auth_cookies", "domain": f".{site}",
                "source_token_type": "refresh_token", "source_token": refresh_token}
        try:
            return self._http.fetch_json(Request(
                f"{self._hosts.www}/ap/exchangetoken/cookies", self._timeout_seconds, method="POST", form=form,
                headers={"x-amzn-identity-auth-domain": f"api.{site}"}, compressed=True, share=share,
                retry_on=(CannotReach,), operation="exchange", endpoint="exchangetoken",
                check=lambda document: _check(document, site)))
        except NotUnderstood as error:
            if error.status != 400:
                raise
            raise NotAuthorised("the refresh token was rejected (HTTP 400): it has expired or was revoked") from None
        except NotAuthorised as error:
            raise_refusal(error)


def raise_refusal(error: NotAuthorised) -> NoReturn:
    """Raise BadAnswer for a redirect elsewhere than to the sign-in, else the refusal."""
    if error.location is None:
        raise error
    if "signin" in error.location.casefold():
        raise NotAuthorised(str(error)) from None
    raise BadAnswer(str(error), error.remedy) from None


def issued_cookies(document: object, site: str) -> dict[str, str]:
    tokens = part(part(document, "response"), "tokens")
    cookies = objects(part(tokens, "cookies"), f".{site}")
    return valid_cookies({f"{cookie.get('Name')}": cookie.get("Value") for cookie in cookies})


def valid_cookies(cookies: Mapping[str, object]) -> dict[str, str]:
    """Return the cookies that a header can hold, without the quotes around some values."""
    bare = {name: value.strip().strip('"') for name, value in cookies.items() if isinstance(value, str)}
    return {name: value for name, value in bare.items() if COOKIE.fullmatch(f"{name}={value}")}


def _check(document: object, site: str) -> None:
    if not isinstance(document, dict):
        raise NotUnderstood("Amazon's answer to the token exchange is no JSON object")
    error = part(part(document, "response"), "error")
    if error.get("code") == "ServerError":
        raise BadAnswer("Amazon reports an internal error")
    if not issued_cookies(document, site):
        message = short_message(error.get("message"))
        raise NotAuthorised(message) if message else NotAuthorised(f"Amazon sent no cookies for {site}", OTHER_SITE)


def pair_command() -> str:
    from runtime.commands import command
    return command("devices.py", "pair", "amazon_aqm")


def _refusal(error: NotAuthorised) -> NotAuthorised:
    remedy = f"{pair_command()}, or {error.remedy}" if error.remedy else pair_command()
    return NotAuthorised(f"Amazon refuses our login: {error}", remedy, retry_after=DAY_SECONDS)


def _header(cookies: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
