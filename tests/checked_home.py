"""A healthy home, for tests that damage it, run the real health check, and carry out its remedies.

If the tests run as root, which can mount disks and change owners, the home belongs to an ordinary user: the health check
becomes that user and has that user's permissions.

This is a pytest plugin for its fixture; `healthy` opens one home for many tests.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import CHECKOUT
from tests.forking import Forked
from tests.home import Home, Outcome, unmeasured
from tests.simulator.server import Simulator

USER = 54321
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can mount file systems and become another user")
REMEDY_SECONDS = 60
SHELL = 'sudo() { "$@"; }; make() { command make --dry-run "$@"; }; python() { return 127; }; python3() { return 127; }'


class CheckedHome(Home):
    """A home with both sources, each of which has run once."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        super().__init__(folder)
        self.simulator, self.cleanup = simulator, ExitStack()
        self.carried_out: list[str] = []
        self.backup = folder.with_name("backup.db")
        self.settings["retry"] = {"base_delay_seconds": 0, "max_attempts": 2}
        self.settings["collectors"]["amazon_aqm"] = {
            "enabled": True, "timeout_seconds": 2, **dict.fromkeys(("base_url", "auth_url"), simulator.cloud_url)}
        self.point_at(simulator, timeout_seconds=2)
        self.keep_secrets()

    def keep_secrets(self, **sections: Mapping[str, Any]) -> None:
        """Write the right secrets.yaml, except for these sections."""
        self.write_secrets({
            "hue": {"api_key": self.simulator.key, "bridge_id": self.simulator.bridge_id},
            "amazon_aqm": {"refresh_token": self.simulator.alexa.refresh_token}, **sections})

    def configure(self, source: str, **settings: Any) -> None:
        self.settings["collectors"][source].update(settings)
        self.write_config()

    def collect(self, *sources: str) -> list[Outcome]:
        return [Forked(self, collector=name).end() for name in sources or ("hue", "amazon_aqm")]

    def back_up(self) -> None:
        with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(self.backup)) as copy:
            source.backup(copy)

    def hand_over(self, user: int = USER) -> None:
        for path in (self.folder, *self.folder.rglob("*")) if IS_ROOT else ():
            os.chown(path, user, user, follow_symlinks=False)

    def give_to_root(self, path: Path, mode: int) -> None:
        path.chmod(mode)
        os.chown(path, 0, 0)

    def check(self, *arguments: str, environment: Mapping[str, str] | None = None,
              program: Path = CHECKOUT / "healthcheck.py") -> Outcome:
        return self.python(str(program), "--config", str(self.config), *arguments,
                           environment={**(environment or os.environ), "PYTHONPATH": str(program.parent)})

    def python(self, *command: str, environment: Mapping[str, str]) -> Outcome:
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd="/", timeout=60,
                              env=environment)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def components(self, *arguments: str,
                   environment: Mapping[str, str] | None = None) -> tuple[int, dict[str, dict[str, Any]]]:
        run = self.check("--json", *arguments, environment=environment)
        assert run.err == "" and run.json["exit_code"] == run.code
        return run.code, {component["name"]: component for component in run.json["components"]}

    def carry_out(self, command: str, answer: str = "") -> Outcome:
        """Run a command of a remedy as a person would."""
        with self.shell(command) as process:
            out, err = process.communicate(answer, REMEDY_SECONDS)
        return Outcome(process.returncode, out, err)

    def shell(self, command: str) -> "subprocess.Popen[str]":
        """Start a command word for word: in another folder, in a shell without Python and our variables.

        make only shows what it would do, and sudo does nothing: the tests run as root, or without its commands.
        """
        self.carried_out.append(command)
        environment = unmeasured()
        del environment["HOME_MONITOR_CONFIG"]
        return subprocess.Popen(
            ["bash", "-c", f"{SHELL}; {command}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env=environment)


@pytest.fixture
def checked_home() -> Iterator[CheckedHome]:
    with healthy() as home:
        yield home


@contextmanager
def healthy() -> Iterator[CheckedHome]:
    """Open a home in which all is well, with its sources, and remove it at the end."""
    with public_folder() as folder, Simulator() as simulator:
        home = CheckedHome(folder / "home", simulator)
        assert [run.code for run in home.collect()] == [0, 0]
        home.back_up()
        home.hand_over()
        with home.cleanup:
            yield home


@contextmanager
def public_folder() -> Iterator[Path]:
    """Make a temporary folder that all users may enter, and remove it, whatever its modes are by then."""
    folder = Path(tempfile.mkdtemp(prefix="checked-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=False)
        shutil.rmtree(folder)


@contextmanager
def full_pipe() -> Iterator[int]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(65_536))
    os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)
