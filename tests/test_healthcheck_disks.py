"""Disks that are nearly full, full, or read-only: real file systems, mounted over the data folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checked_home import CheckedHome, needs_root

pytestmark = needs_root


@contextmanager
def mounted(checked_home: CheckedHome, *arguments: str) -> Iterator[None]:
    kept = checked_home.folder / "kept"
    checked_home.data.rename(kept)
    checked_home.data.mkdir()
    if subprocess.run(["mount", *arguments, str(checked_home.data)], capture_output=True).returncode:
        pytest.skip("this machine mounts nothing for us")
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", str(checked_home.data)], check=True)
        checked_home.hand_over()
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(checked_home.data)], check=True)


def test_a_disk_with_less_than_a_hundred_megabytes_fails(checked_home: CheckedHome) -> None:
    with mounted(checked_home, "-t", "tmpfs", "-o", "size=50m", "tmpfs"):
        code, components = checked_home.components("--offline")
    assert (code, components["disk_space"]["status"]) == (1, "fail")


def test_a_disk_without_a_byte_is_critical_until_something_is_deleted(checked_home: CheckedHome) -> None:
    """SQLite reports an I/O error, because it cannot create its -shm; the remedy lists the largest file last."""
    with mounted(checked_home, "-t", "tmpfs", "-o", "size=300m", "tmpfs"):
        for path in checked_home.data.glob("readings.db-*"):
            path.unlink()
        filler = checked_home.data / "holiday.mp4"
        with filler.open("wb", buffering=0) as file:
            with pytest.raises(OSError):
                while True:
                    file.write(bytes(2 ** 16))
            with pytest.raises(OSError):
                while True:
                    file.write(b"0")
        checked_home.hand_over()
        code, components = checked_home.components("--offline")
        database = components["database_write"]
        assert code == 2 and database["status"] == components["disk_space"]["status"] == "fail"
        assert "is full" in database["message"]
        command = database["remedy"].partition(": ")[2]
        largest = checked_home.carry_out(command).out.splitlines()[-2].split("\t")[1]
        assert largest == str(filler)
        Path(largest).unlink()
        code, components = checked_home.components("--offline")
        assert (code, components["database_write"]["status"], components["disk_space"]["status"]) == (0, "pass", "pass")


def test_less_than_a_twentieth_is_a_warning(checked_home: CheckedHome, tmp_path: Path) -> None:
    """A disk of 4 GB of which 150 MB are free; the image has holes, and takes up little itself."""
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(4 * 2 ** 30)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    with mounted(checked_home, "-o", "loop", str(image)):
        disk = os.statvfs(checked_home.data)
        filler = checked_home.data / "holiday.mp4"
        with filler.open("wb") as file:
            if sys.platform != "darwin":
                os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - 150_000_000)
        code, components = checked_home.components("--offline")
        assert (code, components["disk_space"]["status"]) == (0, "warn")
        listed = checked_home.carry_out(components["disk_space"]["remedy"].partition(": ")[2]).out.splitlines()
        largest = listed[-2].split("\t")[1]
        Path(largest).unlink()
        assert checked_home.components("--offline")[1]["disk_space"]["status"] == "pass"


def test_a_disk_without_room_for_more_files_fails(checked_home: CheckedHome) -> None:
    with mounted(checked_home, "-t", "tmpfs", "-o", "size=500m,nr_inodes=200", "tmpfs"):
        for number in range(os.statvfs(checked_home.data).f_favail):
            (checked_home.data / f"crumb-{number}").touch()
        checked_home.hand_over()
        code, components = checked_home.components("--offline")
    assert (code, components["disk_space"]["status"]) in ((1, "fail"), (2, "fail"))
    assert "has no room for more files" in components["disk_space"]["message"]


def test_a_disk_that_has_become_read_only_is_critical(checked_home: CheckedHome) -> None:
    with mounted(checked_home, "-t", "tmpfs", "-o", "size=300m", "tmpfs"):
        subprocess.run(["mount", "-o", "remount,ro", str(checked_home.data)], check=True)
        code, components = checked_home.components("--offline")
        assert (code, components["database_write"]["status"]) == (2, "fail")
        assert "is read-only" in components["database_write"]["message"] and components["log_rotation"]["status"] == "fail"
        assert checked_home.carry_out(components["database_write"]["remedy"].partition(": ")[2]).code == 0
        assert checked_home.components("--offline")[0] == 0
