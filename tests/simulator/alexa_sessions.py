"""Refresh tokens and the session cookies they are exchanged for: who holds what, until when, for which country's site.

All values look like real ones and contain the word Simulated, so that leaks are easy to find.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from tests.simulator.house import chance

COOKIE_HOURS = 24
SUFFIXES: Mapping[str, str] = {
    "amazon.com": "main", "amazon.co.uk": "acbuk", "amazon.de": "acbde", "amazon.it": "acbit", "amazon.fr": "acbfr",
    "amazon.es": "acbes", "amazon.ca": "acbca", "amazon.co.jp": "acbjp", "amazon.com.au": "acbau",
}


@dataclass(frozen=True)
class Session:
    """The cookies that were handed out at one time, values without quotes."""

    site: str
    token: str
    issued: datetime
    cookies: Mapping[str, str]

    def listed(self) -> list[dict[str, Any]]:
        """Return the cookies as the cloud lists them: the values of some in quotes."""
        expires = (self.issued + timedelta(hours=COOKIE_HOURS)).strftime("%d %b %Y %H:%M:%S GMT")
        return [{"Name": name, "Value": f'"{value}"' if name.partition("-")[0] in ("x", "at", "session") else value,
                 "Path": "/", "Secure": "true", "HttpOnly": str(name.partition("-")[0] in ("at", "sess")).lower(),
                 "Expires": expires} for name, value in self.cookies.items()]


class Sessions:
    """The book of tokens and cookies, safe to write while requests are answered."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = Lock()
        self._tokens: dict[str, int] = {}
        self._sessions: list[Session] = []
        self._opened = 0

    def new_token(self) -> str:
        """Return a new refresh token, good for any number of exchanges."""
        with self._lock:
            token = secret("Atnr|SimulatedRefreshToken-", self._seed, len(self._tokens))
            self._tokens[token] = 200
        return token

    def revoke(self, token: str, status: int) -> None:
        """Refuse the token with that status from now on, and the cookies that it was exchanged for."""
        with self._lock:
            self._tokens[token] = status
            self._sessions = [session for session in self._sessions if session.token != token]

    def status(self, token: str) -> int:
        """Return 200 for a good token, else the status it is refused with."""
        return self._tokens.get(token, 400)

    def open(self, token: str, site: str, now: datetime) -> Session:
        with self._lock:
            self._opened += 1
            origin = (self._seed, self._opened, now.timestamp())
            session = Session(site, token, now, _cookies(SUFFIXES[site], *origin))
            self._sessions.append(session)
        return session

    def expire(self) -> None:
        with self._lock:
            self._sessions.clear()

    def find(self, header: str, now: datetime) -> Session | None:
        """Given a Cookie header, return the session it belongs to; None where a cookie lacks, is old or another's."""
        pairs = (pair.strip().partition("=") for pair in header.split(";"))
        sent = {name: value for name, _, value in pairs}
        with self._lock:
            for session in self._sessions:
                fresh = session.issued <= now < session.issued + timedelta(hours=COOKIE_HOURS)
                if fresh and session.cookies.items() <= sent.items():
                    return session
        return None


def secret(prefix: str, *origin: object) -> str:
    """Return the prefix and 36 digits that depend on it and the origin alone."""
    return prefix + "".join(f"{int(chance(prefix, part, *origin) * 2**48):012x}" for part in range(3))


def _cookies(suffix: str, *origin: object) -> dict[str, str]:
    number = f"{int(chance('cookie', *origin) * 10**14):014d}"
    return {
        "session-id": f"262-{number[:7]}-{number[7:]}", f"ubid-{suffix}": f"257-{number[7:]}-{number[:7]}",
        "session-token": secret("SimulatedSessionToken-", *origin) + "/+==",
        f"x-{suffix}": secret("SimulatedX-", *origin), f"at-{suffix}": secret("Atza|SimulatedAt-", *origin),
        f"sess-at-{suffix}": secret("SimulatedSessAt-", *origin) + "="}
