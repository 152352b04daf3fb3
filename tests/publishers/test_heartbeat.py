"""The heartbeat follows the record: it calls its addresses while readings arrive, and keeps them secret."""

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from importlib.machinery import ModuleSpec
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import jobs.publish
from publishers import heartbeat
from tests.home import Home, Outcome
from tests.jobs.fake_source import at, degrees, source
from tests.publishers.recorder import Recorder, recording

SECRET = "Simulated-Ping-Key-0123"
ALERT = "ALERT_HEARTBEAT_NEEDS_YOU.txt"
HUE_ONLY = {"hue": {"enabled": True}, "amazon_aqm": {"enabled": False}, "weather": {"enabled": False}}


@pytest.fixture
def service() -> Iterator[Recorder]:
    with recording() as recorder:
        yield recorder


@pytest.fixture
def lived_in(home: Home, service: Recorder) -> Home:
    """A home whose hue collector has stored a reading at hour 0; its address and the one for everything are called."""
    home.write_config(collectors=HUE_ONLY, publishers={"heartbeat": {"enabled": True}})
    call(home, hue=f"{service.url}/{SECRET}", all=f"{service.url}/all-{SECRET}")
    with at(0):
        collect(home, degrees(20, "hue:kitchen"))
    return home


def call(home: Home, **urls: str) -> None:
    home.write_secrets({"heartbeat": urls})


def collect(home: Home, *items: Any) -> None:
    collector = source(*items)
    collector.__spec__ = ModuleSpec("collectors.hue", None)
    home.run(collector=collector)


def publish(home: Home, hours: float, *arguments: str) -> Outcome:
    with at(hours), redirect_stderr(io.StringIO()) as err, redirect_stdout(io.StringIO()) as out:
        code = jobs.publish.run(heartbeat, ["--config", str(home.config), *arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


def test_every_address_is_called_while_readings_arrive(lived_in: Home, service: Recorder) -> None:
    assert publish(lived_in, 0.25) == Outcome(0, "", "")
    assert [(call.method, call.path, call.body) for call in service.calls] == [
        ("GET", f"/{SECRET}", b""), ("GET", f"/all-{SECRET}", b"")]


def test_silence_is_a_failure_with_its_reason(lived_in: Home, service: Recorder) -> None:
    assert publish(lived_in, 0.26).code == 0
    assert [(call.method, call.path) for call in service.calls] == [
        ("POST", f"/{SECRET}/fail"), ("POST", f"/all-{SECRET}/fail")]
    assert all(b"hue has had no complete cycle since 2026-11-22T00:00:00+00:00" in call.body for call in service.calls)
    assert "hue failed: hue has had no complete cycle" in lived_in.log()


def test_a_run_that_stores_nothing_is_a_failure(lived_in: Home, service: Recorder) -> None:
    with at(1):
        collect(lived_in)
    publish(lived_in, 1)
    assert [call.body for call in service.calls] == [b"hue:kitchen has no reading since 2026-11-22T00:00:00+00:00"] * 2


@pytest.mark.parametrize(("collector", "failing"), [("hue", 2), ("limits", 1), ("heartbeat", 0)])
def test_an_alert_is_a_failure_of_its_collector_and_of_everything(lived_in: Home, service: Recorder, collector: str,
                                                                 failing: int) -> None:
    (lived_in.data / "ALERT_X.txt").write_text(f"The bridge refuses us.\nstatus: active\ncollector: {collector}\n")
    publish(lived_in, 0)
    assert [call.body for call in service.calls if call.path.endswith("/fail")] == [b"The bridge refuses us."] * failing


def test_a_disabled_collector_fails_by_itself_only(lived_in: Home, service: Recorder) -> None:
    call(lived_in, weather=f"{service.url}/weather-{SECRET}", all=f"{service.url}/all-{SECRET}")
    publish(lived_in, 0)
    assert [(call.path, call.body) for call in service.calls] == [
        (f"/weather-{SECRET}/fail", b"weather is disabled"), (f"/all-{SECRET}", b"")]


def test_a_record_that_cannot_be_read_is_a_failure(lived_in: Home, service: Recorder) -> None:
    lived_in.database.unlink()
    assert publish(lived_in, 0).code == 2 and [call.path for call in service.calls] == [
        f"/{SECRET}/fail", f"/all-{SECRET}/fail"]


@pytest.mark.parametrize(("path", "query"), [
    (f"/api/push/{SECRET}?status=up&msg=OK&ping=", {"status": ["down"], "msg": ["R&D: \u00e4 b."]}),
    (f"/p/{SECRET}/home?state=complete", {"state": ["fail"], "message": ["R&D: \u00e4 b."]})])
def test_some_services_take_a_failure_in_the_query(lived_in: Home, service: Recorder, path: str,
                                                  query: dict[str, list[str]]) -> None:
    call(lived_in, hue=f"{service.url}{path}")
    publish(lived_in, 0)
    (lived_in.data / "ALERT_X.txt").write_text("R&D: \u00e4 b.\ncollector: hue\n", encoding="utf-8")
    publish(lived_in, 0)
    well, failed = service.calls
    assert well.path == path and (failed.method, parse_qs(urlsplit(failed.path).query)) == ("GET", query)


@pytest.mark.parametrize(("answer", "code", "calls"), [
    ({"status": 404}, 2, 2), ({"body": b"OK (not found)"}, 2, 2), ({"status": 401}, 2, 2), ({"status": 500}, 1, 6),
    ({"status": 429}, 1, 6), ({"status": 302, "headers": {"Location": "/elsewhere"}}, 2, 2), ({"status": 400}, 1, 2),
    ({"fault": "hang"}, 1, 6), ({"fault": "reset"}, 1, 6), ({"fault": "drip"}, 1, 6)])
def test_all_addresses_are_called_though_each_fails_and_none_is_shown(lived_in: Home, service: Recorder,
                                                                    answer: dict[str, Any], code: int, calls: int) -> None:
    vars(service).update(answer)
    lived_in.write_config(publishers={"heartbeat": {"enabled": True, "timeout_seconds": 0.1 if code == 1 else 10}})
    outcome = publish(lived_in, 0, "--verbose")
    assert outcome.code == code and len(service.calls) <= calls and len({call.path for call in service.calls}) == 2
    assert (lived_in.data / ALERT).exists() == (code == 2)
    assert publish(lived_in, 0, "--json").code == code
    files = (file.read_bytes() for file in lived_in.data.rglob("*") if file.is_file())
    assert SECRET.encode() not in b"".join([outcome.out.encode(), outcome.err.encode(), *files])
    lived_in.write_config(publishers={"heartbeat": {"enabled": True}})
    service.status, service.body, service.fault = 200, b"OK", ""
    assert publish(lived_in, 0).code == 0 and not (lived_in.data / ALERT).exists()


@pytest.mark.parametrize("urls", [{}, {"hue": SECRET}, {"hue": f"ftp://{SECRET}"}, {"hue": f"http://[{SECRET}"}])
def test_an_address_that_is_none_needs_a_human(lived_in: Home, urls: dict[str, str]) -> None:
    call(lived_in, **urls)
    outcome = publish(lived_in, 0)
    assert outcome.code == 2 and "heartbeat" in outcome.err and SECRET not in outcome.err + lived_in.log()


def test_a_dry_run_asks_the_host_without_calling_the_address(lived_in: Home, service: Recorder) -> None:
    service.status = 404
    assert publish(lived_in, 0, "--dry-run") == Outcome(0, "heartbeat: 1 host can be reached\n", "")
    assert [call.path for call in service.calls] == ["/"]


def test_a_host_that_cannot_be_reached_fails_a_dry_run(lived_in: Home) -> None:
    call(lived_in, all="http://127.0.0.1:9/x")
    assert publish(lived_in, 0, "--dry-run").code == 1


def test_a_device_that_was_never_read_has_no_beginning(lived_in: Home, service: Recorder) -> None:
    with closing(sqlite3.connect(lived_in.database)) as connection, connection:
        connection.execute("DELETE FROM readings")
    publish(lived_in, 0)
    assert [call.body for call in service.calls] == [b"hue:kitchen has no reading since the beginning"] * 2
