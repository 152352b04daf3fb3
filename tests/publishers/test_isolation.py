"""Destinations that hang keep neither the other publishers nor the collectors from their work; secrets show nowhere.

With PUBLISHERS=whole in the environment: 1,000 cycles of both collectors beside publishers that hang.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from socket import create_server
from typing import Any

import pytest
import yaml

from tests.checkout import CHECKOUT
from tests.faults.forked import EVERY, START, Ended, run_pair, stored
from tests.forking import prepare
from tests.home import Home, unmeasured
from tests.mail_server import silent_server
from tests.publishers.recorder import Recorder, recording
from tests.simulator.server import Simulator

pytestmark = pytest.mark.slow
WHOLE = os.environ.get("PUBLISHERS") == "whole"
CYCLES = 1000 if WHOLE else 6
SERVED = ["limits", "page", "prometheus", "snapshot"]
HANGING = ("mqtt", "postgres", "influx", "heartbeat")
SECRETS = {name: f"Canary-{name}-Secret+1" for name in (*HANGING, "webhook", "header", "weather")}
DEADLINES = 10 + 11 + 11 + 10  # seconds that the hanging ones may take, one after the other


def publishers(home: Home, port: int, url: str) -> dict[str, Any]:
    prometheus = home.folder / "prometheus"
    prometheus.mkdir(exist_ok=True)
    return {
        "mqtt": {"enabled": True, "host": "127.0.0.1", "port": port, "tls": False},
        "postgres": {"enabled": True, "house_id": "home", "deadline_seconds": 10},
        "influx": {"enabled": True, "url": url, "database": "home", "timeout_seconds": 1, "deadline_seconds": 10},
        "heartbeat": {"enabled": True, "timeout_seconds": 1},
        "limits": {"enabled": True, "limits": [{"name": "heat", "quantity": "temperature_celsius", "above": -40}]},
        "page": {"enabled": True}, "snapshot": {"enabled": True},
        "prometheus": {"enabled": True, "folder": str(prometheus)}}


def secrets(port: int, url: str) -> dict[str, Any]:
    return {"mqtt": {"username": "house", "password": SECRETS["mqtt"]},
            "postgres": {"dsn": f"host=127.0.0.1 port={port} dbname=x user=house password={SECRETS['postgres']}"},
            "influx": {"token": SECRETS["influx"]}, "weather": {"api_key": SECRETS["weather"]},
            "heartbeat": {"all": f"{url}/{SECRETS['heartbeat']}"},
            "notify": {"webhook": {"url": f"{url}/{SECRETS['webhook']}", "headers": {"Authorization": SECRETS["header"]}}}}


@pytest.fixture
def collecting(home: Home, simulator: Simulator) -> Home:
    """A home in which both collectors have stored a cycle."""
    prepare()
    home.settings["collection"] = {"cycle_deadline_seconds": 10}
    home.settings["retry"] = {"max_attempts": 2, "base_delay_seconds": 0}
    home.introduce(simulator)
    assert [run.code for run in run_pair(home, simulator, START - EVERY)] == [0, 0]
    return home


def connect(home: Home, port: int, url: str) -> None:
    former = yaml.safe_load(home.secrets.read_text(encoding="utf-8"))
    home.write_config(publishers=publishers(home, port, url))
    home.write_secrets({**former, **secrets(port, url)})


def start(home: Home, *arguments: str, module: str = "publishers") -> "subprocess.Popen[str]":
    return subprocess.Popen(home.command(*arguments, module=module), cwd=CHECKOUT, env=unmeasured(), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def typical(runs: list[Ended]) -> str:
    """Return the median and the longest time from the spool to the end, in ms."""
    waits = sorted(1000 * (run.storing or 0) for run in runs)
    return f"{waits[len(waits) // 2]:.0f} and {waits[-1]:.0f} ms"


def test_hanging_destinations_keep_no_one_else_from_their_work(collecting: Home, simulator: Simulator) -> None:
    before = [run for turn in range(CYCLES) for run in run_pair(collecting, simulator, START + turn * EVERY)]
    with silent_server() as port:
        connect(collecting, port, f"http://127.0.0.1:{port}")
        started, process = time.monotonic(), start(collecting)
        beside = list[Ended]()
        for turn in range(CYCLES, 2 * CYCLES):
            if process.poll() is not None:
                process.communicate()
                process = start(collecting)
            beside += run_pair(collecting, simulator, START + turn * EVERY)
        process.communicate()
    assert {(run.code, run.err) for run in before + beside} == {(0, "")}
    counts = stored(collecting)
    assert len(counts) == 2 * (2 * CYCLES + 1) and set(counts.values()) == {5, 1}
    assert process.returncode in (1, 2) and (WHOLE or time.monotonic() - started < DEADLINES + 20)
    served = [path.name.partition(".")[0] for path in collecting.data.glob("*.session.json")
              if "published_at" in json.loads(path.read_text(encoding="utf-8"))]
    assert sorted(served) == SERVED and (collecting.data / "page.html").exists()
    print(f"{CYCLES} cycles of both collectors: from the spool to the end {typical(before)} (median, longest), "
          f"beside hanging publishers {typical(beside)}")


class Echo(Recorder):
    """Answers with all that it was sent."""

    @property
    def body(self) -> bytes:
        call = self.calls[-1] if self.calls else None
        return b"" if call is None else f"{call.path} {call.headers} ".encode() + call.body

    @body.setter
    def body(self, value: bytes) -> None:
        pass


@pytest.fixture(params=[200, 401, 422, 500])
def echo(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    with recording(Echo) as recorder:
        recorder.status = request.param
        yield recorder


def test_no_publisher_or_notifier_shows_a_secret(collecting: Home, echo: Recorder) -> None:
    """Not even where the other side repeats it: printed, in the log, in alerts, in the database, in any file."""
    with create_server(("127.0.0.1", 0)) as unused:
        connect(collecting, unused.getsockname()[1], echo.url)
    output = ""
    for module, *arguments in (("publishers", "--verbose"), ("healthcheck", "--json"), ("devices", "alert", "--test")):
        output += "".join(start(collecting, *arguments, module=module).communicate())
    assert any(SECRETS["heartbeat"] in call.path for call in echo.calls)
    assert any(SECRETS["webhook"] in call.path for call in echo.calls)
    files = {path: path.read_bytes() for path in collecting.folder.rglob("*")
             if path.is_file() and path != collecting.secrets}
    for name, secret in SECRETS.items():
        assert secret not in output, name
        assert [path for path, content in files.items() if secret.encode() in content] == [], name
