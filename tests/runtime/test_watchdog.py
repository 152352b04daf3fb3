"""A run that hangs is ended: by a thread while threads run, else by what needs none; other runs are left alone.

Each runs in a process of its own, which is what gets ended. (tests/faults/test_hangs.py has the real scripts hang.)
"""

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime import deadline
from runtime.deadline import Watchdog
from tests.storage.samples import start

pytestmark = pytest.mark.usefixtures("children_unmeasured")
SECONDS = 0.15
ENOUGH = 5.0  # seconds in which every run here is over, however busy the machine


@pytest.fixture
def short_rescue(monkeypatch: pytest.MonkeyPatch) -> None:
    """For runs that end soon, or are to be ended soon."""
    monkeypatch.setattr(deadline, "RESCUE_SECONDS", SECONDS)
    monkeypatch.setattr(deadline, "BELT_SECONDS", 1.0)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """The file that a rescue makes."""
    return tmp_path / "note"


@contextmanager
def watching(seconds: float, rescue: Callable[[], None],
             last_words: Callable[[], None] = lambda: None) -> Iterator[Watchdog]:
    watchdog = Watchdog(seconds, rescue, last_words)
    try:
        yield watchdog
    finally:
        watchdog.stand_down()


def exit_code(work: Callable[[], None]) -> int | None:
    """Return the exit code of a process that does this work; None if it did not end and was killed."""
    process = start(work)
    process.join(ENOUGH)
    process.kill()
    process.join()
    return process.exitcode if process.exitcode != -9 else None


def wait() -> None:
    threading.Event().wait()


def keep_the_interpreters_lock() -> None:
    ctypes.PyDLL(None).sleep(60)


def refuse_threads() -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")
    vars(threading)["Thread"].start = refuse


def test_a_run_that_waits_for_ever_is_rescued_and_ended(note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, note.touch):
            wait()
    assert exit_code(work) == 1 and note.exists()


def test_a_rescue_that_fails_does_not_keep_the_run_alive(note: Path) -> None:
    def rescue() -> None:
        note.touch()
        raise OSError("no space left")

    def work() -> None:
        with watching(SECONDS, rescue):
            wait()
    assert exit_code(work) == 1 and note.exists()


def test_a_rescue_that_hangs_is_ended_after_the_last_words(short_rescue: None, note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, wait, note.touch):
            wait()
    assert exit_code(work) == 1 and note.exists()


def test_a_rescue_that_is_busy_when_its_time_is_over_is_ended_without_a_crash(short_rescue: None) -> None:
    """Reading the frames of threads that run crashes half of these (SIGSEGV), so nine of them do not pass by luck."""
    def rescue() -> None:
        while True:
            assert [Path("a") / "b" for _ in range(50)]

    def work() -> None:
        with watching(SECONDS, rescue):
            wait()
    assert [exit_code(work) for _ in range(9)] == 9 * [1]


def test_a_rescue_that_keeps_the_interpreters_lock_does_not_keep_the_run_alive(short_rescue: None) -> None:
    def work() -> None:
        with watching(SECONDS, keep_the_interpreters_lock):
            wait()
    assert exit_code(work) == 1


def test_a_run_that_can_have_no_more_threads_at_its_deadline_is_rescued(note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, note.touch):
            refuse_threads()
            wait()
    assert exit_code(work) == 1 and note.exists()


def test_a_run_that_can_have_no_threads_at_all_goes_on_and_is_ended_if_it_hangs(short_rescue: None, note: Path) -> None:
    def work() -> None:
        refuse_threads()
        with watching(SECONDS, wait):
            note.touch()
        with watching(SECONDS, wait):
            wait()
    assert exit_code(work) == 1 and note.exists()


def test_a_run_that_lets_no_other_thread_run_is_ended(short_rescue: None, note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, note.touch):
            keep_the_interpreters_lock()
    assert exit_code(work) == 1 and not note.exists()


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_where_no_time_is_left_it_ends_almost_at_once(seconds: float) -> None:
    def work() -> None:
        with watching(seconds, lambda: None):
            wait()
    assert exit_code(work) == 1


def test_a_run_whose_watchdog_stands_down_takes_its_time(short_rescue: None, note: Path) -> None:
    def work() -> None:
        with watching(SECONDS, note.touch) as watchdog:
            watchdog.stand_down()
            time.sleep(10 * SECONDS)
        os._exit(7)
    assert exit_code(work) == 7 and not note.exists()


@pytest.mark.parametrize("first", [60.0, 0.5])
def test_its_deadline_can_be_moved(first: float, short_rescue: None, note: Path) -> None:
    def work() -> None:
        with watching(first, note.touch) as watchdog:
            watchdog.move(SECONDS if first == 60 else 60)
            time.sleep(1.5)
        os._exit(7)
    assert exit_code(work) == (1 if first == 60 else 7) and note.exists() == (first == 60)


def test_an_error_of_the_run_passes_through_and_ends_the_watch(short_rescue: None, note: Path) -> None:
    def work() -> None:
        with pytest.raises(KeyError), watching(SECONDS, note.touch):
            raise KeyError
        time.sleep(10 * SECONDS)
        os._exit(7)
    assert exit_code(work) == 7 and not note.exists()
