"""The account's login: session cookies, kept in the collector's state for about a day.

A refresh token, which lives until the account's password changes, is exchanged for new ones as the Alexa app does: form
and answer as in alexa-cookie-cli (adn77, README, 2026-08) and thorsten-gehrig/alexa-remote-control. How Amazon answers
a dead token is undocumented; 401, 403, a 400 that names the token, or an answer without cookies is taken for that.
"""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from collectors import DISCOVERED
from collectors.amazon_aqm.addresses import HEADERS, Hosts
from collectors.amazon_aqm.queries import moment, objects, part, short_message
from collectors.amazon_aqm.refusals import TRANSIENT, check_page, check_token_refusal, raise_refusal
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError
from runtime.formats import format_time
from runtime.http_client import HttpClient, JsonResponse, Request
from storage.state import State

if TYPE_CHECKING:
    from collectors.amazon_aqm import Secrets

log = logging.getLogger(__name__)

APP = "Amazon Alexa"
RENEW_AFTER = timedelta(hours=12)  # the cookies at-* and sess-at-* expire 24 h after they were issued
OTHER_SITE = "set collectors.amazon_aqm.domain in config.yaml to the Amazon site of the account's own country"
REFUSED_WAITS = (900.0, 3600.0, 14_400.0, 86_400.0)  # seconds after the first, second, ... refused exchange
# Amazon refuses sessions that it has just issued for minutes (alexa_media_player 1697; home-assistant/core 147526, 2025).
DOUBTFUL_WAITS = (300.0, 900.0, 3600.0)
DOUBTFUL_FOR = timedelta(hours=1)  # then a human is needed
RENEWAL_WAITS = (900.0, 1800.0, 3600.0)
COOKIE = re.compile(r"[\w!#$%&'*+.^`|~-]+=[!-:<-~]*", re.ASCII)
ACCOUNT_STATE = ("session", DISCOVERED, "unknown_instances", "left_out", "throttled", "refusals", "renewals", "has_read")


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
        if not renewable or self._exchanged or self._failure is not None or not self._is_old() or self._waits("renewals"):
            return _header(cookies)
        try:
            return self._renew(share=0.5)
        except CannotReach as error:  # the old cookies are still good
            self._count("renewals", RENEWAL_WAITS)
            log.warning("could not renew the session, still using the old one: %s", error)
            return _header(cookies)

    def renew_after(self, error: NotAuthorised) -> str:
        """Return new cookies after the cloud refused the current ones. Raise if they cannot be renewed."""
        if isinstance(error, NotTrusted):
            raise error
        self._state.pop("session", None)
        if not self._secrets.refresh_token:
            raise self._refusal(error)
        if self._exchanged:
            self._failure = self._doubt(error)
            raise self._failure
        return self._renew()

    def accept(self) -> None:
        """Note that the cloud answers: refusals are over."""
        for name in ("refusals", "renewals") if self._exchanged else ("refusals",):
            self._state.pop(name, None)
        self._state["has_read"] = True

    def session_age(self, now: datetime) -> timedelta | None:
        """Return the age of the session, None without one."""
        issued_at = moment(part(dict(self._state), "session").get("issued_at"))
        return None if issued_at is None else now - issued_at

    def _doubt(self, error: NotAuthorised) -> RemoteError:
        """Return the error for cookies refused right after the exchange has proven the login."""
        wait = self._count("refusals", DOUBTFUL_WAITS)
        since = moment(part(dict(self._state), "refusals").get("since"))
        message = f"Amazon accepts our login, but refuses to show the account at {self._hosts.site}: {error}"
        remedy = f"{pair_command()}, which looks for the account's site"
        if self._now is None or since is not None and self._now - since >= DOUBTFUL_FOR:
            return NotAuthorised(message, self._site_first(remedy), retry_after=wait)
        return BadAnswer(message, "" if self._state.get("has_read") else self._site_first(remedy), wait)

    def _refusal(self, error: NotAuthorised) -> NotAuthorised:
        remedy = self._site_first(pair_command())
        if error.remedy and error.remedy not in remedy:
            remedy = f"{remedy}, or {error.remedy}"
        return NotAuthorised(f"Amazon refuses our login: {str(error).rstrip('.')}", remedy,
                             retry_after=self._count("refusals", REFUSED_WAITS))

    def _site_first(self, remedy: str) -> str:
        """Before anything was read at a site, the wrong site is the likeliest reason."""
        return remedy if self._state.get("has_read") else f"{OTHER_SITE}; if it is right: {remedy}"

    def _count(self, name: str, waits: Sequence[float]) -> float:
        """Count one more failure; return the seconds to wait before the next try."""
        kept = part(dict(self._state), name)
        count = kept["count"] if type(kept.get("count")) is int else 0
        now = format_time(self._now) if self._now else None
        self._state[name] = {"count": count + 1, "since": kept.get("since") or now, "at": now}
        return waits[min(max(count, 0), len(waits) - 1)]

    def _waits(self, name: str) -> bool:
        kept = part(dict(self._state), name)
        at, count = moment(kept.get("at")), kept.get("count")
        if at is None or self._now is None or type(count) is not int:
            return False
        wait = RENEWAL_WAITS[min(max(count, 1), len(RENEWAL_WAITS)) - 1]
        return timedelta(0) <= self._now - at < timedelta(seconds=wait)

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
            raise self._refusal(error) from None
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
                headers={**HEADERS, "x-amzn-identity-auth-domain": f"api.{site}"}, compressed=True, share=share,
                retry_on=(CannotReach,), operation="exchange", endpoint="exchangetoken",
                check=lambda document: _check(document, site), check_page=check_page,
                check_refusal=check_token_refusal))
        except NotAuthorised as error:
            raise_refusal(error)


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
    if TRANSIENT.search(f"{error.get('code')}"):
        raise BadAnswer("Amazon reports an internal error")
    if not issued_cookies(document, site):
        message = short_message(error.get("message"))
        raise NotAuthorised(message) if message else NotAuthorised(f"Amazon sent no cookies for {site}", OTHER_SITE)


def pair_command() -> str:
    from runtime.commands import command
    return command("devices.py", "pair", "amazon_aqm")


def _header(cookies: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
