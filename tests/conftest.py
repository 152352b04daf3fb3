"""What every test can rely on: no way out of this machine, no way into the real data, one home and one simulator."""

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

# "make test" runs these after all others, one at a time: they count seconds, mount disks, start cron's daemon, or ask
# for ports and devices of which the machine has one. Elsewhere single tests are marked where they stand.
ALONE = ("tests/faults/", "tests/test_crontab.py", "tests/test_devices_history.py", "tests/test_healthcheck_disks.py",
         "tests/test_healthcheck_hangs.py", "tests/runtime/test_watchdog.py")

real_connect = socket.socket.connect


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is to have the machine for itself."""
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker("alone")


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Refuse connections that leave the loopback, and hide the checkout's own configuration and data."""

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise AssertionError(f"a test tried to connect to {address}")
        real_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setenv("HOME_MONITOR_CONFIG", str(tmp_path / "nowhere" / "config" / "config.yaml"))


@pytest.fixture
def children_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let forked processes end when they say so: coverage has them write files first, which may take seconds."""
    fork = os.fork

    def forked() -> int:
        child = fork()
        if child == 0:
            vars(os)["_exit"] = posix._exit
            sys.settrace(None)
        return child
    monkeypatch.setattr(os, "fork", forked)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Put back what a run in this process changes for good: signal handlers and the root logger."""
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
    """An empty home, not yet pointed at any bridge."""
    return Home(tmp_path / "home")


@pytest.fixture
def written(home: Home) -> Home:
    """A home with a configuration and no secrets."""
    home.write_config()
    return home


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A house with five sensors and a bridge, on http and https."""
    with Simulator() as running:
        yield running


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that users other than root can reach: pytest's own temporary folders are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="readings-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    for each, _, _ in os.walk(folder):  # only root can clear a folder that a test has shut
        os.chmod(each, 0o755)
    shutil.rmtree(folder)
