"""What is remembered from one run to the next: written whole, and on a full disk into the room there is."""

import os
from pathlib import Path

import pytest

from runtime.files import write_atomically
from storage.state import State
from tests.faults.disks import fill, memory_mounted, require_disks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hue.session.json"


def saved(path: Path, **values: object) -> State:
    """Remember the values in that file, which is made or changed."""
    memory = State(path)
    memory.update(values)
    memory.save()
    return memory


def test_what_is_saved_is_there_for_the_next_run(path: Path) -> None:
    saved(path, bridge="http://192.0.2.7", pause=None)
    assert dict(State(path)) == {"bridge": "http://192.0.2.7", "pause": None}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damaged", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_an_empty_memory(path: Path, damaged: bytes) -> None:
    path.write_bytes(damaged)
    assert dict(State(path)) == {} and dict(saved(path, a=1)) == dict(State(path)) == {"a": 1}


def test_what_has_not_changed_is_not_written(path: Path) -> None:
    saved(path, a=1)
    before = path.stat()
    saved(path, a=1)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_others_may_read_is_closed_to_them(path: Path) -> None:
    saved(path, a=1)
    path.chmod(0o644)
    saved(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_empty_memory_has_a_file_too(path: Path) -> None:
    """On a disk that is full by then it could not be made any more."""
    saved(path)
    assert path.stat().st_size > 0


def test_on_a_full_disk_the_room_of_the_file_is_used_again(path: Path) -> None:
    """For longer values as well as for shorter ones, as far as it goes; beyond, what was saved before is kept."""
    require_disks(path.parent)
    with memory_mounted(path.parent):
        saved(path, said={"NoRoom": "2026-11-22T00:55:00+00:00"})
        fill(path.parent / "ballast")
        with pytest.raises(OSError):
            write_atomically(path, "{}")
        path.chmod(0o644)
        assert dict(saved(path, said=1)) == dict(State(path)) == {"said": 1}
        assert path.stat().st_mode & 0o777 == 0o600
        room = path.stat().st_blocks * 512
        assert dict(saved(path, said=room // 2 * "x")) == dict(State(path))
        with pytest.raises(OSError, match="No space left"):
            saved(path, said=room * "y")
        assert State(path)["said"] == room // 2 * "x"


def test_on_a_full_disk_a_file_that_is_not_there_yet_cannot_be_made(path: Path) -> None:
    require_disks(path.parent)
    with memory_mounted(path.parent):
        fill(path.parent / "ballast")
        with pytest.raises(OSError, match="No space left"):
            saved(path, a=1)
        assert os.listdir(path.parent) == ["ballast"]
