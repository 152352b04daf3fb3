"""The retry decorator: what it tries again, how long it waits, when it stops, and what it tells of it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from runtime.retry import Attempt, retry_with_backoff


class Transient(Exception):
    """An error that a second try may mend."""

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Budget:
    """A deadline that stands still."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def remaining(self) -> float:
        return self.seconds


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
    """Return the waits that a decorated function made, whatever became of it."""
    slept: list[float] = []
    try:
        retry_with_backoff(on=Transient, sleep=slept.append, **options)(function)()
    except Transient:
        pass
    return slept


def test_a_success_is_returned_without_a_wait() -> None:
    assert waits(failing(0)) == []


def test_three_attempts_wait_twice_one_second_and_two() -> None:
    """FR-004: the series is 1 s, 2 s, 4 s; three attempts use its first two."""
    assert waits(failing(9)) == [1.0, 2.0]


def test_the_series_goes_on_doubling_up_to_the_longest_wait() -> None:
    assert waits(failing(9), max_attempts=8, max_delay=10) == [1, 2, 4, 8, 10, 10, 10]


def test_base_and_multiplier_shape_the_series() -> None:
    assert waits(failing(9), max_attempts=4, base_delay=0.5, multiplier=3) == [0.5, 1.5, 4.5]


def test_jitter_spreads_each_wait_by_its_fraction_and_no_further() -> None:
    first = [waits(failing(9), jitter=0.5)[0] for _ in range(200)]
    assert 0.5 <= min(first) < 0.8 and 1.2 < max(first) <= 1.5


def test_a_recovered_call_returns_its_value() -> None:
    assert retry_with_backoff(on=Transient, sleep=lambda _: None)(failing(2))() == "done"


def test_the_last_exception_passes_through_as_it_is() -> None:
    """FR-006: neither wrapped nor replaced, so that callers catch what was raised."""
    error = Transient("still not")
    with pytest.raises(Transient) as caught:
        retry_with_backoff(on=Transient, sleep=lambda _: None)(failing(9, error))()
    assert caught.value is error


def test_what_is_not_transient_passes_through_at_once() -> None:
    slept: list[float] = []
    with pytest.raises(KeyError):
        retry_with_backoff(on=Transient, sleep=slept.append)(failing(1, KeyError("no")))()
    assert slept == []


def test_what_is_transient_must_be_said() -> None:
    with pytest.raises(TypeError, match="on"):
        retry_with_backoff()  # type: ignore[call-arg]  # the mistake under test


def test_all_options_are_given_by_name() -> None:
    with pytest.raises(TypeError):
        retry_with_backoff(Transient)  # type: ignore[call-arg]  # the mistake under test


def test_a_generator_function_is_refused() -> None:
    def generator() -> Any:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        retry_with_backoff(on=Transient)(generator)


def test_a_wait_that_would_pass_the_deadline_is_not_begun() -> None:
    assert waits(failing(9), deadline=Budget(1.5)) == [1.0]


def test_no_time_left_means_no_second_attempt() -> None:
    assert waits(failing(9), deadline=Budget(-1)) == []


def test_a_longer_wait_that_the_source_asks_for_is_kept() -> None:
    assert waits(failing(9, Transient(retry_after=7))) == [7, 7]


def test_a_shorter_wait_that_the_source_asks_for_does_not_shorten_ours() -> None:
    assert waits(failing(9, Transient(retry_after=0.1))) == [1.0, 2.0]


def test_a_wait_asked_for_beyond_the_deadline_ends_the_attempts() -> None:
    assert waits(failing(9, Transient(retry_after=60)), deadline=Budget(24)) == []


def told(function: Callable[[], str], **options: Any) -> list[Attempt]:
    """Return what the listener was told."""
    attempts: list[Attempt] = []
    waits(function, listener=attempts.append, operation="fetch", endpoint="/sensors", **options)
    return attempts


def test_the_listener_hears_of_each_attempt_and_of_the_recovery() -> None:
    """FR-008: one data object with operation, endpoint, attempt, delay, error and outcome."""
    attempts = told(failing(2))
    assert [(each.attempt, each.delay_seconds, each.outcome) for each in attempts] == [
        (1, 1.0, "retrying"), (2, 2.0, "retrying"), (3, 0.0, "recovered")]
    assert {(each.operation, each.endpoint, each.error_type, each.error) for each in attempts} == {
        ("fetch", "/sensors", "Transient", "not now")}


def test_the_listener_hears_of_exhaustion_with_the_time_it_took() -> None:
    last = told(failing(9))[-1]
    assert (last.attempt, last.outcome, last.delay_seconds) == (3, "exhausted", 0.0)
    assert 0 <= last.elapsed_seconds < 10


def test_the_listener_hears_what_the_source_asked_for() -> None:
    assert told(failing(9, Transient(retry_after=60)), deadline=Budget(24))[-1].retry_after == 60


def test_the_listener_hears_nothing_of_a_first_success() -> None:
    assert told(failing(0)) == []


def test_sleep_is_looked_up_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    function = retry_with_backoff(on=Transient)(failing(1))
    monkeypatch.setattr("time.sleep", slept.append)
    assert function() == "done" and slept == [1.0]


def test_threads_sharing_a_decorated_function_count_their_own_attempts() -> None:
    barrier = threading.Barrier(8)
    outcomes: list[int] = []

    @retry_with_backoff(on=Transient, sleep=lambda _: None)
    def pluralize(calls: list[int]) -> None:
        calls.append(1)
        barrier.wait(5)
        raise Transient

    def work() -> None:
        calls: list[int] = []
        with pytest.raises(Transient):
            pluralize(calls)
        outcomes.append(len(calls))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [3] * 8
