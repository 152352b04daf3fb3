"""Works through checks, each in a process of its own, so that none takes the others along whatever becomes of it.

What a check tells goes as lines of JSON to the process that waits: what it is about to do, and at the end what it has
found. Lines are short enough for the pipe to keep them whole. Everything passes the mask first.
"""

import faulthandler
import json
import os
import resource
import select
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from collectors.kit.stopwatch import Deadline, Stopwatch

if TYPE_CHECKING:
    from storage.checkup import Finding, Findings

MEMORY_BYTES = 2 ** 30  # for each process: one that eats more meets its own end, not this machine's
BELT_SECONDS = 1.0  # after the time limit, should whoever waits for us be gone
CODES = {"fail": 1, "critical": 2}

Isolate = Callable[[Callable[[], object]], str]


class Crew:
    """Tells `pipe` of everything; `isolate` does some work and returns what went wrong with it, if anything did.

    `mask` hides what may not be told; by `deadline` all have to have answered.
    """

    def __init__(self, pipe: int, isolate: Isolate) -> None:
        self.mask: Callable[[str], str] = str
        self.deadline = Deadline(0)
        self.isolate = isolate
        self._pipe = pipe

    def examine_all(self, checks: "Mapping[str, Findings]", running: Iterable[int] = ()) -> None:
        """Have each check worked through by a process; return when they, and those running already, have ended."""
        names = {self.fork(lambda: self._examine_belted(name, check)): name for name, check in checks.items()}
        for _ in range(len(names) + len(tuple(running))):
            child, status = os.wait()
            if os.WIFSIGNALED(status) and child in names:
                self.send(name=names[child], died=os.WTERMSIG(status))

    def fork(self, work: Callable[[], object]) -> int:
        """Return the id of a process that does the work, nothing else, and ends."""
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(0)
        return child

    def _examine_belted(self, name: str, check: "Findings") -> None:
        # Not in a process that forks: its children would wait for ever for a thread that they do not have.
        faulthandler.dump_traceback_later(max(self.deadline.remaining(), 0.0) + BELT_SECONDS, exit=True)
        self.examine(name, check)

    def examine(self, name: str, check: "Findings") -> None:
        """Work through a check, telling of it; a fault in it is what was found, too."""
        from storage.checkup import LEVELS, Finding
        watch, findings = Stopwatch(), list[Finding]()
        fault = self.isolate(lambda: self._work(name, check, findings))
        if fault:
            findings.append(Finding("fail", fault, f"python healthcheck.py --skip {name} leaves it out meanwhile"))
        findings.sort(key=lambda each: -LEVELS.index(each.level))
        level = findings[0].level if findings else "pass"
        self.send(
            name=name, status="fail" if level == "critical" else level, code=CODES.get(level, 0),
            message=_joined(each.sentence for each in findings), duration_ms=round(watch.elapsed_ms(), 1),
            remedy=_joined(each.remedy for each in findings if each.level not in ("pass", "skipped")),
            figures=[figure for each in findings for figure in each.figures])

    def _work(self, name: str, check: "Findings", findings: "list[Finding]") -> None:
        for told in check:
            if isinstance(told, str):
                self.send(name=name, stage=told)
            else:
                findings.append(told)

    def send(self, **told: Any) -> None:
        """Tell the process that waits."""
        from collectors.kit.mask import escaped
        told = {key: escaped(self.mask(value)) if isinstance(value, str) else value for key, value in told.items()}
        line = json.dumps(told)
        while len(line) >= select.PIPE_BUF:
            told |= {key: f"{told[key][:len(told[key]) * 3 // 4]} [...]" for key in ("message", "remedy")}
            line = json.dumps(told)
        os.write(self._pipe, f"{line}\n".encode("ascii"))


def confine() -> None:
    """Keep to what the pipe can tell, and to a fair share of the memory; leave no picture of it behind."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    for kind, wanted in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        _, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
