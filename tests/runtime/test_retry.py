"""The retry decorator: what it tries again, how long it waits, when it stops, and what its listener gets."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from runtime.deadline import Deadline
from runtime.retry import Attempt, RetryPolicy, retry_with_backoff


class Transient(Exception):
    """An error that a second attempt may not meet."""

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Frozen(Deadline):
    """A deadline that always leaves the same time."""

    def remaining(self) -> float:
        return self._seconds

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds


def failing(times: int, error: Exception | None = None) -> Callable[[], str]:
    """Return a function that raises so many times and then returns."""
    left = [times]

    def function() -> str:
        if left[0]:
            left[0] -= 1
            raise error or Transient("not now")
        return "done"

    return function


def waits(function: Callable[[], str], **options: Any) -> list[float]:
    """Return the waits that a decorated function made, whether it returned or raised."""
    slept: list[float] = []
    try:
        retry_with_backoff(on=Transient, sleep=slept.append, **options)(function)()
    except Transient:
        pass
    return slept


def reports(function: Callable[[], str], **options: Any) -> list[Attempt]:
    """Return what the listener got."""
    attempts: list[Attempt] = []
    waits(function, listener=attempts.append, operation="fetch", endpoint="/sensors", **options)
    return attempts


@pytest.mark.parametrize(("failures", "options", "expected"), [
    (0, {}, []),
    (9, {}, [1, 2]),
    (9, {"max_attempts": 8, "max_delay": 10}, [1, 2, 4, 8, 10, 10, 10]),
    (9, {"max_attempts": 8}, [1, 2, 4, 8, 16, 30, 30]),
    (9, {"max_attempts": 4, "base_delay": 0.5, "multiplier": 3}, [0.5, 1.5, 4.5]),
])
def test_the_waits_double_up_to_the_longest(failures: int, options: dict[str, Any], expected: list[float]) -> None:
    """FR-007: the series is 1 s, 2 s, 4 s; three attempts use its first two."""
    assert waits(failing(failures), **options) == expected


def test_jitter_spreads_each_wait_by_its_fraction_and_no_further() -> None:
    first = [waits(failing(9), jitter=0.5)[0] for _ in range(200)]
    assert 0.5 <= min(first) < 0.8 and 1.2 < max(first) <= 1.5


def test_a_recovered_call_returns_its_value() -> None:
    assert retry_with_backoff(on=Transient, sleep=lambda _: None)(failing(2))() == "done"


def test_the_last_exception_passes_through_unwrapped() -> None:
    """FR-010: callers catch what was raised."""
    error = Transient("still not")
    with pytest.raises(Transient) as caught:
        retry_with_backoff(on=Transient, sleep=lambda _: None)(failing(9, error))()
    assert caught.value is error


def test_other_errors_pass_through_at_once() -> None:
    """FR-008: they are permanent."""
    slept: list[float] = []
    with pytest.raises(KeyError):
        retry_with_backoff(on=Transient, sleep=slept.append)(failing(1, KeyError("no")))()
    assert slept == []


def test_what_is_transient_must_be_given() -> None:
    with pytest.raises(TypeError, match="on"):
        retry_with_backoff()  # type: ignore[call-arg]  # the mistake under test


def test_all_options_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        retry_with_backoff(Transient)  # type: ignore[call-arg]  # the mistake under test


def generator() -> Iterator[int]:
    yield 1


async def coroutine() -> None:
    await asyncio.sleep(0)


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [generator, coroutine, async_generator, partial(generator)])
def test_a_function_that_fails_only_after_its_call_is_refused(function: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="generator or coroutine"):
        retry_with_backoff(on=Transient)(function)


@pytest.mark.parametrize("option", [
    {"max_attempts": 0}, {"base_delay": -0.1}, {"max_delay": -1.0}, {"multiplier": 0.9}, {"jitter": -0.1},
    {"jitter": 1.1}, {"base_delay": float("nan")}])
def test_a_value_out_of_range_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        retry_with_backoff(on=Transient, **option)


@pytest.mark.parametrize("option", [
    {"max_attempts": 1}, {"base_delay": 0}, {"max_delay": 0}, {"multiplier": 1}, {"jitter": 0}, {"jitter": 1}])
def test_a_value_at_the_limit_of_its_range_is_taken(option: dict[str, Any]) -> None:
    assert retry_with_backoff(on=Transient, **option)(failing(0))() == "done"


@pytest.mark.parametrize(("seconds", "expected"), [(1.5, [1.0]), (-1, [])])
def test_a_wait_that_would_pass_the_deadline_is_not_started(seconds: float, expected: list[float]) -> None:
    assert waits(failing(9), deadline=Frozen(seconds)) == expected


@pytest.mark.parametrize(("retry_after", "expected"), [(7, [7, 7]), (0.1, [1.0, 2.0])])
def test_the_longer_of_our_wait_and_the_sources_is_taken(retry_after: float, expected: list[float]) -> None:
    assert waits(failing(9, Transient(retry_after=retry_after))) == expected


def test_a_wait_asked_for_beyond_the_deadline_ends_the_attempts() -> None:
    assert waits(failing(9, Transient(retry_after=60)), deadline=Frozen(24)) == []


def test_the_listener_gets_each_failed_attempt_and_the_recovery() -> None:
    """FR-004: one data object with operation, endpoint, attempt, delay, error and outcome."""
    attempts = reports(failing(2))
    assert [(attempt.attempt, attempt.delay_seconds, attempt.outcome) for attempt in attempts] == [
        (1, 1.0, "retrying"), (2, 2.0, "retrying"), (3, 0.0, "recovered")]
    assert {(attempt.operation, attempt.endpoint, attempt.error_type, attempt.error) for attempt in attempts} == {
        ("fetch", "/sensors", "Transient", "not now")}


def test_the_listener_gets_the_exhaustion_with_its_exception_and_the_time_it_took() -> None:
    error = Transient(retry_after=60)
    last = reports(failing(9, error), max_attempts=2)[-1]
    assert (last.attempt, last.outcome, last.delay_seconds, last.exception) == (2, "exhausted", 0.0, error)
    assert 0 <= last.elapsed_seconds < 10


def test_a_policy_has_a_default_deadline_and_listener() -> None:
    """FR-006: collectors, database and log share one."""
    attempts: list[Attempt] = []
    policy = RetryPolicy(sleep=lambda _: None).using(listener=attempts.append).using(deadline=Frozen(1.5))
    with pytest.raises(Transient):
        policy(on=Transient)(failing(9))()
    assert [attempt.outcome for attempt in attempts] == ["retrying", "exhausted"]


def test_the_listener_gets_nothing_for_a_first_success() -> None:
    assert reports(failing(0)) == []


def test_sleep_is_looked_up_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    function = retry_with_backoff(on=Transient)(failing(1))
    monkeypatch.setattr("time.sleep", slept.append)
    assert function() == "done" and slept == [1.0]


def test_threads_sharing_a_decorated_function_count_their_own_attempts() -> None:
    barrier = threading.Barrier(8)
    outcomes: list[int] = []

    @retry_with_backoff(on=Transient, sleep=lambda _: None)
    def count(calls: list[int]) -> None:
        calls.append(1)
        barrier.wait(5)
        raise Transient

    def work() -> None:
        calls: list[int] = []
        with pytest.raises(Transient):
            count(calls)
        outcomes.append(len(calls))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [3] * 8
