"""One requests.Session for a cycle: time-outs, TLS, a cap on size, and HTTP statuses as errors of ours.

A request goes to exactly the host it was meant for: no redirects, no proxies from the environment, no retries but the
decorator's. Exceptions of requests carry the whole address, and a Hue bridge's address carries the key: so none of them
ever becomes the cause of an error raised here.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import NamedTuple

from collectors.kit import thrift

with thrift.sparing(["importlib.metadata"], without=["charset_normalizer", "chardet"]):
    from email.utils import parsedate_to_datetime
    from http.cookiejar import DefaultCookiePolicy
    from urllib.parse import urlsplit

    import requests

from collectors.kit.errors import BadAnswer, CannotReach, NotAuthorised, NotUnderstood, Throttled, WebPage
from collectors.kit.stopwatch import Deadline, Tally, time_limit
from collectors.kit.trust import PrivateTrust, Trust, chain, tls_error
from storage.reading import printable

MAX_BODY_BYTES = 8_000_000
MAX_PARTS = 500_000  # values; 8 MB of a bridge's words have 440 000, and of "[],[]," they would take 400 MB once read
CHUNK_BYTES = 16_384
CLOCK_AND_AUTHORITIES = "check this machine's clock and its certificate authorities, and whose network it is in"
LONGEST_INTEGER = 30  # digits; longer ones are nobody's measurement, and Python refuses those above 4300
USER_AGENT = "home-temperature-monitoring"
TRANSIENT_STATUSES = (408, 425)

Fetch = Callable[[], "Answer | Throttled"]
Retry = Callable[..., Callable[[Fetch], Fetch]]


class Answer(NamedTuple):
    """A JSON document, and the answering machine's own clock (aware UTC) from its Date header."""

    document: object
    date: datetime | None


class Session:
    """All HTTP of one cycle, within its deadline.

    `tally` tells what it cost, `learn_secrets` takes what must be masked from now on. Cookies are sent only where a
    caller gives them as a header; those that a server sets are not kept.
    """

    def __init__(self, deadline: Deadline, retry: Retry,
                 learn_secrets: Callable[[Iterable[str]], None] = lambda _values: None) -> None:
        self.tally = Tally()
        self.learn_secrets = learn_secrets
        self._deadline = deadline
        self._retry = retry
        self._requests = requests.Session()
        self._requests.trust_env = False
        self._requests.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self._requests.close()

    def fetch_json(self, url: str, *, timeout_seconds: float, method: str = "GET", body: object = None,
                   form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
                   compressed: bool = False, trust: Trust | None = None, operation: str = "fetch", endpoint: str = "",
                   share: float = 1.0, once: bool = False, patient: bool = True,
                   check: Callable[[object], None] | None = None,
                   check_page: Callable[[str], None] | None = None) -> Answer:
        """Given an address, return its JSON; transient failures are retried unless `once` is true.

        One attempt takes `timeout_seconds` in all, however slowly it drips; all of them together take no more
        than that `share` of the time left to the cycle. What goes out is `body` as JSON or `form`; gzip is asked for
        if `compressed`. `check` and `check_page` may raise what a document, or a web page in its place, tells of. Not
        `patient` raises Throttled at once. Raise CannotReach, NotAuthorised or NotUnderstood.
        """
        deadline = Deadline(self._deadline.remaining() * share)
        encoding = {"Accept-Encoding": "gzip" if compressed else "identity"}
        attempt = _Attempt(self._requests, method, url, body, form, encoding | dict(headers or {}), trust,
                           timeout_seconds, check or _accept, check_page or _accept)

        def fetch_once() -> Answer | Throttled:
            try:
                with self.tally.fetching():
                    return attempt.send(deadline, self._count)
            except Throttled as error:
                if patient:
                    raise
                return error  # carried past the retry, which would take it for one of its own

        retry = self._retry(on=CannotReach, operation=operation, endpoint=endpoint, deadline=deadline)
        found = (fetch_once if once else retry(fetch_once))()
        if isinstance(found, Throttled):
            raise found
        return found

    def _count(self, wire_bytes: int) -> None:
        self.tally.payload_bytes += wire_bytes


class _Attempt(NamedTuple):
    session: requests.Session
    method: str
    url: str
    body: object
    form: Mapping[str, str] | None
    headers: dict[str, str]
    trust: Trust | None
    timeout_seconds: float
    check: Callable[[object], None]
    check_page: Callable[[str], None]

    def send(self, deadline: Deadline, count: Callable[[int], None]) -> Answer:
        seconds = min(self.timeout_seconds, deadline.remaining())
        if seconds <= 0:
            raise CannotReach(f"{self._host} was not asked: no time left in this cycle")
        try:
            with time_limit(seconds), self._open(seconds) as response:
                _check_status(response, self._host)
                return self._judge(self._read(response, count), response.headers.get("Date"))
        except requests.exceptions.RequestException as error:
            raise self._translate(error, seconds) from None
        except TimeoutError:
            raise CannotReach(f"{self._host} did not finish its answer within {seconds:.1f} s") from None
        except ValueError as error:  # what urllib and urllib3 say of an address that is none
            raise NotUnderstood(f"{self._host} cannot be asked: {type(error).__name__}") from None

    def _judge(self, content: bytes, date: str | None) -> Answer:
        """Return the answer, unless whoever asked finds something in it to object to."""
        try:
            answer = Answer(_parse(content, self._host), _date(date))
        except WebPage as error:
            self.check_page(error.page)
            raise
        self.check(answer.document)
        return answer

    @property
    def _host(self) -> str:
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2]
        except ValueError:
            return "an address that is none"

    def _open(self, seconds: float) -> requests.Response:
        if self.trust is not None and self.url.startswith("https://"):
            self._mount("https://" + urlsplit(self.url).netloc, self.trust)
        return self.session.request(
            self.method, self.url, json=self.body, data=self.form, timeout=seconds, stream=True, allow_redirects=False,
            verify=self.trust is None or self.trust.ca_file is not None,
            headers={"User-Agent": USER_AGENT, **self.headers})

    def _mount(self, origin: str, trust: Trust) -> None:
        """Have connections to an origin checked by this trust, and by no other one that was there before."""
        present = self.session.adapters.get(origin)
        if isinstance(present, PrivateTrust):
            if present.trust == trust:
                return
            present.close()
        self.session.mount(origin, PrivateTrust(trust))

    def _read(self, response: requests.Response, count: Callable[[int], None]) -> bytes:
        content = bytearray()
        try:
            for chunk in response.iter_content(CHUNK_BYTES):
                content += chunk
                if len(content) > MAX_BODY_BYTES:
                    raise NotUnderstood(f"{self._host} sent more than {MAX_BODY_BYTES // 1_000_000} MB: cut off")
        finally:
            count(response.raw.tell())
        return bytes(content)

    def _translate(self, error: requests.exceptions.RequestException, seconds: float) -> Exception:
        if isinstance(error, requests.exceptions.SSLError):
            return tls_error(error, self._host, "" if self.trust else CLOCK_AND_AUTHORITIES)
        if isinstance(error, requests.exceptions.Timeout):
            return CannotReach(f"{self._host} did not answer within {seconds:.1f} s")
        if any(isinstance(cause, TimeoutError) and cause.errno is None for cause in chain(error)):  # our own alarm
            return CannotReach(f"{self._host} did not finish its answer within {seconds:.1f} s")
        if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
            return BadAnswer(f"{self._host} broke off in the middle of its answer")
        if isinstance(error, requests.exceptions.ConnectionError):
            return CannotReach(f"{self._host} cannot be reached: {_reason(error)}")
        return NotUnderstood(f"{self._host} cannot be asked: {type(error).__name__}")


def _accept(_answer: object) -> None:
    """Find nothing wrong."""


def _check_status(response: requests.Response, host: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        location = response.headers.get("Location", "")
        raise NotAuthorised(f"{host} sends us elsewhere (HTTP {status}), and we do not follow",
                            _redirect_remedy(location), location=location)
    if status in (401, 403):
        raise NotAuthorised(f"{host} refused us (HTTP {status})")
    wait = _retry_after(response)
    if status == 429:
        raise Throttled(f"{host} asks for patience (HTTP 429)", retry_after=wait)
    if status >= 500 or status in TRANSIENT_STATUSES:
        raise BadAnswer(f"{host} answered with an error of its own (HTTP {status})", retry_after=wait)
    raise NotUnderstood(f"{host} does not know what we asked for (HTTP {status})", status=status)


def _redirect_remedy(location: str) -> str:
    return "give its address with https://" if location.startswith("https://") else "check the address"


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds a Retry-After header asks for; a date counts from the answer's own Date, if it has one."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    until, date = _date(value), _date(response.headers.get("Date"))
    return max((until - date).total_seconds(), 0.0) if until and date else None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def _parse(content: bytes, host: str) -> object:
    if sum(map(content.count, (b",", b"[", b"{"))) > MAX_PARTS:
        raise NotUnderstood(f"{host} sent more than {MAX_PARTS} values: not read")
    try:
        return json.loads(content.decode(), parse_constant=lambda _name: None, parse_int=_integer, parse_float=_real)
    except RecursionError:
        raise NotUnderstood(f"{host} sent JSON nested beyond reason") from None
    except ValueError:
        if content.lstrip()[:1] == b"<":
            raise WebPage(f"{host} answered with a web page", content.decode(errors="replace")) from None
        raise BadAnswer(f"{host} answered with {len(content)} bytes that are not JSON") from None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= LONGEST_INTEGER else None


def _real(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _reason(error: BaseException) -> str:
    causes = [cause for cause in chain(error) if isinstance(cause, OSError) and cause.strerror]
    return (printable(causes[-1].strerror) or "no reason given").lower() if causes else "connection broken"
