"""Small disks to damage: created, mounted on a folder, filled, copied. They are gone after the block."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from tests.faults.household import require

# Only what is synced is written. By default ext4 writes everything every five seconds, and a file that is renamed over
# another at once: a missing sync would not always be noticed.
LAZY = "loop,commit=300,noauto_da_alloc"


def require_disks(folder: Path) -> None:
    """Skip the test, with a message, if no disk can be created or mounted."""
    require("mkfs.ext4", "mount", "umount")
    mount_point = folder / "probe"
    mount_point.mkdir()
    try:
        with mounted(ext4(folder / "probe.img"), mount_point):
            pass
    except subprocess.CalledProcessError as error:
        pytest.skip(f"NOT PROVEN: no disk can be mounted here: {error.stderr.strip()}")
    (folder / "probe.img").unlink()


def ext4(image: Path, megabytes: int = 16) -> Path:
    """Create an empty disk with a journal in that file, without blocks reserved for root."""
    with open(image, "wb") as file:
        file.truncate(megabytes * 1_000_000)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", image], check=True, capture_output=True,
                   text=True)
    return image


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[None]:
    with _mounted("-t", "ext4", "-o", LAZY, str(image), str(folder)):
        yield


@contextmanager
def memory_mounted(folder: Path, megabytes: int = 16) -> Iterator[None]:
    with _mounted("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)):
        yield


@contextmanager
def _mounted(*arguments: str) -> Iterator[None]:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
    try:
        yield
    finally:
        if subprocess.run(["umount", arguments[-1]], capture_output=True).returncode:
            subprocess.run(["umount", "--lazy", arguments[-1]], check=True)  # a failed test still uses it


def photograph(image: Path, photo: Path) -> Path:
    """Copy what has been written to the disk so far, without what only the kernel's memory holds."""
    subprocess.run(["cp", "--sparse=always", image, photo], check=True)
    return photo


def fill(ballast: Path) -> None:
    """Write the file until its disk is full to the last byte."""
    with open(ballast, "wb", buffering=0) as file:
        is_growing = True
        while is_growing:  # ext4 finds more room after a sync, and may report a block that it never gives
            is_growing = any([_write_on(file, size) for size in (1_000_000, 4096, 1)])  # noqa: C419  # each of them writes
            os.fsync(file.fileno())


def _write_on(file: FileIO, size: int) -> bool:
    """Write as many pieces of that size as there is room for; return whether anything was written."""
    before = file.tell()
    try:
        while file.write(bytes(size)) == size:
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    return file.tell() > before
