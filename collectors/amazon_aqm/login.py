"""The account's login: session cookies, where they come from, and how long they are used.

Cookies live about a day; a refresh token, which lives until the account's password changes, is exchanged for new ones.
The cookies are kept in the collector's state. Cookies from secrets.yaml cannot be renewed.
"""

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from collectors.amazon_aqm.addresses import Hosts
from collectors.amazon_aqm.exchange import exchange, issued_cookies, valid_cookies
from collectors.amazon_aqm.queries import moment, part
from runtime.errors import CannotReach, NotAuthorised, NotTrusted, RemoteError
from runtime.formats import format_time
from runtime.http_client import HttpClient
from storage.state import State

if TYPE_CHECKING:
    from collectors.amazon_aqm import Secrets

log = logging.getLogger(__name__)

PAIR = "python devices.py pair amazon_aqm"
RENEW_AFTER = timedelta(hours=12)  # the cookies at-* and sess-at-* expire 24 h after they were issued
DAY_SECONDS = 86_400.0  # a dead login is tried again once a day
ACCOUNT_STATE = ("session", "monitors", "unknown_instances", "throttled")


class Login:
    """The session cookies of one cycle, renewed at most once. Outside a cycle there is no `now`: then none is too old."""

    def __init__(self, hosts: Hosts, secrets: "Secrets", http: HttpClient, state: State,
                 now: datetime | None, timeout_seconds: float) -> None:
        self._hosts, self._secrets, self._http, self._state, self._now = hosts, secrets, http, state, now
        self._timeout_seconds = timeout_seconds
        self._exchanged = False  # Amazon has answered an exchange in this cycle
        self._failure: RemoteError | None = None  # why the exchange failed without judging the token
        account = _account(hosts, secrets)
        if state.get("account") != account:
            for name in ACCOUNT_STATE:
                state.pop(name, None)
            state["account"] = account

    def cookies(self) -> str:
        if not self._secrets.refresh_token:
            return self._configured_cookies()
        cookies = valid_cookies(part(self._state.get("session"), "cookies"))
        self._http.learn_secrets(cookies.values())
        if not cookies:
            return self._renew()
        if self._exchanged or self._failure is not None or not self._is_old():
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

    def _configured_cookies(self) -> str:
        cookies = valid_cookies(self._secrets.cookies)
        if not cookies:
            raise NotAuthorised("there is no amazon_aqm.refresh_token in secrets.yaml", PAIR)
        self._http.learn_secrets(cookies.values())
        return _header(cookies)

    def _is_old(self) -> bool:
        session = self._state.get("session")
        issued_at = moment(session.get("issued_at") if isinstance(session, dict) else None)
        return issued_at is None or self._now is not None and abs(self._now - issued_at) >= RENEW_AFTER

    def _renew(self, share: float = 1.0) -> str:
        if self._failure is not None:
            raise self._failure
        token = self._secrets.refresh_token or ""
        try:
            answer = exchange(self._http, self._hosts, token, self._timeout_seconds, share)
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


def _refusal(error: NotAuthorised) -> NotAuthorised:
    remedy = f"{PAIR}, or {error.remedy}" if error.remedy else PAIR
    return NotAuthorised(f"Amazon refuses our login: {error}", remedy, retry_after=DAY_SECONDS)


def _account(hosts: Hosts, secrets: "Secrets") -> str:
    credential = secrets.refresh_token or repr(sorted(secrets.cookies.items()))
    return hashlib.sha256(f"{hosts.site} {hosts.alexa} {credential}".encode("utf-8", "replace")).hexdigest()[:16]


def _header(cookies: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
