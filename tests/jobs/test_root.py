"""Root may run the first cycle: whatever it creates belongs to the account whose house it is."""

import compileall
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checked_home import USER, needs_root, public_folder
from tests.checkout import ROOMS, make_checkout, make_environment, needs_public_python
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

pytestmark = [needs_root, needs_public_python]


class Clone(Home):
    """A fresh checkout of an ordinary user, installed and paired."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        super().__init__(folder)
        make_checkout(folder)
        (folder / ".venv" / "bin" / "python").unlink()
        self.python = make_environment(folder / ".venv", sysconfig.get_path("purelib"))
        for room in ROOMS:  # as make install does
            compileall.compile_dir(folder / room, quiet=2)
        self.point_at(simulator)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)

    def start(self, *arguments: str, user: int = 0) -> int:
        """Run a script in the checkout and return the exit code."""
        environment = unmeasured()
        del environment["HOME_MONITOR_CONFIG"]
        done = subprocess.run([self.python, *arguments], cwd=self.folder, user=user, group=user, extra_groups=[],
                              capture_output=True, text=True, timeout=60, env=environment)
        assert "Traceback" not in done.stderr and "fault" not in done.stderr, done.stderr
        self.wait_for_the_next_second()
        return done.returncode

    def strangers(self) -> list[Path]:
        """Return the files that do not belong to the user."""
        return [path for path in (self.folder, *self.folder.rglob("*"))
                if path.lstat().st_uid != USER and "__pycache__" not in path.parts]


@pytest.fixture
def clone(simulator: Simulator) -> Iterator[Clone]:
    with public_folder() as folder:
        yield Clone(folder / "monitor", simulator)


@pytest.mark.parametrize("has_data", [True, False])
def test_after_a_first_cycle_by_root_the_users_own_is_stored(clone: Clone, has_data: bool) -> None:
    if not has_data:
        clone.data.rmdir()
    assert clone.start("-m", "collectors.hue") == 0
    assert clone.strangers() == []
    assert {"hue.lock", "spool.journal", "readings.db", "logs"} <= set(os.listdir(clone.data))
    assert clone.start("-m", "collectors.hue", user=USER) == 0
    assert len(clone.rows()) == 10 and clone.strangers() == []


def test_an_alert_that_root_raises_can_be_cleared_by_the_user(clone: Clone, simulator: Simulator) -> None:
    keys = dict(simulator.bridge.keys)
    simulator.bridge.keys.clear()
    assert clone.start("-m", "collectors.hue") == 2
    assert list(clone.data.glob("ALERT_*")) and clone.strangers() == []
    simulator.bridge.keys.update(keys)
    assert clone.start("-m", "collectors.hue", user=USER) == 0
    assert not list(clone.data.glob("ALERT_*")) and len(clone.rows()) == 5


def test_a_wrong_configuration_that_root_sees_first_leaves_nothing_of_roots(clone: Clone) -> None:
    clone.config.write_text("retry: 7\n", encoding="utf-8")
    assert clone.start("-m", "collectors.hue") == 2 and clone.strangers() == []


def test_publishers_do_so_too(clone: Clone) -> None:
    clone.write_config(publishers={"archive": {"enabled": True}})
    (clone.folder / "publishers" / "archive.py").write_text(
        (Path(__file__).parents[1] / "trial" / "archive.py").read_text(encoding="utf-8"), encoding="utf-8")
    os.chown(clone.folder / "publishers" / "archive.py", USER, USER)
    assert clone.start("-m", "collectors.hue", user=USER) == 0
    clone.start("-m", "publishers.archive")
    assert clone.strangers() == [] and (clone.data / "archive.session.json").exists()


def test_root_stays_root_where_the_owner_cannot_read_python(clone: Clone) -> None:
    """The readings are stored, as root's."""
    hidden = clone.folder.parent / "hidden"
    hidden.mkdir()
    clone.python = make_environment(hidden / ".venv", sysconfig.get_path("purelib"))
    hidden.chmod(0o700)
    assert clone.start("-m", "collectors.hue") == 0 and len(clone.rows()) == 5
