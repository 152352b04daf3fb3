"""Durations on the monotonic clock, deadlines, and what ends a run that hangs."""

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from types import FrameType

CREDIBLE_AGE = 3600.0  # seconds: in containers, the two clocks may have different origins
SHORTEST_TIMER = 1e-6  # seconds: 0 would switch the alarm off
RESCUE_SECONDS = 1.0  # to write and sync some files
BELT_SECONDS = 3.0  # more, for C code that keeps the interpreter's lock


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.started) * 1000


class Deadline:
    """A moment that waits and time-outs must not pass."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @classmethod
    def since_start(cls, seconds: float) -> "Deadline":
        """Count from the start of this process."""
        return cls(seconds - _process_age())

    def remaining(self) -> float:
        """Return the seconds left, negative when over."""
        return self._end - time.monotonic()

    def earlier(self, seconds: float) -> "Deadline":
        return Deadline(self.remaining() - seconds)


def _process_age() -> float:
    """Return seconds (man 5 proc); on macOS, the processor time used."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return time.process_time()
    try:
        with open("/proc/self/stat", "rb") as file:
            started = int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, IndexError):
        return time.process_time()
    return age if 0 <= age < CREDIBLE_AGE else time.process_time()


class Tally:
    """What one cycle fetched; bytes as on the wire."""

    requests = 0
    payload_bytes = 0
    fetch_ms = 0.0
    endpoint = "optimized"
    date: datetime | None = None
    dated_at = 0.0

    def record_date(self, date: datetime | None) -> None:
        """Keep the source's clock, and when that was by the monotonic clock."""
        if date is not None:
            self.date, self.dated_at = date, time.monotonic()

    @contextmanager
    def fetching(self) -> Iterator[None]:
        started = time.monotonic()
        self.requests += 1
        try:
            yield
        finally:
            self.fetch_ms += (time.monotonic() - started) * 1000


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the body after that many seconds, whatever it waits for.

    requests and smtplib have a time-out per read, which a byte a second never exceeds. The alarm repeats, in case a
    clean-up swallows it. Only the main thread can be interrupted. An inner limit ends the outer one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    running = True

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if running:
            raise TimeoutError

    previous = signal.signal(signal.SIGALRM, ring)
    # By default an alarm ends the process, and on a slow machine one may still be under way when this ends.
    previous = previous if callable(previous) else signal.SIG_IGN
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, SHORTEST_TIMER), 0.1)
            yield
        finally:
            running = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


class Watchdog:
    """Ends a run that hangs where no alarm reaches it: in a name look-up, on a dead disk, in C code.

    (The C library's name look-up takes 10 s with one silent name server.) At the deadline a thread calls `rescue` and exits
    with `code`. If that needs what hangs, a second one calls `last_words`, which must wait for nothing. `faulthandler`, for
    C code that keeps the interpreter's lock, may crash and comes last. All start at once: later there may be no threads.
    """

    def __init__(self, seconds: float, rescue: Callable[[], None], last_words: Callable[[], None]) -> None:
        self.code = 1
        self._changed = threading.Condition()
        self._deadline: Deadline | None = None
        self._nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self._set(seconds)
        with suppress(RuntimeError):  # no threads may be started: the run goes on, and the belt ends it
            for late, act in (0.0, rescue), (RESCUE_SECONDS, last_words):
                threading.Thread(target=self._end, args=(late, act), daemon=True).start()

    def move(self, seconds: float) -> None:
        """Set the deadline, from now, unless the watchdog stands down."""
        with self._changed:
            if self._deadline is not None:
                self._set(seconds)
            self._changed.notify_all()

    def stand_down(self) -> None:
        with self._changed:
            if self._deadline is not None:
                faulthandler.cancel_dump_traceback_later()
                os.close(self._nowhere)
            self._deadline = None
            self._changed.notify_all()

    def _set(self, seconds: float) -> None:
        self._deadline = Deadline(max(seconds, 0.1))
        with suppress(RuntimeError):
            faulthandler.dump_traceback_later(
                max(seconds, 0.1) + RESCUE_SECONDS + BELT_SECONDS, exit=True, file=self._nowhere)

    def _end(self, late: float, act: Callable[[], None]) -> None:
        with self._changed:
            while self._deadline is not None and (left := self._deadline.remaining() + late) > 0:
                self._changed.wait(left)
            if self._deadline is None:
                return
        try:
            act()
        finally:
            os._exit(self.code)
