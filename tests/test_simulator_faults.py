"""Faults of the simulator, as a client on a real socket sees them."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.simulator.asking import Entry, ask, port, temperatures
from tests.simulator.server import Simulator

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=timezone.utc)
MOTION = ("ZLLPresence", "ZLLLightLevel", "ZLLTemperature")


@pytest.fixture
def frozen() -> Iterator[Simulator]:
    """A simulator with two sensors, at a winter noon, its clock stopped."""
    with Simulator(sensors=2, clock=lambda: NOW) as running:
        yield running


def arriving(simulator: Simulator, seconds: float) -> bytes:
    """Return all bytes that arrive within so many seconds after a request."""
    with socket.create_connection(("127.0.0.1", port(simulator.http_url))) as client:
        client.sendall(b"GET /api/config HTTP/1.1\r\nHost: bridge\r\n\r\n")
        arrived, deadline = b"", time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            client.settimeout(left)
            try:
                piece = client.recv(65536)
            except TimeoutError:
                break
            arrived += piece
        return arrived


@pytest.mark.parametrize("kind, status, phrase", [
    ("429", 429, ""), ("500", 500, "Internal Server Error"), ("503", 503, ""),
    ("502", 502, "Oops, there appears to be no lighting here"), ("not-json", 200, "The service is starting"),
])
def test_statuses_and_pages(frozen: Simulator, kind: str, status: int, phrase: str) -> None:
    frozen.faults.add(kind)
    answer = ask(frozen)
    assert answer.status_code == status and phrase in answer.text
    with pytest.raises(ValueError):
        answer.json()


def test_a_pace_is_kept_from_the_first_byte_to_the_last(frozen: Simulator) -> None:
    """First a pause, then so many bytes per second at most."""
    frozen.faults.add("pace", seconds=0.1, bytes_per_second=20_000)
    assert arriving(frozen, 0.08) == b""
    started = time.monotonic()
    answer = ask(frozen)
    assert "1" in answer.json() and time.monotonic() - started >= 0.1 + len(answer.content) / 20_000


@pytest.mark.parametrize("kind, complete", [("drip-body", True), ("drip-headers", False)])
def test_a_drip_never_pauses_for_long_and_never_gets_far(frozen: Simulator, kind: str, complete: bool) -> None:
    whole = len(arriving(frozen, 0.2))
    frozen.faults.add(kind, pause=0.02, chunk=1)
    dripped = arriving(frozen, 0.4)
    head, blank, body = dripped.partition(b"\r\n\r\n")
    assert (blank == b"\r\n\r\n") is complete and 5 < len(dripped) < whole
    assert len(body or head) <= 21


SHOWN: list[tuple[str, dict[str, Any], Callable[[Entry], bool]]] = [
    ("restarted", {}, lambda entry: set(entry["state"].values()) == {None, "none"}),
    ("off", {}, lambda entry: not entry["config"]["on"] and set(entry["state"].values()) == {None, "none"}),
    ("off", {"frozen": True}, lambda entry: not entry["config"]["on"] and "2026" in entry["state"]["lastupdated"]),
    ("unreachable", {}, lambda entry: not entry["config"]["reachable"]),
    ("stale", {"seconds": 7200}, lambda entry: (
        "2026-01-15T09:54" < entry["state"]["lastupdated"] <= "2026-01-15T10:00:00" and entry["config"]["reachable"])),
    ("stale", {"start": NOW - timedelta(days=1)}, lambda entry: (
        "2026-01-14T11:54" < entry["state"]["lastupdated"] <= "2026-01-14T12:00:00")),
    ("battery-null", {}, lambda entry: entry["config"]["battery"] is None),
    ("milliseconds", {}, lambda entry: entry["state"]["lastupdated"].endswith(".123Z")),
    ("future", {}, lambda entry: entry["state"]["lastupdated"] > "2026-01-16T11:54"),
    ("uniqueid-missing", {}, lambda entry: "uniqueid" not in entry),
]


@pytest.mark.parametrize("kind, options, shown", SHOWN)
def test_a_fault_shows_on_all_motion_sensors_or_on_one_and_nowhere_else(
        frozen: Simulator, kind: str, options: dict[str, Any], shown: Callable[[Entry], bool]) -> None:
    before = ask(frozen).json()
    frozen.faults.add(kind, **options)
    after = ask(frozen).json()
    assert all(shown(entry) for entry in after.values() if entry["type"] in MOTION)
    assert not any(shown(entry) for entry in before.values() if entry["type"] in MOTION)
    assert all(after[number] == entry for number, entry in before.items() if entry["type"] not in MOTION)
    frozen.faults.clear()
    frozen.faults.add(kind, sensor="Küche", **options)
    assert [shown(entry) for entry in temperatures(frozen)] == [False, True]


def test_a_wrong_clock_moves_all_the_bridge_says_and_a_wrong_date_only_that(frozen: Simulator) -> None:
    honest = temperatures(frozen)
    frozen.faults.add("date", seconds=3600)
    assert ask(frozen).headers["Date"] == "Thu, 15 Jan 2026 13:00:00 GMT" and temperatures(frozen) == honest
    frozen.faults.clear()
    frozen.faults.add("clock", seconds=-86400)
    assert ask(frozen).headers["Date"] == "Wed, 14 Jan 2026 12:00:00 GMT"
    assert [entry["state"]["lastupdated"].replace("-14T", "-15T") for entry in temperatures(frozen)] == [
        entry["state"]["lastupdated"] for entry in honest]
    assert ask(frozen, "/config").json()["UTC"] == "2026-01-14T12:00:00"
