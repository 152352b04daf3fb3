"""The Alexa cloud as an HTTP server: one URL, and the meaning of its refusals.

It refuses by status, by a redirect to the sign-in page, by that page itself, or with HTTP 200 and an error in the
answer, `{"errors": [{"message": ..., "extensions": {"errorCode": "FORBIDDEN"}}], "data": null}`. Session cookies
authenticate; an app's User-Agent avoids throttling (homebridge-alexa-smarthome issue 129).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from collectors.amazon_aqm.addresses import COMMON_SITES, HEADERS, WITHOUT_ALEXA, Hosts, hosts
from collectors.amazon_aqm.login import Login
from collectors.amazon_aqm.queries import Part, answers, objects, part, parts, short_message
from collectors.amazon_aqm.refusals import THROTTLED, check_page, check_query_refusal, raise_refusal
from runtime.errors import BadAnswer, CannotReach, NotAuthorised, NotUnderstood, Throttled
from runtime.http_client import HttpClient, JsonResponse, Request
from storage.state import State

if TYPE_CHECKING:
    from collectors.amazon_aqm import Secrets, Settings

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 900.0, 14_400.0


class UnknownEndpoint(NotUnderstood):
    """The cloud does not know one of the endpoints in the query."""


class InvalidQuery(NotUnderstood):
    """The cloud does not know one of the fields in the query."""


class Cloud(NamedTuple):
    http: HttpClient
    hosts: Hosts
    login: Login
    timeout_seconds: float
    is_throttled: bool = False  # after a pause, one single request shows whether it is over
    include_echo: bool = False

    def fetch(self, body: object, name: str, items: str, share: float = 1.0, is_proven: bool = False) -> JsonResponse:
        """Return the answer to operations for the list `items` of the field `name`, renewing refused cookies once.

        The query of the operations `is_proven` if nothing can be wrong with it.
        """
        cookies = self.login.cookies()
        while True:
            try:
                return self.send(body, name, items, cookies, share=share, is_proven=is_proven)
            except NotAuthorised as error:
                cookies = self.login.renew_after(error)

    def send(self, body: object, name: str, items: str, cookies: str, *, once: bool = False,
             share: float = 1.0, is_proven: bool = False) -> JsonResponse:
        try:
            return self.http.fetch_json(Request(
                f"{self.hosts.alexa}/nexus/v1/graphql", self.timeout_seconds, method="POST", body=body,
                headers={**HEADERS, "Cookie": cookies}, compressed=True, share=share, endpoint=name,
                retry_on=() if once else (CannotReach,) if self.is_throttled else (CannotReach, Throttled),
                check=_check(name, items), check_page=check_page, check_refusal=check_query_refusal(is_proven)))
        except NotAuthorised as error:
            raise_refusal(error)
        except CannotReach as error:
            if self.hosts.site in WITHOUT_ALEXA:
                error.remedy = (f"Alexa has no host for {self.hosts.site}; set collectors.amazon_aqm.domain to the site of "
                                f"the account, often one of {', '.join(COMMON_SITES[:4])}")
            raise


def open_cloud(settings: "Settings", secrets: "Secrets", http: HttpClient, state: State, now: datetime | None) -> Cloud:
    account_hosts = hosts(settings, secrets.domain)
    login = Login(account_hosts, secrets, http, state, now, settings.timeout_seconds)
    return Cloud(http, account_hosts, login, settings.timeout_seconds, bool(state.get("throttled")), settings.include_echo)


@contextmanager
def escalating_backoff(state: State) -> Iterator[None]:
    """Give consecutive Throttled errors a `retry_after` of 15 min, 30 min, ... 4 h."""
    count = state.get("throttled")
    times = count if type(count) is int and 0 <= count < 10 else 0
    try:
        yield
    except Throttled as error:
        state["throttled"] = times + 1
        error.retry_after = min(max(FIRST_PAUSE_SECONDS * 2 ** times, error.retry_after or 0), LONGEST_PAUSE_SECONDS)
        raise
    state.pop("throttled", None)


def _check(name: str, items: str) -> Callable[[object], None]:
    """Return a check that raises an answer's errors, unless it has some data as well."""
    def check(document: object) -> None:
        results = parts(document, name)
        lists = [result[items] for result in results if isinstance(result.get(items), list)]
        if any(lists):
            return
        errors = [error for answer in answers(document) for error in objects(answer, "errors")]
        if errors:
            _raise_for(errors)
        if not lists:
            raise NotUnderstood(f"the Alexa cloud's answer has neither {items} nor an error")
        if any(result.get("completeResult") is False for result in results):
            raise BadAnswer("the Alexa cloud's answer is empty and marked as incomplete")
    return check


def _raise_for(errors: list[Part]) -> NoReturn:
    first, codes = part(errors[0], "extensions"), [part(error, "extensions").get("errorCode") for error in errors]
    reason = short_message(errors[0].get("message")) or short_message(codes[0]) or "no reason given"
    if "FORBIDDEN" in codes:
        raise NotAuthorised(f"the Alexa cloud refuses our session ({reason})")
    if any(THROTTLED.search(f"{code}") for code in [*codes, *(error.get("message") for error in errors)]):
        raise Throttled("the Alexa cloud is rate-limiting us (too many requests)")
    if first.get("classification") == "ValidationError":
        raise InvalidQuery(f"the Alexa cloud does not understand our query ({reason})")
    if codes[0] == "BAD_REQUEST":
        raise UnknownEndpoint(f"the Alexa cloud does not know what we asked for ({reason})")
    if first.get("isRetryable") is True:
        raise BadAnswer(f"the Alexa cloud reports an internal error ({reason})")
    raise NotUnderstood(f"the Alexa cloud answers with an error ({reason})")
