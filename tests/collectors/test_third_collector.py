"""A further source is one new file: dropped into a checkout it runs, is configured, checked and listed."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import make_checkout
from tests.home import Home


class Page(BaseHTTPRequestHandler):
    """The thermometer's web page; `statuses` holds the next answers' statuses; after these, 200."""

    statuses: list[int] = []

    def do_GET(self) -> None:
        self.send_response(self.statuses.pop(0) if self.statuses else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"degrees": 21.5, "where": "Cellar"}).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def page() -> Iterator[str]:
    Page.statuses = []
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the program into which the one file has been dropped."""
    folder = tmp_path / "checkout"
    make_checkout(folder, "collectors/thermometer")
    return folder


def configured(home: Home, **settings: Any) -> Home:
    home.settings["collectors"] = {"thermometer": settings}
    home.write_config()
    return home


def test_it_runs_and_stores(home: Home, checkout: Path, page: str) -> None:
    run = configured(home, url=page).process(module="collectors.thermometer", folder=checkout)
    assert (run.code, run.out, run.err) == (0, "", "")
    row, = home.rows()
    assert (row["device_id"], row["location"], row["temperature_celsius"]) == ("thermometer:1", "Cellar", 21.5)
    assert home.cycles()[0]["collector"] == "thermometer" and " INFO thermometer cycle stored 1 reading " in home.log()
    device, = home.rows("SELECT * FROM device_registry")
    assert (device["device_name"], device["collector"]) == ("Cellar", "thermometer")


def test_its_requests_are_retried(home: Home, checkout: Path, page: str) -> None:
    Page.statuses = [503, 503]
    assert configured(home, url=page).process(module="collectors.thermometer", folder=checkout).code == 0
    assert home.cycles()[0]["retries"] == 2 and len(home.rows()) == 1


def test_its_configuration_is_checked(home: Home, checkout: Path, page: str) -> None:
    run = configured(home, url=page, timeout_seconds="soon").process(module="collectors.thermometer", folder=checkout)
    assert run.code == 2 and "collectors.thermometer.timeout_seconds" in run.err and "0.1" in run.err


@pytest.mark.parametrize("flag", ["-v", "--dry-run"])
def test_a_mistyped_key_is_reported_with_the_nearest(home: Home, checkout: Path, page: str, flag: str) -> None:
    run = configured(home, url=page, timeout_second=3).process(flag, module="collectors.thermometer", folder=checkout)
    assert run.code == 0 and "collectors.thermometer.timeout_second: unknown key" in run.err
    assert "did you mean timeout_seconds" in run.err


def test_the_other_collectors_do_not_check_its_section(home: Home, checkout: Path, page: str) -> None:
    """A mistake in one source's section does not stop another source."""
    home.write_secrets({"hue": {"api_key": "a-key-of-some-length"}})
    configured(home, url=5)
    home.configure_hue(bridge_ip="http://127.0.0.1:9", discovery_url=None)
    run = home.process("--dry-run", folder=checkout)
    assert run.code == 1 and "unknown key" not in run.out + run.err and "cannot be reached" in run.err


def test_the_health_check_checks_and_lists_it(home: Home, checkout: Path, page: str) -> None:
    configured(home, url=page)
    done = subprocess.run([sys.executable, checkout / "healthcheck.py", "--config", home.config, "--json", "--only",
                           "thermometer"], capture_output=True, text=True)
    component, = json.loads(done.stdout)["components"]
    assert (component["name"], component["status"], component["message"]) == ("thermometer", "pass", "the page answers")


def test_help_lists_it(checkout: Path) -> None:
    done = subprocess.run([sys.executable, checkout / "healthcheck.py", "--help"], capture_output=True, text=True)
    assert "thermometer" in done.stdout
