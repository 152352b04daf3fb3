"""Alerts reach a webhook: a real server on this machine gets the requests of real runs."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple

import pytest

from tests.home import Home
from tests.simulator.server import Simulator

ALERT = "ALERT_HUE_PAIRING_NEEDED.txt"
SECRET = "SecretTopicOfTheTests"


class Call(NamedTuple):
    path: str
    headers: dict[str, str]
    body: str


class Hook:
    """A server that answers with `status`, and keeps the calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                hook.calls.append(Call(self.path, dict(self.headers), body))
                self.send_response(hook.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    threading.Thread(target=hook.server.serve_forever, daemon=True).start()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()


@pytest.fixture
def refused(home: Home, simulator: Simulator, hook: Hook) -> Home:
    """A home whose bridge refuses the key, and that has the webhook."""
    home.point_at(simulator)
    home.write_config(display={"house": "Küstenstraße 5"})
    configure(home, simulator, url=hook.url)
    simulator.faults.add("key-refused")
    return home


def configure(home: Home, simulator: Simulator, **section: Any) -> None:
    home.write_secrets({"hue": {"api_key": simulator.key}, "notify": {"webhook": [section]}})


def test_an_alert_is_posted_once_when_raised_and_once_when_cleared(refused: Home, simulator: Simulator, hook: Hook) -> None:
    assert [refused.run().code for _ in range(2)] == [2, 2]
    simulator.faults.clear()
    assert refused.run().code == 0
    raised, cleared = (json.loads(call.body) for call in hook.calls)
    assert (raised["event"], raised["alert"], raised["house"]) == ("raised", ALERT, "Küstenstraße 5")
    assert "pair hue" in raised["remedy"] and raised["sent_at"].endswith("+00:00") and cleared["event"] == "cleared"


def test_ntfy_gets_text_with_a_title(refused: Home, simulator: Simulator, hook: Hook) -> None:
    configure(refused, simulator, url=hook.url, format="ntfy", headers={"Authorization": "Bearer tk_1"})
    refused.run()
    [call] = hook.calls
    assert "the bridge refuses our key" in call.body and call.headers["Priority"] == "high"
    assert call.headers["Title"].startswith("=?utf-8?") and call.headers["Authorization"] == "Bearer tk_1"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_was_not_delivered_is_tried_again_and_the_address_is_not_shown(
        status: int, refused: Home, hook: Hook) -> None:
    hook.status = status
    outcome = refused.run("-v")
    assert outcome.code == 2 and f"HTTP {status}" in outcome.err and len(hook.calls) == 1
    kept = "".join(file.read_text("latin-1") for file in refused.data.rglob("*") if file.is_file())
    assert SECRET not in outcome.out + outcome.err + kept
    hook.status = 200
    refused.run()
    refused.run()
    assert len(hook.calls) == 2


def test_an_address_that_is_none_is_named_and_collecting_goes_on(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    configure(home, simulator, url=SECRET)
    outcome = home.run("-v")
    assert outcome.code == 0 and "notify.webhook[1].url" in outcome.err and SECRET not in outcome.err
