"""Durations, deadlines, and the alarm that ends a wait."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from freezegun import freeze_time

from runtime.deadline import Deadline, Stopwatch, Tally, time_limit
from tests.mail_server import dripping_server


@pytest.fixture(autouse=True)
def alarm_as_before() -> Iterator[None]:
    """Fail a test that leaves an alarm or a handler behind."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    left, handler = signal.setitimer(signal.ITIMER_REAL, 0), signal.signal(signal.SIGALRM, before)
    assert left == (0, 0) and handler in (before, signal.SIG_IGN)


def test_a_stopwatch_counts_milliseconds() -> None:
    with freeze_time("2026-11-22") as clock:
        watch = Stopwatch()
        assert watch.elapsed_ms() == 0
        clock.tick(1.5)
        assert watch.elapsed_ms() == pytest.approx(1500)


def test_a_deadline_comes_nearer_and_passes_and_so_does_an_earlier_one() -> None:
    with freeze_time("2026-11-22") as clock:
        deadline = Deadline(30)
        clock.tick(10)
        earlier = deadline.earlier(6)
        assert [earlier.remaining(), deadline.remaining()] == pytest.approx([14, 20])
        clock.tick(21)
        assert deadline.remaining() == pytest.approx(-1)


def test_a_tally_counts_requests_and_their_time_however_they_end() -> None:
    with freeze_time("2026-11-22") as clock:
        tally = Tally()
        with tally.fetching():
            clock.tick(0.2)
        clock.tick(5)
        with pytest.raises(OSError), tally.fetching():
            clock.tick(0.3)
            raise OSError
    assert tally.requests == 2 and tally.fetch_ms == pytest.approx(500)


def test_a_server_that_drips_is_interrupted_though_no_single_read_is_late() -> None:
    with dripping_server() as port, socket.create_connection(("127.0.0.1", port), timeout=1) as client:
        with pytest.raises(TimeoutError), time_limit(0.3):
            while client.recv(1):
                pass


def test_a_clean_up_that_swallows_the_alarm_is_interrupted_again() -> None:
    """For example a library that, once interrupted, says goodbye to a server that does not answer."""
    interrupted = 0
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError), time_limit(0.05):
        for _ in range(2):
            try:
                ours.recv(1)
            except TimeoutError:
                interrupted += 1
        ours.recv(1)
    assert interrupted == 2


@pytest.mark.parametrize("seconds", [0, -1, -1e9])
def test_a_limit_of_zero_or_less_ends_the_body_at_once(seconds: float) -> None:
    """For the alarm 0 would mean never, and the socket's own time-out would have a message."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    with ours, theirs, pytest.raises(TimeoutError) as caught, time_limit(seconds):
        ours.recv(1)
    assert caught.value.args == ()


def test_a_body_that_ends_in_time_is_not_interrupted() -> None:
    with time_limit(5):
        done = sum(range(1000))
    assert done == 499_500


def test_an_error_of_the_body_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), time_limit(5):
        raise ZeroDivisionError


def test_an_alarm_after_the_body_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The body is done, the alarm about to be switched off: its result must not be lost."""
    switch = signal.setitimer

    def ring_first(which: int, seconds: float, interval: float = 0.0) -> Any:
        if seconds == 0:
            signal.raise_signal(signal.SIGALRM)
        return switch(which, seconds, interval)

    done = []
    with monkeypatch.context() as patch:
        patch.setattr(signal, "setitimer", ring_first)
        with time_limit(5):
            done.append("fetched")
    assert done == ["fetched"] and signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@contextmanager
def other_handler() -> Iterator[list[int]]:
    """Install another handler of the alarm; yield the signals that it got."""
    signals: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        signals.append(number)

    before = signal.signal(signal.SIGALRM, hear)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_previous_handler_of_the_alarm_is_restored() -> None:
    with other_handler() as signals:
        with time_limit(5):
            pass
        with pytest.raises(TimeoutError), time_limit(5):
            signal.raise_signal(signal.SIGALRM)
        assert signals == []
        signal.raise_signal(signal.SIGALRM)
    assert signals == [signal.SIGALRM]


def test_a_limit_within_a_limit_gives_the_alarm_back() -> None:
    with pytest.raises(TimeoutError), time_limit(5):
        with time_limit(5):
            pass
        signal.raise_signal(signal.SIGALRM)


def test_in_another_thread_there_is_no_limit() -> None:
    """Only the main thread can be interrupted; the alarm is not touched."""
    before, states = signal.getsignal(signal.SIGALRM), []

    def work() -> None:
        with time_limit(0.01):
            states.append((signal.getsignal(signal.SIGALRM) is before, signal.getitimer(signal.ITIMER_REAL)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert states == [(True, (0, 0))]
