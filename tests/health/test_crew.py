"""The crew: whatever a check tells arrives whole, short and masked.

In which order depends on the machine: one more process may be at work whenever it is slow.
"""

import json
import os
import select
import signal
from collections.abc import Callable
from typing import Any

import pytest

from health.crew import Crew
from health.finding import Finding, Findings
from runtime.deadline import Deadline, Stopwatch
from runtime.redaction import Redactor

pytestmark = pytest.mark.usefixtures("children_unmeasured")


def isolated(work: Callable[[], object]) -> str:
    try:
        work()
    except ValueError as error:
        return str(error)
    return ""


def told_by(check: Findings, mask: Redactor | None = None, **others: Findings) -> list[dict[str, Any]]:
    """Return the lines that come through the pipe from the processes that work through the checks."""
    ours, theirs = os.pipe()
    crew = Crew(theirs, isolated)
    crew.mask, crew.deadline = mask or Redactor(), Deadline(10)
    crew.examine_all({"hue": check, **others})
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        lines = pipe.read().splitlines(keepends=True)
    assert all(len(line) <= select.PIPE_BUF for line in lines)
    return [json.loads(line) for line in lines]


def test_what_is_found_is_told_worst_first_and_once() -> None:
    def check() -> Findings:
        yield "asking"
        yield Finding("pass", "the roof is tight", figures=("'a'=1",))
        yield Finding("warn", "the door squeaks", "oil it")
        yield Finding("critical", "the cellar burns", "run", figures=("'b'=2",))
        yield Finding("warn", "the window squeaks", "oil it")
    stage, end = told_by(check())
    assert stage == {"name": "hue", "stage": "asking"}
    assert end | {"duration_ms": 0} == {
        "name": "hue", "status": "fail", "code": 2, "remedy": "run; oil it", "figures": ["'b'=2", "'a'=1"],
        "message": "the cellar burns; the door squeaks; the window squeaks; the roof is tight", "duration_ms": 0}


def test_what_is_too_long_for_the_pipe_is_cut() -> None:
    """Lines longer than the pipe takes at once would run into those of other processes."""
    end, = told_by(iter([Finding("fail", "\u2603" * 100_000, "x" * 3000)]))
    assert str(end["message"]).endswith(" [...]")


def test_what_is_secret_is_masked_and_what_is_odd_is_spelt_out() -> None:
    end, = told_by(iter([Finding("fail", "key abcdefgh\n\x1b[2J")]), Redactor(["abcdefgh"]))
    assert end["message"] == "key ***\\n\\x1b[2J"


def worker() -> Findings:
    """Tell who works through this."""
    yield Finding("pass", str(os.getpid()))


def test_one_process_works_through_what_holds_nobody_up() -> None:
    told = told_by(worker(), spool=worker(), alerts=worker())
    assert [each["name"] for each in told] == ["hue", "spool", "alerts"]
    assert len({each["message"] for each in told}) == 1


def test_what_hangs_holds_up_the_others_for_a_moment_only() -> None:
    def hanging() -> Findings:
        select.select([], [], [], 0.5)
        yield Finding("pass", "at last")
    told = told_by(hanging(), spool=hanging(), alerts=worker())
    assert told[0]["name"] == "alerts" and sorted(each["name"] for each in told) == ["alerts", "hue", "spool"]
    assert float(told[0]["duration_ms"]) < 400


def test_what_dies_is_told_of_and_takes_nobody_along() -> None:
    def dying() -> Findings:
        os.kill(os.getpid(), signal.SIGKILL)
        yield "never said"
    told = told_by(dying(), spool=worker(), alerts=dying(), freshness=worker())
    assert {(each["name"], each["died"]) for each in told if "died" in each} == {("hue", 9), ("alerts", 9)}
    assert {each["name"] for each in told if "message" in each} == {"spool", "freshness"} and len(told) == 4


def test_after_a_fault_the_rest_is_left_to_a_fresh_process() -> None:
    """It may have left anything behind."""
    def faulty() -> Findings:
        yield Finding("warn", str(os.getpid()))
        raise ValueError("a fault")
    told = {each["name"]: each for each in told_by(faulty(), spool=worker(), alerts=worker())}
    fault, stranger = told["hue"]["message"].split("; ")
    assert fault == "a fault" and told["hue"]["code"] == 1
    assert stranger.isdigit() and stranger not in (told["spool"]["message"], told["alerts"]["message"])


def test_what_a_dead_process_had_taken_on_unsaid_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two system calls: nobody knows that it had the first check, which is never answered then."""
    ours, write = os.getpid(), os.write

    def dying(pipe: int, data: bytes) -> int:
        if os.getpid() != ours and data.endswith(b" 0\n"):
            os.kill(os.getpid(), signal.SIGKILL)
        return write(pipe, data)
    monkeypatch.setattr("os.write", dying)
    watch = Stopwatch()
    assert sorted(each["name"] for each in told_by(worker(), spool=worker(), alerts=worker())) == ["alerts", "spool"]
    assert watch.elapsed_ms() < 5000, "by the deadline, in 10 s, it would be over in any case"


def test_a_claim_that_comes_late_is_not_taken_for_a_dead_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits may be held up itself: then a process has claimed, died and is gone when it is heard."""
    wait = select.select

    def held_up(*arguments: Any) -> Any:
        answer = wait(*arguments)
        wait([], [], [], 0.03)
        return answer

    def pausing() -> Findings:
        wait([], [], [], 0.115)
        yield Finding("pass", "")
    monkeypatch.setattr("select.select", held_up)

    def dying() -> Findings:
        os.kill(os.getpid(), signal.SIGKILL)
        yield "never said"
    told = told_by(pausing(), spool=dying(), alerts=worker())
    assert sorted((each["name"], each.get("died")) for each in told) == [("alerts", None), ("hue", None), ("spool", 9)]


@pytest.mark.parametrize("check", [["x" * 9000], [Finding("pass", "", figures=("'a'=1",) * 2000)]])
def test_whatever_is_too_long_for_the_pipe_is_cut(check: list[Any]) -> None:
    assert told_by(iter(check))[-1]["status"] == "pass"


def test_a_trouble_with_a_file_is_no_fault_of_the_program() -> None:
    def check() -> Findings:
        yield Finding("pass", os.readlink("/nowhere/at/all"))
    end, = told_by(check())
    assert end["status"] == "fail" and "/nowhere/at/all" in end["message"] and "report it" not in end["message"]
