"""Durations, deadlines and bytes: what a cycle costs. The only module that knows how long anything took.

All durations come from the monotonic clock, so that a step of the wall clock never makes one negative. Nothing here
knows what day it is.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


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

    def remaining(self) -> float:
        """Return the seconds left, negative when over."""
        return self._end - time.monotonic()

    def earlier(self, seconds: float) -> "Deadline":
        """Return the deadline that many seconds before this one."""
        return Deadline(0, _end=self._end - seconds)


@dataclass
class Tally:
    """What one cycle fetched: requests made, body bytes as they came over the wire, milliseconds spent on them."""

    requests: int = 0
    payload_bytes: int = 0
    fetch_ms: float = 0.0
    endpoint: str = "optimized"

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Count one request and the time it takes, however it ends."""
        watch = Stopwatch()
        self.requests += 1
        try:
            yield
        finally:
            self.fetch_ms += watch.elapsed_ms()
