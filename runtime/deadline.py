"""Durations, deadlines and bytes: what a cycle costs. The only module that knows how long anything took.

All durations come from the monotonic clock, so that a step of the wall clock never makes one negative. Nothing here
knows what day it is.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CREDIBLE_AGE = 3600.0  # seconds: in containers, the two clocks may have begun at different times
AT_ONCE = 1e-6  # seconds: 0 would be no limit to the alarm


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the start."""
        return (time.monotonic() - self.started) * 1000


class Deadline:
    """A moment that waits and time-outs must not pass."""

    def __init__(self, seconds: float, *, _end: float | None = None) -> None:
        self._end = time.monotonic() + seconds if _end is None else _end

    @classmethod
    def since_start(cls, seconds: float) -> "Deadline":
        """Return the deadline that many seconds after this process began."""
        return cls(seconds - _age())

    @classmethod
    def at(cls, moment: float) -> "Deadline":
        """Return the deadline that another process has at that moment."""
        return cls(0, _end=moment)

    @property
    def moment(self) -> float:
        """Where it is on the machine's monotonic clock, which all of its processes share."""
        return self._end

    def remaining(self) -> float:
        """Return the seconds left, negative when over."""
        return self._end - time.monotonic()

    def earlier(self, seconds: float) -> "Deadline":
        """Return the deadline that many seconds before this one."""
        return Deadline.at(self._end - seconds)


def _age() -> float:
    """Return the seconds since this process began; where Linux does not tell, those that it has worked (man 5 proc)."""
    try:
        with open("/proc/self/stat", "rb") as file:
            began = int(file.read().rpartition(b")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, AttributeError, ValueError, IndexError):
        return time.process_time()
    return age if 0 <= age < CREDIBLE_AGE else time.process_time()


class Tally:
    """What one cycle fetched: requests made, body bytes as they came over the wire, milliseconds spent on them."""

    requests = 0
    payload_bytes = 0
    fetch_ms = 0.0
    endpoint = "optimized"

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Count one request and the time it takes, however it ends."""
        watch = Stopwatch()
        self.requests += 1
        try:
            yield
        finally:
            self.fetch_ms += watch.elapsed_ms()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the body after that many seconds, whatever it waits for; at once if there are none.

    The time-outs of requests and smtplib are one per read: a server that drips a byte a second is never late. The
    alarm rings on, ten times a second, lest a clean-up somewhere swallow it; once the body is through it is not heard
    any more. Only the main thread can be interrupted so; elsewhere the time-out per read has to do. Within another
    limit it ends that one too.
    """
    import threading  # for those alone that limit something
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    running = True

    def ring(_signal: int, _frame: FrameType | None) -> None:
        if running:
            raise TimeoutError

    previous = signal.signal(signal.SIGALRM, ring)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, AT_ONCE), 0.1)
            yield
        finally:
            running = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
