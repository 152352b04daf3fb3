"""The retry decorator behind every network request, database write and log rotation.

Nothing decorated may call anything else decorated: two layers of retries multiply.
"""

import time
from collections.abc import Callable
from copy import copy
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    import config
    from runtime.deadline import Deadline

# CO_GENERATOR, CO_COROUTINE and CO_ASYNC_GENERATOR of a code object (module inspect).
DEFERRED = 0x20 | 0x80 | 0x200

P = ParamSpec("P")
T = TypeVar("T")
Errors = type[Exception] | tuple[type[Exception], ...]


class Attempt(NamedTuple):
    """One failed attempt, or the recovery from earlier ones.

    `attempt` counts from 1, `delay_seconds` is the wait that follows, `at_seconds` the monotonic clock, `outcome`
    `retrying`, `exhausted` or `recovered` (after `exception`, the last failure).
    """

    operation: str
    endpoint: str
    attempt: int
    delay_seconds: float
    elapsed_seconds: float
    at_seconds: float
    exception: Exception
    outcome: str

    @property
    def error_type(self) -> str:
        return type(self.exception).__name__

    @property
    def error(self) -> str:
        return str(self.exception)


Listener = Callable[[Attempt], None]


class RetryPolicy:
    """How often to try and how long to wait, in seconds. Called, it returns the decorator (see `retry_with_backoff`)."""

    def __init__(self, max_attempts: int = 3, base_delay: float = 1.0, multiplier: float = 2.0,
                 max_delay: float = 30.0, jitter: float = 0.0, sleep: Callable[[float], None] | None = None) -> None:
        if not (max_attempts >= 1 and base_delay >= 0 and multiplier >= 1 and max_delay >= 0 and 0 <= jitter <= 1):
            raise ValueError(f"no retry policy: max_attempts={max_attempts}, base_delay={base_delay}, "
                             f"multiplier={multiplier}, max_delay={max_delay}, jitter={jitter}")
        self._max_attempts, self._base_delay, self._multiplier = max_attempts, base_delay, multiplier
        self._max_delay, self._jitter, self._sleep = max_delay, jitter, sleep
        self._deadline: Deadline | None = None
        self._listener: Listener | None = None

    def using(self, *, deadline: "Deadline | None" = None, listener: Listener | None = None) -> "RetryPolicy":
        """Return the same policy with a default deadline and listener."""
        policy = copy(self)
        policy._deadline, policy._listener = deadline or self._deadline, listener or self._listener
        return policy

    def __call__(self, *, on: Errors, operation: str = "", endpoint: str = "", deadline: "Deadline | None" = None,
                 listener: Listener | None = None) -> Callable[[Callable[P, T]], Callable[P, T]]:
        deadline, report = deadline or self._deadline, partial(_report, listener or self._listener, operation, endpoint)

        def decorate(function: Callable[P, T]) -> Callable[P, T]:
            _refuse_deferred(function)

            @wraps(function)
            def persistent(*args: P.args, **kwargs: P.kwargs) -> T:
                started, number, failure = time.monotonic(), 1, None
                while True:
                    try:
                        result = function(*args, **kwargs)
                    except on as error:
                        failure, delay = error, self._delay(number, error, deadline)
                        report(number, started, error, "exhausted" if delay is None else "retrying", delay or 0.0)
                        if delay is None:
                            raise
                    else:
                        if failure is not None:
                            report(number, started, failure, "recovered")
                        return result
                    (self._sleep or time.sleep)(delay)
                    number += 1

            return persistent

        return decorate

    def _delay(self, attempt: int, error: Exception, deadline: "Deadline | None") -> float | None:
        """Return the seconds to wait, None after the last attempt."""
        delay = min(self._base_delay * self._multiplier ** (attempt - 1), self._max_delay)
        if self._jitter:
            import random
            delay = min(delay * random.uniform(1 - self._jitter, 1 + self._jitter), self._max_delay)
        delay = max(delay, getattr(error, "retry_after", None) or 0.0)
        is_last = attempt >= self._max_attempts or (deadline is not None and delay >= deadline.remaining())
        return None if is_last else delay


def retry_policy(settings: "config.Retry") -> RetryPolicy:
    return RetryPolicy(settings.max_attempts, settings.base_delay_seconds, settings.multiplier,
                       settings.max_delay_seconds, settings.jitter)


def retry_with_backoff(
    *,
    on: Errors,
    max_attempts: int = 3,
    base_delay: float = 1.0,
    multiplier: float = 2.0,
    max_delay: float = 30.0,
    jitter: float = 0.0,
    deadline: "Deadline | None" = None,
    operation: str = "",
    endpoint: str = "",
    sleep: Callable[[float], None] | None = None,
    listener: Listener | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Call the decorated function again after 1 s, 2 s, 4 s, ... while it raises one of the errors in `on`.

    A wait that would pass the deadline is not started; one is at least as long as an exception's `retry_after` (s).
    `jitter` spreads each wait by that fraction to either side. Raise ValueError for values out of range, TypeError for
    a generator or coroutine function: its errors come long after the call.
    """
    policy = RetryPolicy(max_attempts, base_delay, multiplier, max_delay, jitter, sleep)
    return policy(on=on, operation=operation, endpoint=endpoint, deadline=deadline, listener=listener)


def _refuse_deferred(function: Callable[..., Any]) -> None:
    called = function
    while isinstance(called, partial):
        called = called.func
    if getattr(getattr(called, "__code__", None), "co_flags", 0) & DEFERRED:
        raise TypeError(f"{function!r} is a generator or coroutine function: put the retry on what it calls")


def _report(listener: Listener | None, operation: str, endpoint: str, number: int, started: float,
            exception: Exception, outcome: str, delay: float = 0.0) -> None:
    if listener is not None:
        now = time.monotonic()
        listener(Attempt(operation, endpoint, number, delay, elapsed_seconds=now - started, at_seconds=now,
                         exception=exception, outcome=outcome))
