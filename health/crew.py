"""Works through checks in processes that share them out, so that none takes the others along whatever becomes of it.

A process costs as much as a check. So the next one begins only where all are held up, or where one has ended early:
a check that hangs, dies or fails holds up the others for a moment at most.

What a check tells goes as lines of JSON to the process that waits: what it is about to do, and at the end what it has
found. Lines are short enough for the pipe to keep them whole. Everything passes the mask first.
"""

import faulthandler
import json
import os
import resource
import select
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.deadline import Deadline, Stopwatch

if TYPE_CHECKING:
    from health.finding import Finding, Findings

MEMORY_BYTES = 2 ** 30  # for each process: one that eats more meets its own end, not this machine's
PATIENCE_SECONDS = 0.1  # with those at work, before one more process takes on what is left
BELT_SECONDS = 1.0  # after the time limit, should whoever waits for us be gone
CHUNK = 4096
STDERR = 2  # sys.stderr is none where it was closed
STORAGE = ("database_wal", "database_write", "spool", "freshness")
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
        self.pipe = pipe

    def examine_all(self, checks: "Mapping[str, Findings]", abreast: int = 1) -> None:
        """Have the checks worked through, by so many processes at first; return when they have ended."""
        (work, offers), (heard, claims) = os.pipe(), os.pipe()
        os.write(offers, bytes(range(len(checks))))
        os.close(offers)
        names, at_work, left = list(checks), dict[int, str](), len(checks)
        for _ in range(min(abreast, left)):
            at_work[self.fork(lambda: self._share(checks, work, claims))] = ""
        while at_work or left:
            claimed = _claims(heard, PATIENCE_SECONDS)
            ended = _ended(at_work)
            claimed |= _claims(heard, 0) if ended else {}  # by those that have ended, while we looked
            left -= len(claimed)
            at_work |= {child: names[number] for number, child in claimed.items()}
            for child, died in ended.items():
                name = at_work.pop(child)
                if died and name:
                    self.send(name=name, died=died)
                elif not name and not died:  # it has found nothing to take on: whoever did has not lived to say so
                    left = 0
            if left and not (claimed and at_work):
                at_work[self.fork(lambda: self._share(checks, work, claims))] = ""

    def _share(self, checks: "Mapping[str, Findings]", work: int, claims: int) -> None:
        """Work through what nobody else has taken on yet; but after a fault, leave the rest to a fresh process."""
        # Not in a process that forks: its children would wait for ever for a thread that they do not have.
        faulthandler.dump_traceback_later(max(self.deadline.remaining(), 0.0) + BELT_SECONDS, exit=True, file=STDERR)
        names, is_well = list(checks), True
        while is_well and (number := os.read(work, 1)):
            os.write(claims, f"{os.getpid()} {number[0]}\n".encode())
            is_well = self.examine(names[number[0]], checks[names[number[0]]])

    def fork(self, work: Callable[[], object]) -> int:
        """Return the id of a process that does the work, nothing else, and ends."""
        child = os.fork()
        if child == 0:
            try:
                work()
            finally:
                os._exit(0)
        return child

    def examine(self, name: str, check: "Findings") -> bool:
        """Work through a check, telling of it; a fault in it is what was found, too. Return whether there was none."""
        from health.finding import LEVELS, Finding
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
        return not fault

    def _work(self, name: str, check: "Findings", findings: "list[Finding]") -> None:
        from health.finding import Finding
        try:
            for told in check:
                if isinstance(told, str):
                    self.send(name=name, stage=told)
                else:
                    findings.append(told)
        except OSError as error:  # that a check has not foreseen: no fault of the program's
            from runtime import files
            trouble = files.translate(error, Path(str(error.filename or "a file")))
            findings.append(Finding("fail", str(trouble), trouble.remedy))

    def send(self, **told: Any) -> None:
        """Tell the process that waits."""
        from runtime.redaction import escape_unprintable
        told = {key: escape_unprintable(self.mask(value)) if isinstance(value, str) else value for key, value in told.items()}
        line = json.dumps(told)
        while len(line) >= select.PIPE_BUF:
            longest = max((key for key, value in told.items() if isinstance(value, str | list)),
                          key=lambda each: len(json.dumps(told[each])))
            half = told[longest][:len(told[longest]) // 2]
            told[longest] = f"{half} [...]" if isinstance(half, str) else half
            line = json.dumps(told)
        os.write(self.pipe, f"{line}\n".encode("ascii"))


def confine() -> None:
    """Keep to what the pipe can tell, and to a fair share of the memory; leave no picture of it behind."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    for kind, wanted in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        allowed, most = resource.getrlimit(kind)
        resource.setrlimit(kind, (wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed), most))


def end_by(deadline: Deadline) -> None:
    """Have the kernel end this process some time after the deadline, whatever it hangs in; not so its children."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, max(deadline.remaining(), 0.0) + BELT_SECONDS)


def _claims(heard: int, seconds: float) -> dict[int, int]:
    """Return the numbers of the checks that were taken on within that time, each with the process that did so."""
    if not select.select([heard], [], [], seconds)[0]:
        return {}
    return {int(number): int(child) for child, number in (line.split() for line in os.read(heard, CHUNK).splitlines())}


def _ended(children: Iterable[int]) -> dict[int, int]:
    """Return the children that have ended, each with the signal that did it, or 0."""
    states = {child: os.waitpid(child, os.WNOHANG) for child in children}
    return {child: os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            for child, (gone, status) in states.items() if gone}


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
