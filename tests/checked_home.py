"""A home that is healthy at first: wounded by a test, examined by the real health check, and healed by its remedies.

As root, which the tests are on most machines that can mount and change owners, the home belongs to an ordinary user:
the health check becomes that user, and so finds the permissions as that user does.

This is a pytest plugin for its fixture; where one home serves many tests, `healthy` is what opens and removes it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import CHECKOUT
from tests.forking import Forked
from tests.home import Home, Outcome, unmeasured
from tests.simulator.server import Simulator

USER = 54321
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can mount file systems and become somebody else")
REMEDY_SECONDS = 60


class Patient(Home):
    """A home with both sources, in which each has run once."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        super().__init__(folder)
        self.simulator = simulator
        self.settings["retry"] = {"base_delay_seconds": 0, "max_attempts": 2}
        self.settings["collectors"]["amazon_aqm"] = {
            "enabled": True, "timeout_seconds": 2, **dict.fromkeys(("base_url", "auth_url"), simulator.cloud_url)}
        self.point_at(simulator, timeout_seconds=2)
        self.keep_secrets()

    def keep_secrets(self, **sections: Mapping[str, Any]) -> None:
        """Write the good secrets.yaml, but for these sections."""
        self.write_secrets({
            "hue": {"api_key": self.simulator.key, "bridge_id": self.simulator.bridge_id},
            "amazon_aqm": {"refresh_token": self.simulator.alexa.refresh_token}, **sections})

    def configure(self, source: str, **settings: Any) -> None:
        """Change a source's section of config.yaml."""
        self.settings["collectors"][source].update(settings)
        self.write_config()

    def collect(self, *sources: str) -> list[Outcome]:
        """Run a cycle of each."""
        return [Forked(self, collector=name).end() for name in sources or ("hue", "amazon_aqm")]

    def hand_over(self, user: int = USER) -> None:
        """Make the ordinary user the owner of all that is there."""
        for path in (self.folder, *self.folder.rglob("*")) if IS_ROOT else ():
            os.chown(path, user, user, follow_symlinks=False)

    def take_back(self, path: Path, mode: int) -> None:
        """Make root the owner of something."""
        path.chmod(mode)
        os.chown(path, 0, 0)

    def check(self, *arguments: str, environment: Mapping[str, str] | None = None,
              program: Path = CHECKOUT / "healthcheck.py") -> Outcome:
        """Run the health check from another folder, as a process of its own."""
        done = subprocess.run([sys.executable, str(program), "--config", str(self.config), *arguments],
                              capture_output=True, text=True, cwd="/", timeout=60,
                              env={**(environment or os.environ), "PYTHONPATH": str(program.parent)})
        return Outcome(done.returncode, done.stdout, done.stderr)

    def components(self, *arguments: str,
                   environment: Mapping[str, str] | None = None) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the exit code, and each component as --json tells it."""
        run = self.check("--json", *arguments, environment=environment)
        assert run.err == "" and run.json["exit_code"] == run.code
        return run.code, {each["name"]: each for each in run.json["components"]}

    def obey(self, command: str, answer: str = "") -> Outcome:
        """Do literally what a remedy says, in the checkout and with this home's configuration, as a person would."""
        done = subprocess.run(
            ["bash", "-c", f'sudo() {{ "$@"; }}; {command}'], capture_output=True, text=True, cwd=CHECKOUT,
            input=answer, timeout=REMEDY_SECONDS, env={
                **unmeasured(), "HOME_MONITOR_CONFIG": str(self.config),
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def patient() -> Iterator[Patient]:
    """A healthy home of an ordinary user, to be changed."""
    with healthy() as patient:
        yield patient


@contextmanager
def healthy() -> Iterator[Patient]:
    """Open a home in which all is well, beside its sources, and remove it in the end."""
    with open_folder() as folder, Simulator() as simulator:
        patient = Patient(folder / "home", simulator)
        assert [run.code for run in patient.collect()] == [0, 0]
        patient.hand_over()
        yield patient


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a temporary folder that everybody may enter, and remove it, whatever has become of its modes."""
    folder = Path(tempfile.mkdtemp(prefix="patient-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=False)
        shutil.rmtree(folder)


@contextmanager
def full_pipe() -> Iterator[int]:
    """Yield the end of a pipe to write to, which takes nothing any more, for nobody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(65_536))
    os.set_blocking(writing, True)
    yield writing
    os.close(reading)
    os.close(writing)
