"""Our login at Amazon: the session cookies, where they come from, and how long they are kept.

The cloud is asked with cookies that live about a day; a refresh token, which lives until the account's password
changes, is exchanged for new ones. The cookies wait for the next cycle in the collector's memory. Whoever has no
refresh token may bring cookies of their own, which nothing here can renew.
"""

import hashlib
import logging
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timedelta

from collectors.amazon_aqm import Secrets
from collectors.amazon_aqm.addresses import Hosts
from collectors.amazon_aqm.exchange import exchange, fit, issued
from collectors.amazon_aqm.queries import part
from runtime.errors import CannotReach, NotAuthorised, NotTrusted, RemoteError
from runtime.formats import format_time, parse_time
from runtime.http_client import HttpClient

log = logging.getLogger(__name__)

PAIR = "python devices.py pair amazon_aqm"
RENEW_AFTER = timedelta(hours=12)  # the cookies at-* and sess-at-* expire 24 h after they were issued
A_DAY = 86_400.0  # a dead login is tried again once a day
OF_ONE_ACCOUNT = ("session", "monitors", "unknown_instances", "throttled", "labels")  # all that is remembered


class Login:
    """The session cookies of one cycle, exchanged once in it at most.

    `now` is None where nobody knows the time: then the cookies at hand are taken as they are.
    """

    def __init__(self, hosts: Hosts, secrets: Secrets, http: HttpClient, memory: MutableMapping[str, object],
                 now: datetime | None, timeout_seconds: float) -> None:
        self._hosts, self._secrets, self._http, self._memory, self._now = hosts, secrets, http, memory, now
        self._timeout_seconds = timeout_seconds
        self._exchanged = False  # Amazon has answered in this cycle
        self._failure: RemoteError | None = None  # or why it has not, which tells nothing of the token
        account = _account(hosts, secrets)
        if memory.get("account") != account:
            for name in OF_ONE_ACCOUNT:
                memory.pop(name, None)
            memory["account"] = account

    def cookies(self) -> str:
        """Return the cookies as a request's header has them, new ones if those at hand are old.

        Raise NotAuthorised if there is nothing to log in with, or Amazon refuses it.
        """
        if not self._secrets.refresh_token:
            return self._brought()
        kept = fit(part(self._memory.get("session"), "cookies"))
        self._http.learn_secrets(kept.values())
        if not kept:
            return self._renew()
        return self._renew_in_time(kept) if self._is_old() and not (self._exchanged or self._failure) else _header(kept)

    def after_refusal(self, error: NotAuthorised) -> str:
        """Return new cookies after the cloud refused those it was sent. Raise its error if there is no way to any.

        Where Amazon could not be reached for new ones just now, raise that: it may know better in a while.
        """
        self._memory.pop("session", None)
        if self._exchanged or not self._secrets.refresh_token:
            raise _refusal(error)
        return self._renew()

    def _brought(self) -> str:
        cookies = fit(self._secrets.cookies)
        if not cookies:
            raise NotAuthorised("there is no amazon_aqm.refresh_token in secrets.yaml", PAIR)
        self._http.learn_secrets(cookies.values())
        return _header(cookies)

    def _is_old(self) -> bool:
        match self._memory.get("session"):
            case {"issued_at": str(text)}:
                try:
                    return self._now is not None and abs(self._now - parse_time(text)) >= RENEW_AFTER
                except ValueError:
                    pass
        return True

    def _renew_in_time(self, kept: Mapping[str, str]) -> str:
        """Exchange cookies that would still do: if Amazon cannot be reached for that, they have to."""
        try:
            return self._renew(share=0.5)
        except CannotReach as error:
            log.warning("the session could not be renewed, the old one goes on: %s", error)
            return _header(kept)

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
            self._memory.pop("session", None)
            raise _refusal(error) from None
        except RemoteError as error:
            self._failure = error
            raise
        self._exchanged = True
        cookies = issued(answer.document, self._hosts.site)
        self._http.learn_secrets(cookies.values())
        issued_at = self._now or answer.date
        self._memory["session"] = {"issued_at": format_time(issued_at) if issued_at else None, "cookies": cookies}
        log.info("the session at %s was renewed", self._hosts.site)
        return _header(cookies)


def _refusal(error: NotAuthorised) -> NotAuthorised:
    remedy = f"{PAIR}, or {error.remedy}" if error.remedy else PAIR
    return NotAuthorised(f"Amazon refuses our login: {error}", remedy, retry_after=A_DAY)


def _account(hosts: Hosts, secrets: Secrets) -> str:
    """Return what tells one account at one site from another, and tells nothing else."""
    credential = secrets.refresh_token or repr(sorted(secrets.cookies.items()))
    return hashlib.sha256(f"{hosts.site} {hosts.alexa} {credential}".encode("utf-8", "replace")).hexdigest()[:16]


def _header(cookies: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
