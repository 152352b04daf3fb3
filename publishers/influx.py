"""InfluxDB 1, 2 and 3, and VictoriaMetrics: all readings in line protocol, whatever was sent before.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/. A point is known by its tags and its time, so that
sending it twice changes nothing. The protocol has no deletion: what is deleted here stays there. No database is created.
"""

import logging
import shlex
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import jobs.publish
from publishers import NoSecrets, PublisherSettings, Run
from runtime.errors import NotAuthorised, NotUnderstood, Unusable
from runtime.formats import finite_number, one_line, parse_time, pluralize
from storage.changes import Changes, Cursor
from storage.quantities import QUANTITIES
from storage.reading import Row
from storage.state import State

if TYPE_CHECKING:
    from runtime.http_client import HttpClient, JsonResponse, Request

log = logging.getLogger(__name__)

MEASUREMENT = "home_monitor"
NUMBERS = (*(quantity.column for quantity in QUANTITIES), "temperature_raw", "signal_strength")
TEXTS = ("name", "location", "thermostat_mode", "thermostat_state", "day_night", "weather_conditions")
TAGS = ("device_id", "device_type")
LATEST = 2 ** 63 // 10 ** 9  # seconds from 1970: the server counts nanoseconds
LAST_SECONDS = 5.0  # of a run in which no further batch is begun
LONGEST_REASON, LONGEST_TEXT = 300, 1000  # characters
TOO_LARGE = 413


@dataclass(frozen=True, repr=False)
class Settings(PublisherSettings):
    """`database` is for InfluxDB 1 and VictoriaMetrics, `bucket` with `org` for 2; 3 takes either."""

    enabled: bool = False
    url: str | None = None
    database: str | None = None
    bucket: str | None = None
    org: str | None = None
    house_id: str = "home"
    ca_file: Path | None = None
    batch_rows: int = field(default=2000, metadata={"range": (1, 50_000)})
    timeout_seconds: float = field(default=10.0, metadata={"range": (0.1, 300)})
    deadline_seconds: float = field(default=60.0, metadata={"range": (10, 3600)})

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.enabled and not self.url:
            yield "url", "is missing: the server's address, such as http://127.0.0.1:8086"
        elif self.url and (problem := _problem(self.url)):
            yield "url", problem
        if self.enabled and bool(self.database) == bool(self.bucket):
            yield "database", "give either database or bucket"
        if not self.house_id.strip():
            yield "house_id", "must not be empty"

    def time_limit_seconds(self, cycle_seconds: float) -> float:
        return self.deadline_seconds

    @property
    def place(self) -> str:
        return f"bucket {self.bucket}" if self.bucket else f"database {self.database}"


@dataclass(frozen=True, repr=False)
class Secrets(NoSecrets):
    """Its section of secrets.yaml: a token, or a login."""

    token: str | None = None
    username: str | None = None
    password: str | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.token and self.username:
            yield "token", "give either token or username and password"
        if not (self.token or "").isascii():
            yield "token", "may have ASCII characters only"
        if self.password and not self.username:
            yield "username", "is missing, though there is a password"

    def headers(self) -> dict[str, str]:
        if self.token:
            return {"Authorization": f"Token {self.token}"}
        login = b64encode(f"{self.username}:{self.password or ''}".encode()).decode()
        return {"Authorization": f"Basic {login}"} if self.username else {}


class BeyondRetention(NotUnderstood):
    """Some points were older than the database keeps; the others are stored."""


class Rejected(Unusable):
    """The server does not take such points."""


def publish(settings: Settings, secrets: Secrets, changes: Changes, state: State, run: Run) -> str:
    """Send what the server lacks until the run's time ends. Raise a RemoteError or Unusable."""
    destination = [settings.url, settings.database, settings.bucket, settings.org, settings.house_id]
    if state.get("destination") != destination:
        state.pop("cursor", None)
    state["destination"] = destination
    sent, notes = 0, dict[str, None]()  # in order, each once
    with run.open_http() as http:
        for batch in changes.batches(Cursor.load(state.get("cursor")), settings.batch_rows):
            lines = [line for row in batch.rows if (line := _line(row, settings.house_id))]
            _send(lines, http, partial(_request, settings, secrets, state))
            sent, state["cursor"] = sent + len(lines), batch.cursor
            if len(lines) < len(batch.rows):
                notes["readings without a valid time are left out"] = None
            if batch.deletions:
                notes["readings deleted here stay there, as line protocol has no deletion"] = None
            if run.deadline.remaining() < LAST_SECONDS:
                notes["the next run goes on"] = None
                break
    return "; ".join([f"sent {pluralize(sent, 'reading')} to {settings.place}", *notes])


def probe(settings: Settings, secrets: Secrets, state: State, run: Run) -> str:
    """Send no points, to a server that first looks up the login and the database. Raise a RemoteError or Unusable."""
    request = _request(settings, secrets, state, b"")
    with run.open_http() as http, suppress(Rejected):  # by InfluxDB 2, for want of points
        http.send(request._replace(operation="probe"))
    return f"{request.host} accepts readings for {settings.place}"


def _problem(url: str) -> str | None:
    """Return what is wrong with an address, without quoting it, as it may hold a password."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("https", "http") and bool(parts.hostname)
    except ValueError:
        is_whole = False
    if not is_whole:
        return "must be an https:// or http:// URL"
    if "@" in parts.netloc:
        return "holds a login, which belongs below influx: in secrets.yaml"
    return "must end with the path: the program adds the rest" if parts.query or parts.fragment else None


def _send(lines: Sequence[str], http: "HttpClient", request: Callable[[bytes], "Request"]) -> None:
    """Send the lines, in smaller parts if the server finds them too many."""
    if not lines:
        return
    try:
        http.send(request("\n".join(lines).encode()))
    except BeyondRetention as error:
        log.info("%s", error)
    except NotUnderstood as error:
        if error.status != TOO_LARGE or len(lines) == 1:
            raise
        half = len(lines) // 2
        _send(lines[:half], http, request)
        _send(lines[half:], http, request)


def _request(settings: Settings, secrets: Secrets, state: State, content: bytes) -> "Request":
    from runtime.http_client import Request
    url = (settings.url or "").rstrip("/")
    if settings.bucket:
        path, query = "/api/v2/write", {"org": settings.org or "", "bucket": settings.bucket}
    else:
        path, query = "/write", {"db": settings.database or ""}
    trust = None
    if settings.ca_file:
        from runtime.tls import Trust
        trust = Trust(settings.ca_file, urlsplit(url).hostname)
    return Request(f"{url}{path}?{urlencode({**query, 'precision': 's'})}", settings.timeout_seconds, "POST",
                   headers=secrets.headers(), content=content, trust=trust, operation="publish", endpoint=path,
                   check_refusal=partial(_refuse, settings, state))


def _refuse(settings: Settings, state: State, status: int, answer: "JsonResponse") -> None:
    """Raise the error that the server's answer means; do nothing for what is the same with every server."""
    document = answer.document if isinstance(answer.document, dict) else {}
    reason = one_line(document.get("error") or document.get("message"), LONGEST_REASON) or f"HTTP {status}"
    if status in (401, 403):
        raise NotAuthorised(f"the server refuses our login for {settings.place}: {reason}",
                            "correct influx: in secrets.yaml, or give that account the right to write")
    if status == 404:
        if "not found" in reason:  # a new one will be empty
            state.pop("cursor", None)
        raise Unusable(f"the server has no {settings.place}: {reason}", f"create it: {_creation(settings)}")
    if "retention policy" in reason:
        raise BeyondRetention(f"the server keeps no readings as old as some of these: {reason}", status=status)
    if status in (400, 422):
        raise Rejected(f"the server rejects our readings: {reason}",
                       f"give publishers.influx another {settings.place.split()[0]}, to which nothing else writes")


def _creation(settings: Settings) -> str:
    if settings.bucket:
        owner = ["--org", settings.org] if settings.org else []
        return shlex.join(["influx", "bucket", "create", "--host", settings.url or "", "--name", settings.bucket, *owner])
    name = (settings.database or "").replace("\\", r"\\").replace('"', r'\"')
    return shlex.join(["curl", "-f", "-X", "POST", f"{(settings.url or '').rstrip('/')}/query", "--data-urlencode",
                       f'q=CREATE DATABASE "{name}"'])


def _line(row: Row, house_id: str) -> str | None:
    """Return the reading as a line; None if it has no time that the server could hold."""
    try:
        at = int(parse_time(str(row["timestamp"])).timestamp())
    except ValueError:
        return None
    if abs(at) >= LATEST:
        return None
    tags = {"house": house_id} | {column: row[column] for column in TAGS}
    keys = [MEASUREMENT, *(f"{name}={tag}" for name, value in tags.items() if (tag := _tag(value)))]
    values = [f"{column}={number!r}" for column in NUMBERS if (number := finite_number(row[column])) is not None]
    values += [f'{column}="{_quoted(text)}"' for column in TEXTS if (text := one_line(row[column], LONGEST_TEXT))]
    values.append(f"is_anomalous={'true' if row['is_anomalous'] else 'false'}")
    return f"{','.join(keys)} {','.join(values)} {at}"


def _tag(value: object) -> str:
    """Escape a tag. A backslash cannot be escaped, and at the end it would hide the separator."""
    text = (one_line(value, LONGEST_TEXT) or "").replace("\\", "/")
    return text.replace(",", r"\,").replace("=", r"\=").replace(" ", r"\ ")


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r'\"')


if __name__ == "__main__":
    jobs.publish.main(sys.modules[__name__])
