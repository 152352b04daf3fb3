"""A run that hangs is ended: by a thread while threads run, else by what needs none; a run that does not is left alone.

Each runs in a process of its own, for that is what is ended. (tests/faults/test_hangs.py has the real scripts hang.)
"""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime import watchdog
from runtime.watchdog import watching
from tests.storage.samples import start

pytestmark = pytest.mark.usefixtures("children_unmeasured")
SECONDS = 0.15
ENOUGH = 5.0  # seconds in which every run here is over, however busy the machine


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is soon over, or is to be ended soon."""
    monkeypatch.setattr(watchdog, "RESCUE_SECONDS", SECONDS)
    monkeypatch.setattr(watchdog, "BELT_SECONDS", 1.0)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """Where a rescue leaves word."""
    return tmp_path / "note"


def ended(work: Callable[[], None], said: Path | None = None) -> int | None:
    """Return the exit code of a process that does this work; None for one that did not end, which is ended then."""
    def quietly() -> None:
        os.dup2(os.open(said or os.devnull, os.O_WRONLY | os.O_CREAT), watchdog.STDERR)
        work()
    process = start(quietly)
    process.join(ENOUGH)
    process.kill()
    process.join()
    return process.exitcode if process.exitcode != -9 else None


def wait() -> None:
    threading.Event().wait()


def keep_the_interpreters_lock() -> None:
    ctypes.PyDLL(None).sleep(60)


def test_a_run_that_waits_for_ever_is_rescued_and_ended(note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, lambda: note.touch()):
            wait()
    assert ended(work) == 1 and note.exists()


def test_a_rescue_that_fails_does_not_keep_the_run_alive(note: Path) -> None:
    def rescue() -> None:
        note.touch()
        raise OSError("no space left")

    def work() -> None:
        with watching(SECONDS, rescue):
            wait()
    assert ended(work) == 1 and note.exists()


def test_a_rescue_that_hangs_does_not_keep_the_run_alive(in_a_hurry: None, note: Path) -> None:
    """Another thread ends it, and says on stderr where all of them were."""
    def work() -> None:
        with watching(SECONDS, wait):
            wait()
    assert ended(work, note) == 1 and "in _give_up" in note.read_text(encoding="utf-8").splitlines()[1]


def test_a_rescue_that_is_busy_when_its_time_is_over_is_ended_without_a_crash(in_a_hurry: None) -> None:
    """Reading the frames of threads that run crashes half of these (SIGSEGV), so nine of them do not pass by luck."""
    def rescue() -> None:
        while True:
            assert [Path("a") / "b" for _ in range(50)]

    def work() -> None:
        with watching(SECONDS, rescue):
            wait()
    assert [ended(work) for _ in range(9)] == 9 * [1]


def test_a_rescue_that_keeps_the_interpreters_lock_does_not_keep_the_run_alive(in_a_hurry: None, note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, keep_the_interpreters_lock):
            wait()
    assert ended(work, note) == 1 and note.read_text(encoding="utf-8").startswith("Timeout (")


def test_where_no_more_threads_can_be_had_a_run_is_rescued_all_the_same(note: Path) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def work() -> None:
        with watching(SECONDS, lambda: note.touch()):
            vars(threading)["Timer"].start = refuse
            wait()
    assert ended(work) == 1 and note.exists()


def test_a_run_that_lets_no_other_thread_run_is_ended(in_a_hurry: None, note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, lambda: note.touch()):
            keep_the_interpreters_lock()
    assert ended(work) == 1 and not note.exists()


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_where_no_time_is_left_it_ends_almost_at_once(seconds: float) -> None:
    def work() -> None:
        with watching(seconds, lambda: None):
            wait()
    assert ended(work) == 1


def test_a_run_that_is_let_off_takes_its_time(in_a_hurry: None, note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, lambda: note.touch()) as watch:
            watch.stand_down()
            time.sleep(4 * SECONDS)
        os._exit(7)
    assert ended(work) == 7 and not note.exists()


def test_a_run_that_is_over_is_not_ended_later(in_a_hurry: None, note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, lambda: note.touch()):
            pass
        time.sleep(4 * SECONDS)
        os._exit(7)
    assert ended(work) == 7 and not note.exists()


def test_an_error_of_the_run_passes_through_and_ends_the_watch(in_a_hurry: None, note: Path) -> None:
    def work() -> None:
        with pytest.raises(KeyError), watching(SECONDS, lambda: note.touch()):
            raise KeyError
        time.sleep(4 * SECONDS)
        os._exit(7)
    assert ended(work) == 7 and not note.exists()
