"""The crew: whatever a check tells arrives whole, short and masked."""

import json
import os
import select

from collectors.kit.checkup.crew import Crew
from collectors.kit.mask import Mask
from storage.checkup import Finding, Findings


def told_by(check: Findings, mask: Mask | None = None) -> list[dict[str, object]]:
    """Return the lines that come through the pipe from a process that works through the check."""
    ours, theirs = os.pipe()
    crew = Crew(theirs, lambda work: "" if work() is None else "")
    crew.mask = mask or Mask()
    crew.examine_all({"hue": check})
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
    end, = told_by(iter([Finding("fail", "key abcdefgh\n\x1b[2J")]), Mask(["abcdefgh"]))
    assert end["message"] == "key ***\\n\\x1b[2J"
