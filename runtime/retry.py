"""The retry decorator that every network request, database write and log rotation of this project goes through.

It does not log, does not read the clock, and knows no error by name: `on` says exactly what is transient, a listener is
told of each failed attempt, and after the last one the last exception passes through as it is. Retrying happens at this
one layer only: nothing decorated here may call anything else that is.
"""

import time
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    import config

GENERATOR = 0x20  # CO_GENERATOR of a code object's co_flags (module inspect, which costs 3 % of a cycle to import)

P = ParamSpec("P")
T = TypeVar("T")


class Budget(Protocol):
    """Whatever knows how many seconds are left."""

    def remaining(self) -> float:
        """Return the seconds left, negative when over."""


class Attempt(NamedTuple):
    """One failed attempt, or the recovery from those before it, as the listener is told of it.

    `attempt` counts from 1, `delay_seconds` is the wait that follows, `elapsed_seconds` runs from the start of the
    first attempt, `at_seconds` is the monotonic clock. `outcome` is `retrying`, `recovered` (the attempt that
    succeeded; the error is the one before it) or `exhausted`. `retry_after` is the wait that the error asked for, in
    seconds.
    """

    operation: str
    endpoint: str
    attempt: int
    delay_seconds: float
    elapsed_seconds: float
    at_seconds: float
    error_type: str
    error: str
    outcome: str
    retry_after: float | None = None


class Backoff(NamedTuple):
    """The series of waits in seconds: base, base x multiplier, ..., none longer than the longest."""

    base_delay: float
    multiplier: float
    max_delay: float
    jitter: float

    def delay(self, attempt: int, asked: float | None) -> float:
        """Return the wait after the given attempt: the series' own, or what the error asked for if that is longer."""
        delay = min(self.base_delay * self.multiplier ** (attempt - 1), self.max_delay)
        if self.jitter:
            import random
            delay = min(delay * random.uniform(1 - self.jitter, 1 + self.jitter), self.max_delay)
        return max(delay, asked or 0.0)


def retry_policy(settings: "config.Retry") -> "partial[Any]":
    """Return the retry decorator with the configured attempts and waits, the same ones for everything."""
    return partial(retry_with_backoff, max_attempts=settings.max_attempts, base_delay=settings.base_delay_seconds,
                   multiplier=settings.multiplier, max_delay=settings.max_delay_seconds, jitter=settings.jitter)


def retry_with_backoff(
    *,
    on: type[Exception] | tuple[type[Exception], ...],
    max_attempts: int = 3,
    base_delay: float = 1.0,
    multiplier: float = 2.0,
    max_delay: float = 30.0,
    jitter: float = 0.0,
    deadline: Budget | None = None,
    operation: str = "",
    endpoint: str = "",
    sleep: Callable[[float], None] | None = None,
    listener: Callable[[Attempt], None] | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Given what is transient, call the decorated function again after 1 s, 2 s, 4 s, ... while it raises just that.

    Everything else passes through at once, and so does the last exception. A wait that would pass the deadline is not
    begun. An exception may carry `retry_after` (seconds): the wait is then the longer of the two. `jitter` spreads
    each wait by that fraction to either side. Raise TypeError for a generator function: its errors come while it is
    iterated, long after this decorator has returned.
    """
    series = partial(_Series, operation, endpoint, listener, deadline, max_attempts,
                     Backoff(base_delay=base_delay, multiplier=multiplier, max_delay=max_delay, jitter=jitter))

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & GENERATOR:
            raise TypeError(f"{function!r} is a generator function: put the retry on what it calls")

        @wraps(function)
        def persistent(*args: P.args, **kwargs: P.kwargs) -> T:
            return series().run(lambda: function(*args, **kwargs), on, sleep)

        return persistent

    return decorate


class _Series:
    """The attempts of one call."""

    def __init__(self, operation: str, endpoint: str, listener: Callable[[Attempt], None] | None,
                 deadline: Budget | None, max_attempts: int, backoff: Backoff) -> None:
        self._operation, self._endpoint, self._listener = operation, endpoint, listener
        self._deadline, self._max_attempts, self._backoff = deadline, max_attempts, backoff
        self._started = time.monotonic()
        self._attempt = 1
        self._error: Exception | None = None

    def run(self, call: Callable[[], T], on: type[Exception] | tuple[type[Exception], ...],
            sleep: Callable[[float], None] | None) -> T:
        while True:
            try:
                result = call()
            except on as error:
                delay = self._failed(error)
                if delay is None:
                    raise
                (sleep or time.sleep)(delay)
            else:
                if self._error is not None:
                    self._tell(self._error, 0.0, "recovered", None)
                return result

    def _failed(self, error: Exception) -> float | None:
        """Note a failed attempt; return the seconds to wait before the next one, None if there is to be none."""
        asked = getattr(error, "retry_after", None)
        delay = self._backoff.delay(self._attempt, asked)
        spent = self._attempt >= self._max_attempts or (
            self._deadline is not None and delay >= self._deadline.remaining())
        self._tell(error, 0.0 if spent else delay, "exhausted" if spent else "retrying", asked)
        self._attempt, self._error = self._attempt + 1, error
        return None if spent else delay

    def _tell(self, error: Exception, delay: float, outcome: str, asked: float | None) -> None:
        if self._listener is None:
            return
        now = time.monotonic()
        self._listener(Attempt(
            operation=self._operation, endpoint=self._endpoint, attempt=self._attempt, delay_seconds=delay,
            elapsed_seconds=now - self._started, at_seconds=now, error_type=type(error).__name__, error=str(error),
            outcome=outcome, retry_after=asked))
