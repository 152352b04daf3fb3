"""Atomic writes, locks and permissions of the small files."""

import errno
import fcntl
import os
import shlex
import signal
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from runtime.errors import Busy, Unavailable, Unusable
from runtime.files import (
    POLL_SECONDS,
    chown_file_command,
    locked,
    permitted,
    sync,
    translate,
    write_at,
    write_atomically,
)
from tests.storage.samples import FORK, in_a_process, start


def test_a_file_is_replaced_as_a_whole_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "alert.txt"
    write_atomically(target, "first")
    write_atomically(target, "zweite Zeile: ä€😀\n")
    assert target.read_text(encoding="utf-8") == "zweite Zeile: ä€😀\n"
    assert os.listdir(tmp_path) == ["alert.txt"]


def widest_mode_while_writing(folder: Path, mode: int) -> int:
    """Look at every file's mode after every single line that runs."""
    seen: set[int] = set()

    def look(frame: FrameType, event: str, argument: object) -> Any:
        for entry in folder.iterdir():
            seen.add(stat.S_IMODE(entry.stat().st_mode))
        return look
    os.umask(0)
    sys.settrace(look)
    write_atomically(folder / "secrets.yaml", "key: abc", mode)
    sys.settrace(None)
    look(sys._getframe(), "", None)
    return max(seen)


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_is_never_wider_than_asked_even_without_a_umask(tmp_path: Path, mode: int) -> None:
    (tmp_path / "secrets.yaml").touch(mode=0o400)
    assert in_a_process(lambda: widest_mode_while_writing(tmp_path, mode)) == mode


def test_a_wider_file_in_its_place_becomes_narrow(tmp_path: Path) -> None:
    target = tmp_path / "secrets.yaml"
    target.touch()
    target.chmod(0o644)
    write_atomically(target, "key: abc")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "session.json"
    target.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(target, "\ud800")
    occupied = tmp_path / "folder"
    occupied.mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(occupied, "text")
    assert target.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["folder", "session.json"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "elsewhere.yaml", tmp_path / "secrets.yaml"
    link.symlink_to(real)
    write_atomically(link, "key: abc")
    assert link.is_symlink() and real.read_text() == "key: abc"


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    target, texts = tmp_path / "alert.txt", ["a" * 300_000, "b" * 100_000]
    write_atomically(target, texts[0])

    def write() -> None:
        for n in range(60):
            write_atomically(target, texts[n % 2])
    writer = start(write)
    seen = set()
    while writer.is_alive():
        seen.add(target.read_text())
    assert writer.exitcode == 0 and seen <= set(texts)


def test_the_text_and_the_folder_are_on_the_disk_before_it_returns(tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, list[str]]] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(
        (stat.S_ISDIR(os.fstat(descriptor).st_mode), os.listdir(tmp_path))))
    write_atomically(tmp_path / "alert.txt", "text")
    (first_is_folder, during), (second_is_folder, after) = synced
    assert (first_is_folder, second_is_folder) == (False, True)
    assert "alert.txt" not in during and after == ["alert.txt"]


def test_a_held_lock_is_waited_for_as_long_as_asked(tmp_path: Path) -> None:
    waits: list[float] = []
    with locked(tmp_path / "x.lock", 0), pytest.raises(Busy, match="x.lock; waited 0.5 s"):
        with locked(tmp_path / "x.lock", 0.5, waits.append):
            pytest.fail("two held the lock")
    assert sum(waits) == pytest.approx(0.5, abs=POLL_SECONDS)


def test_a_lock_is_tried_once_without_a_wait(tmp_path: Path) -> None:
    with locked(tmp_path / "hue.lock", 0), pytest.raises(Busy):
        with locked(tmp_path / "hue.lock", 0, lambda seconds: pytest.fail("waited")):
            pass


def test_a_lock_freed_while_waiting_is_taken(tmp_path: Path) -> None:
    with ExitStack() as first:
        first.enter_context(locked(tmp_path / "x.lock", 0))
        with locked(tmp_path / "x.lock", 1, lambda seconds: first.close()):
            pass


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    holding = FORK.Event()

    def hold() -> None:
        with locked(tmp_path / "hue.lock", 0):
            holding.set()
            signal.pause()
    holder = start(hold)
    assert holding.wait(10)
    with pytest.raises(Busy, match=f"it is process {holder.pid}, since 20"), locked(tmp_path / "hue.lock", 0):
        pass
    holder.kill()
    holder.join()
    with locked(tmp_path / "hue.lock", 0):
        pass


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    with locked(tmp_path / "hue.lock", 0):
        child = start(signal.pause)
    with locked(tmp_path / "hue.lock", 0):
        pass
    child.kill()
    child.join()


def test_a_locks_handle_is_not_inherited_and_may_write(tmp_path: Path) -> None:
    """NFS refuses a lock without write access (https://man7.org/linux/man-pages/man2/flock.2.html)."""
    with locked(tmp_path / "new" / "x.lock", 0):
        fd, = (int(name) for name in os.listdir("/proc/self/fd")
               if os.path.realpath(f"/proc/self/fd/{name}").endswith("x.lock"))
        assert not os.get_inheritable(fd) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def mode_of_lock(path: Path) -> int:
    os.umask(0)
    with locked(path, 0):
        return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("former", [None, 0o644])
def test_a_lock_file_is_private_to_the_account(former: int | None, tmp_path: Path) -> None:
    """Who may read the file may hold the lock, and stop all collection."""
    path = tmp_path / "x.lock"
    if former is not None:
        path.touch()
        path.chmod(former)
    assert in_a_process(lambda: mode_of_lock(path)) == 0o600


def test_a_read_only_lock_file_keeps_others_out(shared_folder: Path) -> None:
    path = shared_folder / "x.lock"
    path.touch(0o444)

    def lock() -> str:
        with locked(path, 0), pytest.raises(Busy), locked(path, 0):
            pass
        return "locked"
    assert in_a_process(lock, user=65534) == "locked"


def test_a_lock_in_a_closed_folder_needs_a_human_with_a_command(shared_folder: Path) -> None:
    shared_folder.chmod(0o555)

    def lock() -> None:
        with locked(shared_folder / "x.lock", 0):
            pass
    kind, text, remedy = in_a_process(lock, user=65534)
    assert (kind, remedy.split()[0]) == ("Unusable", "sudo")
    assert "x.lock" in text and f"chmod u+rwx {shared_folder}" in remedy


def test_an_errno_becomes_unavailable_or_unusable(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    full = translate(OSError(errno.ENOSPC, "No space left on device"), path)
    readonly = translate(OSError(errno.EROFS, "Read-only file system"), path)
    assert type(full) is Unavailable and f"du -ax {tmp_path}" in full.remedy and "No space left" in str(full)
    assert type(readonly) is Unusable and str(path) in readonly.remedy


def test_a_file_system_that_cannot_sync_folders_is_accepted(tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EINVAL if stat.S_ISDIR(os.fstat(descriptor).st_mode) else errno.EIO, "refused")
    monkeypatch.setattr(os, "fdatasync", refuse)
    sync(tmp_path)
    (tmp_path / "text").touch()
    with pytest.raises(OSError):
        sync(tmp_path / "text")


def test_a_file_system_without_locks_needs_a_human(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(Unusable, match="No locks available") as caught, locked(tmp_path / "x.lock", 1):
        pass
    assert caught.value.remedy.startswith("move this program to a disk of this machine")


def test_the_remedys_command_is_quoted(tmp_path: Path) -> None:
    path = tmp_path / "it's mine" / "readings.db"
    path.parent.mkdir()
    path.touch()
    words = shlex.split(chown_file_command(path))
    assert f"{path}*" in words and words[:3] == ["sudo", "chown", str(os.geteuid())]
    assert permitted(path) and permitted(path.with_name("new.db")) and not permitted(path.parent)
    path.with_name("readings.db-wal").mkdir()
    assert not permitted(path)


def test_a_failing_unlock_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the file frees the lock too."""
    flock = fcntl.flock

    def fail(descriptor: int, operation: int) -> None:
        if operation == fcntl.LOCK_UN:
            raise OSError(errno.EIO, "Input/output error")
        flock(descriptor, operation)
    monkeypatch.setattr(fcntl, "flock", fail)
    for _ in range(2):
        with locked(tmp_path / "readings.db.lock", 0):
            pass


def test_a_write_that_the_disk_takes_in_pieces_is_completed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, pwrite = tmp_path / "journal", os.pwrite
    path.write_bytes(10 * b".")
    monkeypatch.setattr(os, "pwrite", lambda file, content, start: pwrite(file, content[:2], start))
    with path.open("r+b") as file:
        write_at(file.fileno(), 3, b"abcde")
    assert path.read_bytes() == b"...abcde.."
