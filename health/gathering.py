"""Gathers the answers of all components, as they come through the foreman's pipe, and says what is missing."""

import json
import os
import select
from collections.abc import Collection, Sequence

from runtime.deadline import Deadline, Stopwatch

COMPONENTS = ("configuration", "secrets", "database_wal", "database_write", "log_rotation", "disk_space", "spool",
              "alerts", "freshness")
DECISIVE = ("configuration", "secrets", "database_write")  # no answer of theirs is as bad as a bad one
CHUNK = 65_536


class Answer:
    """What is known of a component, at first that it has not answered yet; `code` is what it means for the whole."""

    status = ""
    message = ""
    remedy = ""
    duration_ms = 0.0
    code = 0
    figures: Sequence[str] = ()
    stage = "starting"
    is_late = False

    def __init__(self, name: str) -> None:
        self.name = name


class Gathering:
    """The answers of all components, listened for until all have answered or the time is over."""

    def __init__(self, pipe: int, only: Collection[str], deadline: Deadline, watch: Stopwatch) -> None:
        self._answers = {name: Answer(name) for name in COMPONENTS}
        self._sources: list[str] = []
        self._only, self._deadline, self._watch = only, deadline, watch
        self._listen(pipe)

    def answers(self) -> list[Answer]:
        """Return them in order, those that are missing as failures; only what was asked for, and what tells why not."""
        for each in self._answers.values():
            self._give_up(each)
        failed = [self._answers[name] for name in self._sources if self._answers[name].status == "fail"
                  and (not self._only or name in self._only)]
        for each in failed if len(failed) == len(self._sources) else ():
            each.code = 2
        return [each for name, each in self._answers.items()
                if not self._only or name in self._only or name == "configuration" and each.code == 2]

    def _listen(self, pipe: int) -> None:
        heard = b""
        while any(not each.status for each in self._answers.values()) and self._waits(pipe):
            chunk = os.read(pipe, CHUNK)
            if not chunk:
                break
            *lines, heard = (heard + chunk).split(b"\n")
            for line in lines:
                self._note(**json.loads(line))

    def _waits(self, pipe: int) -> bool:
        left = self._deadline.remaining()
        return left > 0 and bool(select.select([pipe], [], [], left)[0])

    def _note(self, name: str = "", plan: Sequence[str] = (), sources: Sequence[str] = (), died: int = 0,
              **told: object) -> None:
        if plan:
            self._answers |= {each: Answer(each) for each in plan if each not in self._answers}
            self._sources = list(sources)
            return
        answer = self._answers.setdefault(name, Answer(name))
        if died and not answer.status:
            told = {"stage": f"{answer.stage}, when signal {died} ended it"}
        for key, value in told.items():
            setattr(answer, key, value)

    def _give_up(self, answer: Answer) -> None:
        if not answer.status:
            answer.is_late = self._deadline.remaining() <= 0
            why = f"timed out after {self._watch.elapsed_ms() / 1000:.1f} s" if answer.is_late else "ended unanswered"
            answer.status, answer.message = "fail", f"{why} ({answer.stage})"
            answer.remedy = f"python healthcheck.py --only {answer.name} --timeout 60 tells whether it answers at all"
            answer.duration_ms = self._watch.elapsed_ms()
            answer.code = 2 if answer.name in DECISIVE else 1
