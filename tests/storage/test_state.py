"""State from one run to the next: written atomically, or on a full disk in place."""

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
    state = State(path)
    state.update(values)
    state.save()
    return state


def test_the_next_run_has_what_was_saved(path: Path) -> None:
    saved(path, bridge="http://192.0.2.7", pause=None)
    assert dict(State(path)) == {"bridge": "http://192.0.2.7", "pause": None}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damaged", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_damaged_file_counts_as_empty(path: Path, damaged: bytes) -> None:
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


def test_empty_state_has_a_file_too(path: Path) -> None:
    saved(path)
    assert path.stat().st_size > 0


def test_on_a_full_disk_the_blocks_of_the_file_are_used_again(path: Path) -> None:
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


def test_on_a_full_disk_no_file_can_be_created(path: Path) -> None:
    require_disks(path.parent)
    with memory_mounted(path.parent):
        fill(path.parent / "ballast")
        with pytest.raises(OSError, match="No space left"):
            saved(path, a=1)
        assert os.listdir(path.parent) == ["ballast"]
