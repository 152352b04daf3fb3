"""Heartbeat: calls an address while a collector's readings arrive, for a service that notices when the calls stop.

The record decides, not that a collector has run. Otherwise `/fail` is called, with the reason as a sentence:
https://healthchecks.io/docs/http_api/. Uptime Kuma (https://github.com/louislam/uptime-kuma/wiki) and Cronitor
(https://cronitor.io/docs/telemetry-api) take both in the query. Addresses are secrets.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, make_dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import jobs.publish
from publishers import NoSecrets, PublisherSettings, Run
from runtime import plugins
from runtime.errors import NotAuthorised, NotTrusted, NotUnderstood, RemoteError, StorageError, Throttled
from runtime.formats import format_time, pluralize
from storage.changes import Changes
from storage.state import State

if TYPE_CHECKING:
    from runtime.http_client import HttpClient, Request
    from storage.overview import Home, Present

EVERYTHING = "all"
LONGEST_SENTENCE = 500  # characters: it may be a part of the address
SHORTEST_SECRET = 8  # characters of a path or query; "/ping" is no secret


@dataclass(frozen=True)
class Settings(PublisherSettings):
    """Its section of config.yaml."""

    enabled: bool = False
    timeout_seconds: float = field(default=10.0, metadata={"range": (0.1, 60)})


class Addresses(NoSecrets):
    """Its section of secrets.yaml: an address for each collector, and one for everything."""

    def problems(self) -> Iterator[tuple[str, str]]:
        for name, url in self.given().items():
            if not _is_address(url):
                yield name, "must be an https:// or http:// URL"

    def missing(self) -> str | None:
        return None if self.given() else EVERYTHING

    def given(self) -> dict[str, str]:
        return {name: url for name, url in vars(self).items() if url}


Secrets: type[Addresses] = make_dataclass(
    "Secrets", [(name, str | None, None) for name in (*plugins.names("collectors"), EVERYTHING)], bases=(Addresses,),
    frozen=True, repr=False)


def _is_address(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("https", "http") and bool(urlsplit(url).hostname)
    except ValueError:
        return False


def publish(settings: Settings, secrets: Addresses, changes: Changes, state: State, run: Run) -> str:
    """Call every address, also if some fail. Raise the worst RemoteError; a StorageError is called as a failure."""
    try:
        present = changes.present(run.now)
    except StorageError as error:
        with suppress(RemoteError):
            _call(secrets, dict.fromkeys(secrets.given(), str(error)), settings, run)
        raise
    troubles = {name: "; ".join(_troubles(name, present, changes.home, run.now)) for name in secrets.given()}
    _call(secrets, troubles, settings, run)
    failed = [f"{name} failed: {trouble}" for name, trouble in troubles.items() if trouble]
    return "; ".join([f"called {pluralize(len(troubles), 'address', 'addresses')}", *failed])


def probe(settings: Settings, secrets: Addresses, state: State, run: Run) -> str:
    """Ask each host for its start page, which counts as no call. Raise a RemoteError."""
    origins = {urlunsplit(urlsplit(url)._replace(path="/", query="", fragment="")) for url in _urls(secrets).values()}
    with run.open_http() as http:
        for origin in sorted(origins):
            _ask(http, origin, settings.timeout_seconds)
    return f"{pluralize(len(origins), 'host')} can be reached"


def _ask(http: "HttpClient", origin: str, timeout_seconds: float) -> None:
    from runtime.http_client import Request
    try:
        http.send(Request(origin, timeout_seconds, operation="probe"))
    except NotTrusted:
        raise
    except (NotAuthorised, NotUnderstood, Throttled):
        pass  # it answers


def _urls(secrets: Addresses) -> dict[str, str]:
    if not secrets.given():
        raise NotAuthorised("there is no address to call", "add one below heartbeat: in secrets.yaml")
    return secrets.given()


def _call(secrets: Addresses, troubles: Mapping[str, str], settings: Settings, run: Run) -> None:
    urls, errors = _urls(secrets), list[RemoteError]()
    with run.open_http() as http:
        for number, (name, url) in enumerate(urls.items()):
            parts = urlsplit(url)
            http.learn_secrets(text for text in (parts.path, parts.query) if len(text) >= SHORTEST_SECRET)
            request = _request(name, url, troubles[name][:LONGEST_SENTENCE], settings.timeout_seconds)
            try:
                http.send(request._replace(share=1 / (len(urls) - number)))
            except RemoteError as error:
                errors.append(error)
    if errors:
        raise max(errors, key=lambda error: error.exit_code)


def _request(name: str, url: str, trouble: str, timeout_seconds: float) -> "Request":
    from runtime.http_client import Request
    host = urlsplit(url).hostname

    def check(text: object) -> None:
        if "(not found)" in str(text):  # healthchecks.io, with HTTP 200
            refuse(404, None)

    def refuse(status: int, _answer: object) -> None:
        if status in (401, 403, 404, 410):
            raise NotAuthorised(f"{host} does not have the address of {name}",
                                f"copy it from there once more to heartbeat: {name}: in secrets.yaml")

    request = Request(url, timeout_seconds, operation="call", endpoint=name, check=check, check_refusal=refuse)
    if not trouble:
        return request
    url, body = _failing(urlsplit(url), trouble)
    return request._replace(url=url, method="POST" if body else "GET", content=body)


def _failing(url: SplitResult, trouble: str) -> tuple[str, bytes | None]:
    """Return the address that reports a failure, and the body to post to it, if any."""
    query = dict(parse_qsl(url.query))
    if url.hostname == "cronitor.link" or "state" in query:
        query |= {"state": "fail", "message": trouble}
    elif "/api/push/" in url.path:
        query |= {"status": "down", "msg": trouble}
    else:
        return urlunsplit(url._replace(path=f"{url.path.rstrip('/')}/fail")), trouble.encode()
    return urlunsplit(url._replace(query=urlencode(query))), None


def _troubles(name: str, present: "Present", home: "Home", now: datetime) -> Iterator[str]:
    """Yield why a collector's record, or everything's, is not well."""
    is_all = name == EVERYTHING
    names = [item for item in plugins.names("collectors") if item not in home.stopped] if is_all else [name]
    for collector in names:
        yield from _lateness(collector, present.successes.get(collector), home, now)
    for item in present.devices:
        device = item.device
        if (device.collector in names or is_all and device.collector is None) and not item.is_fresh(home, now):
            since = str(item.newest["timestamp"]) if item.newest else "the beginning"
            yield f"{device.location or device.device_name or device.device_id} has no reading since {since}"
    for alert in present.alerts:
        if alert.get("collector") == name or is_all and alert.get("collector") != "heartbeat":
            yield alert["sentence"]


def _lateness(collector: str, succeeded_at: int | None, home: "Home", now: datetime) -> Iterator[str]:
    if collector in home.stopped:
        yield f"{collector} is disabled"
    elif succeeded_at is None:
        yield f"{collector} has had no complete cycle yet"
    elif now.timestamp() - succeeded_at > home.stale_after.total_seconds():
        since = format_time(datetime.fromtimestamp(succeeded_at, timezone.utc))
        yield f"{collector} has had no complete cycle since {since}"


if __name__ == "__main__":
    jobs.publish.main(sys.modules[__name__])
