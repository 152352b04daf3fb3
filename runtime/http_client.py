"""The HTTP client of one run: JSON over a requests.Session, with time-outs, a size limit and typed errors.

It follows no redirect and uses no proxy. No exception of requests becomes the cause of an error here: it holds the whole
address, and a Hue bridge's address holds the key.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from runtime.startup import skip_imports

with skip_imports():
    import requests

from runtime.commands import install_command
from runtime.deadline import Deadline, Tally, time_limit
from runtime.errors import (
    BadAnswer,
    CannotReach,
    NotAuthorised,
    NotTrusted,
    NotUnderstood,
    RemoteError,
    Throttled,
    WebPage,
)
from runtime.formats import one_line
from runtime.retry import RetryPolicy

if TYPE_CHECKING:
    from runtime.tls import Trust

MAX_BODY_BYTES = 8_000_000
MAX_PARTS = 500_000  # values; 8 MB from a bridge hold 440 000, and 8 MB of "[],[]," take 400 MB once parsed
CHUNK_BYTES = 16_384
CLOCK_AND_AUTHORITIES = "check this machine's clock and its certificate authorities, and whose network it is in"
LONGEST_INTEGER = 30  # digits; Python refuses to convert more than 4300
USER_AGENT = "home-temperature-monitoring"
TRANSIENT_STATUSES = (408, 425)


class JsonResponse(NamedTuple):
    """A JSON document, and the server's clock (aware UTC) from its Date header; a refusal may have a web page instead."""

    document: object
    date: datetime | None
    page: str = ""


class Request(NamedTuple):
    """One request, and how its answer is checked.

    One attempt takes at most `timeout_seconds` in all, all attempts at most that `share` of the run's remaining time.
    The body is `body` as JSON, `form`, or `content` as it is. `check` raises the error that a document reports,
    `check_page` the one that a web page in its place means, `check_refusal` the one that a status from 400 means, given
    the document, if it is JSON.
    """

    url: str
    timeout_seconds: float
    method: str = "GET"
    body: object = None
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    headers: Mapping[str, str] | None = None
    compressed: bool = False
    trust: "Trust | None" = None
    operation: str = "fetch"
    endpoint: str = ""
    share: float = 1.0
    retry_on: tuple[type[RemoteError], ...] = (CannotReach, Throttled)
    check: Callable[[object], None] | None = None
    check_page: Callable[[str], None] | None = None
    check_refusal: Callable[[int, JsonResponse], None] | None = None
    expects_json: bool = True

    @property
    def host(self) -> str:
        """The host and port, for messages: never the whole address, which may hold a key."""
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2]
        except ValueError:
            return "an invalid address"


class HttpClient:
    """All HTTP of one run, within its deadline. `learn_secrets` takes texts to redact from now on."""

    def __init__(self, deadline: Deadline, retry: RetryPolicy,
                 learn_secrets: Callable[[Iterable[str]], None] = lambda _values: None) -> None:
        self.tally = Tally()
        self.learn_secrets = learn_secrets
        self._deadline, self._retry = deadline, retry
        self._server_errors: dict[str, RemoteError] = {}  # by host, since its last good answer
        self._requests = requests.Session()
        self._requests.trust_env = False
        self._requests.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def __enter__(self) -> "HttpClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self._requests.close()

    def fetch_json(self, request: Request) -> JsonResponse:
        """Raise a RemoteError."""
        deadline = Deadline(self._deadline.remaining() * request.share)
        retry = self._retry(on=request.retry_on, operation=request.operation, endpoint=request.endpoint,
                            deadline=deadline)
        return retry(self._attempt)(request, deadline)

    def send(self, request: Request) -> None:
        """Send what needs no JSON as an answer; `check` gets a text. Raise a RemoteError."""
        self.fetch_json(request._replace(expects_json=False))

    def _attempt(self, request: Request, deadline: Deadline) -> JsonResponse:
        seconds = min(request.timeout_seconds, deadline.remaining())
        if seconds <= 0:
            raise self._explained(CannotReach(f"{request.host} was not asked: no time left in this cycle"), request, 0)
        try:
            with self.tally.fetching(), time_limit(seconds), self._open(request, seconds) as response:
                if request.check_refusal is not None and response.status_code >= 400:
                    request.check_refusal(response.status_code, self._refusal(request, response))
                _check_status(response, request.host)
                answer = _judge(request, self._read(request, response), response.headers.get("Date"))
                self.tally.record_date(answer.date)
                self._server_errors.pop(request.host, None)
                return answer
        except (BadAnswer, Throttled) as error:
            self._server_errors[request.host] = error
            raise
        except requests.exceptions.RequestException as error:
            raise self._explained(_translate(error, request, seconds), request, seconds) from None
        except TimeoutError:
            raise self._explained(CannotReach(f"{request.host} did not finish its answer within {seconds:.1f} s"), request,
                                  seconds) from None
        except OSError as error:  # requests finds no file of certificate authorities
            raise NotTrusted(f"{request.host} was not asked: {one_line(str(error), 300)}", install_command()) from None
        except ValueError as error:  # from urllib and urllib3, for an invalid address
            raise NotUnderstood(f"{request.host} cannot be asked: {type(error).__name__}") from None

    def _explained(self, error: Exception, request: Request, seconds: float) -> Exception:
        """Return the server error that the host reported before, if the cycle's end cut the last attempt short."""
        was_cut = type(error) is CannotReach and seconds < request.timeout_seconds
        return self._server_errors.get(request.host, error) if was_cut else error

    def _open(self, request: Request, seconds: float) -> requests.Response:
        if request.trust is not None and request.url.startswith("https://"):
            self._mount("https://" + urlsplit(request.url).netloc, request.trust)
        encoding = "gzip" if request.compressed else "identity"
        return self._requests.request(
            request.method, request.url, json=request.body, data=request.content or request.form, timeout=seconds,
            stream=True, allow_redirects=False, verify=request.trust is None or request.trust.ca_file is not None,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": encoding, **(request.headers or {})})

    def _refusal(self, request: Request, response: requests.Response) -> JsonResponse:
        content, document, page = self._read(request, response), None, ""
        try:
            document = _parse(content, request.host)
        except WebPage as error:
            page = error.page
        except (BadAnswer, NotUnderstood):
            pass
        return JsonResponse(document, _date(response.headers.get("Date")), page)

    def _mount(self, origin: str, trust: "Trust") -> None:
        from runtime.tls import PrivateTrust
        present = self._requests.adapters.get(origin)
        if isinstance(present, PrivateTrust):
            if present.trust == trust:
                return
            present.close()
        self._requests.mount(origin, PrivateTrust(trust))

    def _read(self, request: Request, response: requests.Response) -> bytes:
        content = bytearray()
        try:
            for chunk in response.iter_content(CHUNK_BYTES):
                content += chunk
                if len(content) > MAX_BODY_BYTES:
                    raise NotUnderstood(f"{request.host} sent more than {MAX_BODY_BYTES // 1_000_000} MB: cut off")
        finally:
            self.tally.payload_bytes += response.raw.tell()
        return bytes(content)


def _judge(request: Request, content: bytes, date: str | None) -> JsonResponse:
    try:
        document = _parse(content, request.host) if request.expects_json else content.decode(errors="replace")
        answer = JsonResponse(document, _date(date))
    except WebPage as error:
        if request.check_page is not None:
            request.check_page(error.page)
        raise
    if request.check is not None:
        request.check(answer.document)
    return answer


def _translate(error: requests.exceptions.RequestException, request: Request, seconds: float) -> Exception:
    from runtime.tls import chain, tls_error
    host = request.host
    if isinstance(error, requests.exceptions.SSLError):
        return tls_error(error, host, "" if request.trust else CLOCK_AND_AUTHORITIES)
    if isinstance(error, requests.exceptions.Timeout):
        return CannotReach(f"{host} did not answer within {seconds:.1f} s")
    causes = list(chain(error))
    if any(isinstance(cause, TimeoutError) and cause.errno is None for cause in causes):  # raised by our time limit
        return CannotReach(f"{host} did not finish its answer within {seconds:.1f} s")
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return BadAnswer(f"{host} broke the connection in the middle of its answer")
    if isinstance(error, requests.exceptions.ConnectionError):
        return CannotReach(f"{host} cannot be reached: {_reason(causes)}")
    return NotUnderstood(f"{host} cannot be asked: {type(error).__name__}")


def _check_status(response: requests.Response, host: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        location = response.headers.get("Location", "")
        remedy = "give its address with https://" if location.startswith("https://") else "check the address"
        raise NotAuthorised(f"{host} redirects us to another address (HTTP {status}), which we do not follow", remedy,
                            location=location)
    if status in (401, 403):
        raise NotAuthorised(f"{host} refused us (HTTP {status})")
    wait = _retry_after(response)
    if status == 429:
        raise Throttled(f"{host} is rate-limiting us (HTTP 429)", retry_after=wait)
    if status >= 500 or status in TRANSIENT_STATUSES:
        raise BadAnswer(f"{host} reports a server error (HTTP {status})", retry_after=wait)
    raise NotUnderstood(f"{host} rejects our request (HTTP {status})", status=status)


def _retry_after(response: requests.Response) -> float | None:
    """Return seconds; a date in Retry-After counts from the answer's Date header."""
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
        text = content.decode(errors="replace").strip("\ufeff\0")  # one bad byte, in a name, is no reason to lose all
        return json.loads(text, parse_constant=lambda _name: None, parse_int=_integer, parse_float=_real)
    except RecursionError:
        raise NotUnderstood(f"{host} sent JSON nested too deeply") from None
    except ValueError:
        if content.lstrip()[:1] == b"<":
            raise WebPage(f"{host} answered with a web page", content.decode(errors="replace")) from None
        raise BadAnswer(f"{host} answered with {len(content)} bytes that are not JSON") from None


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= LONGEST_INTEGER else None


def _real(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _reason(causes: Iterable[BaseException]) -> str:
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return (one_line(reasons[-1]) or "no reason given").lower() if reasons else "connection broken"
