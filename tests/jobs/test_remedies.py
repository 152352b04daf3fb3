"""What keeps a cycle from storing: its message names the cause, and the remedy, carried out word for word, helps."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import spool
from tests.damage import kill_in_the_middle_of_a_commit
from tests.home import Home
from tests.jobs.fake_source import degrees, source

needs_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root sets flags and mounts disks")


def collect(home: Home) -> tuple[int, str]:
    """Run a cycle; return its exit code and remedy."""
    home.wait_for_the_next_second()
    run = home.run("-v", collector=source(degrees(20)))
    [problem] = [line for line in run.err.splitlines() if line.startswith("made_up: ")] or [""]
    return run.code, problem.rpartition("Remedy: ")[2]


@pytest.fixture
def stored(home: Home) -> Iterator[Home]:
    """A home with a stored cycle, whose flags are taken away at the end."""
    home.write_config()
    assert collect(home)[0] == 0
    yield home
    subprocess.run(["chattr", "-R", "-ia", home.data], check=False, capture_output=True)


def carry_out(remedy: str) -> None:
    subprocess.run(["sh", "-c", f'sudo() {{ "$@"; }}; {remedy.removeprefix("if it lasts: ")}'], check=True, timeout=60)


@needs_root
@pytest.mark.parametrize("flag", ["+i", "+a"])
@pytest.mark.parametrize("name", ["data/readings.db", "data/spool.journal", "data"])
def test_a_file_that_even_its_owner_may_not_change(name: str, flag: str, stored: Home) -> None:
    if subprocess.run(["chattr", flag, stored.folder / name], capture_output=True).returncode:
        pytest.skip("this file system has no such flags")
    code, remedy = collect(stored)
    if (name, flag) == ("data", "+a"):  # files can be made in it
        assert code == 0
        return
    assert code in (1, 2) and "sudo chattr -ia " in remedy
    carry_out(remedy)
    assert collect(stored)[0] == 0 and len(stored.rows()) == 3


@contextmanager
def disk_of(files: int, folder: Path) -> Iterator[None]:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"nr_inodes={files}", "tmpfs", folder]).returncode:
        pytest.skip("this machine mounts nothing for us")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@needs_root
def test_a_disk_that_holds_no_more_files(home: Home) -> None:
    (home.folder / "store").mkdir()
    home.write_config(storage={"database_path": "store/readings.db"})
    with disk_of(20, home.folder / "store"):
        assert collect(home)[0] == 0
        letters, number = home.folder / "store" / "letters", 0
        letters.mkdir()
        with pytest.raises(OSError):
            while True:
                (letters / str(number)).touch()
                number += 1
        code, remedy = collect(home)
        assert code == 1 and spool.status(home.data).cycles == 1
        listed = subprocess.run(["sh", "-c", remedy.partition(": ")[2]], capture_output=True, text=True).stdout
        assert listed.splitlines()[-1].endswith(str(letters))
        (letters / "0").unlink()
        (letters / "1").unlink()
        assert collect(home)[0] == 0
    assert spool.status(home.data).cycles == 0


def test_a_path_that_is_too_long_for_sqlite(home: Home) -> None:
    home.write_config(storage={"database_path": "/".join(["data", *["x" * 180] * 3, "readings.db"])})
    code, remedy = collect(home)
    assert code == 2 and remedy == "set storage.database_path in config.yaml to a shorter one"
    home.write_config(storage={"database_path": "data/readings.db"})
    assert collect(home)[0] == 0 and len(home.rows()) == 2


@pytest.mark.parametrize("command", [Home.devices, None], ids=["by the remedy", "by the next cycle"])
def test_a_write_that_was_killed_needs_no_permission(command: Callable[..., object] | None, home: Home) -> None:
    home.write_config(storage={"enable_wal_mode": False})
    assert collect(home)[0] == 0
    kill_in_the_middle_of_a_commit(home.database)
    listed = home.devices("list")
    remedy = listed.err.rstrip().rpartition("Remedy: ")[2]
    assert listed.code == 1 and remedy.endswith(" migrate")
    if command is None:
        assert collect(home)[0] == 0
    else:
        carry_out(remedy)
    assert home.devices("list").code == 0 and home.rows("SELECT name FROM sqlite_master WHERE name = 'half'") == []
