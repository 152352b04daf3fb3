"""data/ on a disk of its own, mounted and unmounted between cycles; processes are killed in between."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checked_home import needs_root
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

pytestmark = needs_root


class Disk:
    """A file system in memory, for data/. Unmounted, it keeps its files in a place where no run looks."""

    def __init__(self, home: Home) -> None:
        self._home, self._place = home, home.folder.parent / "disk"
        self._place.mkdir()
        if _mount("-t", "tmpfs", "-o", "size=50m", "tmpfs", str(self._place)):
            pytest.skip("THIS MACHINE MOUNTS NOTHING FOR US: the unmounted data folder is not tested")
        self.mount()

    def mount(self) -> None:
        assert not _mount("--bind", str(self._place), str(self._home.data))

    def unmount(self) -> None:
        subprocess.run(["umount", str(self._home.data)], check=True)

    def remove(self) -> None:
        for folder in (self._home.data, self._place):
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


def _mount(*arguments: str) -> int:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode


@pytest.fixture
def disk(home: Home, simulator: Simulator) -> Iterator[Disk]:
    home.introduce(simulator)
    mounted = Disk(home)
    yield mounted
    mounted.remove()


def codes(home: Home, *collectors: str) -> list[int]:
    """Run cycles at the same time, as cron does; return the exit codes."""
    home.wait_for_the_next_second()
    runs = [subprocess.Popen(home.command(module=f"collectors.{name}"), stderr=subprocess.DEVNULL, env=unmeasured())
            for name in collectors or ("hue",)]
    return [run.wait(timeout=60) for run in runs]


def waiting(home: Home) -> list[str]:
    return [path.name for path in home.config.parent.glob("waiting.journal")]


def times(home: Home) -> int:
    """Return how many cycles have readings in the database."""
    return len({(row["device_type"], row["timestamp"]) for row in home.rows()})


def test_an_unmounted_disk_costs_nothing(home: Home, disk: Disk) -> None:
    """Mount, run, umount, run, mount, run: 0, 2, 0, each reading in the one database, nothing below the mount point."""
    seen = codes(home)
    disk.unmount()
    seen += codes(home)
    assert waiting(home) and list(home.data.iterdir()) == []
    disk.mount()
    seen += codes(home)
    assert seen == [0, 2, 0] and times(home) == 3 and len(home.rows()) == 15 and not waiting(home)
    disk.unmount()
    assert list(home.data.iterdir()) == []


def test_both_collectors_at_once(home: Home, disk: Disk) -> None:
    both = ("hue", "amazon_aqm")
    assert codes(home, *both) == [0, 0]
    disk.unmount()
    assert codes(home, *both) == codes(home, *both) == [2, 2]
    assert list(home.data.iterdir()) == []
    disk.mount()
    assert codes(home, *both) == [0, 0] and times(home) == 8 and not waiting(home)


@pytest.mark.parametrize("milliseconds", [90, 200])
def test_a_kill_in_between_costs_nothing_that_was_spooled(home: Home, disk: Disk, milliseconds: int) -> None:
    """Killed while unmounted, and while the waiting readings are stored."""
    assert codes(home) == [0]
    disk.unmount()
    assert codes(home) == [2]
    kill_after(home, milliseconds)
    assert list(home.data.iterdir()) == []
    disk.mount()
    kill_after(home, milliseconds)
    assert codes(home) == [0] and not waiting(home)
    assert times(home) >= 3 and len(home.rows()) == 5 * times(home)


def kill_after(home: Home, milliseconds: int) -> None:
    home.wait_for_the_next_second()
    with subprocess.Popen(home.command(), stderr=subprocess.DEVNULL, env=unmeasured()) as process:
        try:
            process.wait(milliseconds / 1000)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)


def test_a_full_config_folder_costs_no_reading(home: Home, disk: Disk) -> None:
    """There is no room for waiting readings: cron mails them."""
    assert codes(home) == [0]
    kept = home.folder / "kept"
    shutil.copytree(home.config.parent, kept)
    assert not _mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(home.config.parent))
    try:
        shutil.copytree(kept, home.config.parent, dirs_exist_ok=True)
        fill(home.config.parent / "filler")
        disk.unmount()
        lost = home.process()
        assert lost.code == 2 and lost.err.count("not stored: ") == 1 and "disk mounted?" in lost.err
        assert list(home.data.iterdir()) == []
    finally:
        subprocess.run(["umount", "--lazy", str(home.config.parent)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(512))


def test_a_read_only_config_folder_costs_no_reading(home: Home, disk: Disk) -> None:
    """With the record in place all is stored; without it cron mails the readings."""
    assert not _mount("--bind", str(home.config.parent), str(home.config.parent))
    try:
        assert not _mount("-o", "remount,ro,bind", str(home.config.parent))
        assert codes(home) == [0] and times(home) == 1
        assert not os.path.exists(home.config.with_name("record.id"))
    finally:
        subprocess.run(["umount", "--lazy", str(home.config.parent)], check=True)
    assert codes(home) == [0] and home.config.with_name("record.id").exists()
