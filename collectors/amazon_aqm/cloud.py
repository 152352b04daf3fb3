"""The Alexa cloud as an HTTP server: the one address it is asked at, and what its refusals mean.

It refuses in many ways: by status, by sending us to the sign-in page, by showing that page, or with HTTP 200 and an
error in the answer, `{"errors": [{"message": ..., "extensions": {"errorCode": "FORBIDDEN"}}], "data": null}`. What it
answers to is the session cookies; an app's User-Agent keeps it from throttling (homebridge-alexa-smarthome issue 129).
"""

import re
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from collectors.amazon_aqm import Secrets, Settings, queries
from collectors.amazon_aqm.addresses import Hosts, hosts
from collectors.amazon_aqm.exchange import meaning
from collectors.amazon_aqm.login import Login
from collectors.amazon_aqm.queries import Part
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotTrusted, NotUnderstood, Throttled
from runtime.http_client import HttpClient, JsonResponse, Request

HEADERS = {"User-Agent": "AmazonWebView/AmazonAlexa/2.2.663733.0/iOS/18.5/iPhone", "Accept-Language": "en-US",
           "Accept": "application/json"}
THROTTLED = ("UNOFFICIAL_CLIENT_TOO_MANY_REQUESTS", "ThrottlingException")
SIGN_IN = re.compile(r"<form[^<>]{0,500}?(?:/ap/signin|sign-?in)|id=[\"']?ap_email|<title>[^<]{0,200}sign[ -]?in",
                     re.IGNORECASE)
LOOKED_AT = 65_536  # characters of a page; what comes later is not looked at
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 900.0, 14_400.0


class UnknownEndpoint(NotUnderstood):
    """The cloud does not know an endpoint that it was asked for."""


class InvalidQuery(NotUnderstood):
    """The cloud does not know a field that the query asks for."""


class Cloud(NamedTuple):
    """The cloud at one country's site, and our login there."""

    http: HttpClient
    hosts: Hosts
    login: Login
    timeout_seconds: float

    def fetch(self, body: object, name: str, items: str, share: float = 1.0) -> JsonResponse:
        """Return the answer to operations that all ask for the field `name`, of whose `items` at least none is denied.

        Refused cookies are renewed once; what is sent with either takes no more than that `share` of the time left to
        the cycle. Raise UnknownEndpoint if the cloud knows nothing of what it was asked for.
        """
        cookies = self.login.cookies()
        while True:
            try:
                return self.send(body, name, items, cookies, share=share)
            except NotTrusted:
                raise
            except NotAuthorised as error:
                cookies = self.login.after_refusal(error)

    def send(self, body: object, name: str, items: str, cookies: str, *, once: bool = False,
             share: float = 1.0) -> JsonResponse:
        """Ask with these cookies; what the cloud refuses stays refused."""
        try:
            return self.http.fetch_json(Request(
                f"{self.hosts.alexa}/nexus/v1/graphql", self.timeout_seconds, method="POST", body=body,
                headers={**HEADERS, "Cookie": cookies}, compressed=True, share=share,
                retry_on=() if once else (CannotReach,), endpoint=name, check=_check(name, items),
                check_page=_check_page))
        except NotTrusted:
            raise
        except NotAuthorised as error:
            raise meaning(error) from None


def enter(settings: Settings, secrets: Secrets, http: HttpClient, memory: MutableMapping[str, object],
          now: datetime | None) -> Cloud:
    """Return the cloud that the settings and secrets lead to; `now` is None where nobody knows the time."""
    where = hosts(settings)
    login = Login(where, secrets, http, memory, now, settings.timeout_seconds)
    return Cloud(http, where, login, settings.timeout_seconds)


@contextmanager
def growing_patience(memory: MutableMapping[str, object]) -> Iterator[None]:
    """Make a Throttled ask for 15 min, 30 min, ... 4 h, each time longer, until all goes well again."""
    count = memory.get("throttled")
    times = count if type(count) is int and 0 <= count < 10 else 0
    try:
        yield
    except Throttled as error:
        memory["throttled"] = times + 1
        seconds = max(FIRST_PAUSE_SECONDS * 2 ** times, error.retry_after or 0)
        raise Throttled(str(error), error.remedy, min(seconds, LONGEST_PAUSE_SECONDS)) from None
    memory.pop("throttled", None)


def _check(name: str, items: str) -> Callable[[object], None]:
    """Return what raises the meaning of an answer's errors; while there is some data, errors cost only their own."""
    def check(document: object) -> None:
        parts = queries.parts(document, name)
        lists = [part[items] for part in parts if isinstance(part.get(items), list)]
        if any(lists):
            return
        errors = [error for answer in queries.answers(document) for error in queries.objects(answer, "errors")]
        if errors:
            raise _meaning(errors)
        if not lists:
            raise NotUnderstood(f"the Alexa cloud tells neither {items} nor why")
        if any(part.get("completeResult") is False for part in parts):
            raise BadAnswer("the Alexa cloud tells nothing, and that its answer is incomplete")
    return check


def _meaning(errors: list[Part]) -> Exception:
    first = queries.part(errors[0], "extensions")
    codes = [queries.part(error, "extensions").get("errorCode") for error in errors]
    said = queries.brief(errors[0].get("message")) or queries.brief(codes[0]) or "no reason given"
    if "FORBIDDEN" in codes:
        return NotAuthorised(f"the Alexa cloud refuses our session ({said})")
    if any(code in THROTTLED for code in codes):
        return Throttled("the Alexa cloud asks for patience (too many requests)")
    if first.get("classification") == "ValidationError":
        return InvalidQuery(f"the Alexa cloud does not understand our query ({said})")
    if codes[0] == "BAD_REQUEST":
        return UnknownEndpoint(f"the Alexa cloud does not know what we asked for ({said})")
    if first.get("isRetryable") is True:
        return BadAnswer(f"the Alexa cloud reports an error of its own ({said})")
    return NotUnderstood(f"the Alexa cloud answers with an error ({said})")


def _check_page(page: str) -> None:
    """Raise NotAuthorised for the page where people sign in; any other one (maintenance, say) passes by itself."""
    if SIGN_IN.search(page, 0, LOOKED_AT):
        raise NotAuthorised("the Alexa cloud shows us the page where people sign in")
