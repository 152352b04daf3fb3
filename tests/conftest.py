"""Fixtures for all tests: no connection beyond the loopback, no access to the real data, a home, a simulator."""

import logging
import os
import posix
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.home import Home
from tests.simulator.server import Simulator

pytest_plugins = ["tests.cron_house", "tests.checked_home"]

# "make test" runs these after all others, one at a time: they measure seconds, mount disks, start the cron daemon, or
# need ports and devices that the machine has once. Single tests of other files are marked in place.
ALONE = ("tests/faults/", "tests/test_crontab.py", "tests/test_devices_history.py", "tests/test_healthcheck_disks.py",
         "tests/test_healthcheck_hangs.py", "tests/test_unmounted.py", "tests/runtime/test_watchdog.py")

# Processes count for the coverage in these tests only, as with coverage a process takes twice as long; with COVERAGE=whole in
# the environment they count in all.
MEASURED = ("tests/",) if os.environ.get("COVERAGE") == "whole" else (
    "tests/cli/", "tests/health/", "tests/publishers/", "tests/runtime/", "tests/storage/", "tests/test_devices",
    "tests/test_healthcheck.py", "tests/test_healthcheck_scenarios.py", "tests/test_readings", "tests/test_wheel.py")

real_connect = socket.socket.connect


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the machine for themselves."""
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker("alone")


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Refuse connections that leave the loopback, and hide the checkout's own configuration and data."""

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise AssertionError(f"a test tried to connect to {address}")
        real_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setenv("HOME_MONITOR_CONFIG", str(tmp_path / "nowhere" / "config" / "config.yaml"))


@pytest.fixture(scope="session", autouse=True)
def of_coverage() -> dict[str, str]:
    """Remove, and return, what coverage adds to the environment."""
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_PROCESS")}


@pytest.fixture(autouse=True)
def measured(request: pytest.FixtureRequest, of_coverage: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.nodeid.startswith(MEASURED):
        for name, value in of_coverage.items():
            monkeypatch.setenv(name, value)


@pytest.fixture
def children_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let forked processes exit at once: coverage makes them write files first, which may take seconds."""
    fork = os.fork

    def fork_unmeasured() -> int:
        child = fork()
        if child == 0:
            vars(os)["_exit"] = posix._exit
            sys.settrace(None)
        return child
    monkeypatch.setattr(os, "fork", fork_unmeasured)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore what a run in this process leaves changed: signal handlers, hooks and the root logger."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    level, raising, hook = logging.getLogger().level, logging.raiseExceptions, sys.excepthook
    yield
    sys.excepthook = hook
    for number, handler in handlers.items():
        signal.signal(number, handler)
    logging.getLogger().setLevel(level)
    logging.raiseExceptions = raising


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home, not configured for any bridge."""
    return Home(tmp_path / "home")


@pytest.fixture
def written(home: Home) -> Home:
    """A home with a configuration but no secrets."""
    home.write_config()
    return home


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A house with five sensors and a bridge, on http and https."""
    with Simulator() as running:
        yield running


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that other users than root can enter, which pytest's temporary folders do not allow."""
    folder = Path(tempfile.mkdtemp(prefix="readings-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    for path, _, _ in os.walk(folder):  # only root can empty a folder that a test has closed
        os.chmod(path, 0o755)
    shutil.rmtree(folder)
