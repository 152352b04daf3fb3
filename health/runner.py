"""Runs the checks side by side: one parent, and one forked process per component.

The parent reads the configuration, forks, and then only waits: it collects the answers until its deadline, and kills
what is late. A check that hangs, crashes or eats the memory costs no other check its answer.

A child writes lines of JSON into a pipe of its own: the stage it has reached, and at the end its answer.
"""

import faulthandler
import json
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

from health import COMPONENTS, finding, installation
from health.finding import LEVELS, Component, Finding, Findings
from health.installation import Installation, Request
from runtime import files
from runtime.deadline import Deadline, Stopwatch
from runtime.redaction import escaped

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
DECISIVE = ("configuration", "secrets", "database_write")  # no answer of theirs is as bad as a bad one
MEMORY_BYTES = 2 ** 30  # for each child
GRACE_SECONDS = 1.0  # after the deadline, until a process ends itself
REAP_ATTEMPTS = 50  # a millisecond apart
LONGEST_TEXT = 4000
CHUNK = 65_536


class Result:
    """What a component answered, at first nothing."""

    level = ""
    message = ""
    remedy = ""
    duration_ms = 0.0
    figures: Sequence[str] = ()
    stage = "starting"
    is_late = False

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def status(self) -> str:
        """The level as it is printed."""
        return "fail" if self.level == "critical" else self.level

    @property
    def code(self) -> int:
        """What it means for the exit code."""
        return {"fail": 1, "critical": 2}.get(self.level, 0)


class Child:
    """A forked process that works for one component."""

    def __init__(self, result: Result, work: Callable[[int], None]) -> None:
        self.result, self._rest = result, b""
        self.pipe, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                work(writing)
            finally:
                os._exit(0)
        os.close(writing)

    def has_ended(self) -> bool:
        """Read what has arrived; return whether no more will."""
        chunk = os.read(self.pipe, CHUNK)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            vars(self.result).update(json.loads(line))
        if not chunk and not self.result.level and (number := self._signal()):
            self.result.stage += f", when signal {number} ended it"
        return not chunk or bool(self.result.level)

    def _signal(self) -> int:
        """Return the signal that ended the process; 0 for none, or for a process that still has not gone."""
        for _ in range(REAP_ATTEMPTS):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            time.sleep(0.001)
        return 0

    def kill(self) -> None:
        """End the process without waiting for it: it may hang where no signal reaches it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def run(request: Request, watch: Stopwatch) -> list[Result]:
    """Return the results of all components that were asked for, in order. Raise OSError if no process can be started.

    A configuration that cannot be used is always among them.
    """
    results = {name: Result(name) for name in COMPONENTS}
    checked = _read(request, results["configuration"])
    sources: Iterable[str] = ()
    if checked is not None:
        results |= {name: Result(name) for name in checked.components if name not in results}
        sources = checked.enabled
        _check_all(checked, results)
    for result in results.values():
        if not result.level:
            _give_up(result, request.deadline, watch)
    failed = [results[name] for name in sources if results[name].status == "fail"]
    if len(failed) == len(list(sources)) and not request.only:
        for result in failed:
            result.level = "critical"
    return [result for name, result in results.items() if not request.only or name in request.only
            or name == "configuration" and result.code == 2]


def _read(request: Request, result: Result) -> Installation | None:
    """Read the installation in a thread, which can be left behind: a read from a dead disk heeds no signal."""
    installations: list[Installation] = []
    faults: list[str] = []

    def work() -> None:
        faults.append(finding.attempt(lambda: installations.append(installation.read(request))))

    result.stage = "reading config.yaml and secrets.yaml"
    # Python code that never lets others run, such as a C extension's import, ends by this.
    faulthandler.dump_traceback_later(max(request.deadline.remaining(), 0) + GRACE_SECONDS, exit=True, file=2)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(request.deadline.remaining(), 0))
    faulthandler.cancel_dump_traceback_later()  # before a fork: a child would wait for ever for this thread
    if faults and faults[0]:
        result.level, result.message = "critical", faults[0]
    return installations[0] if installations else None


def _check_all(checked: Installation, results: dict[str, Result]) -> None:
    """Fork a child for each component, and collect the answers until all have ended or the deadline is over."""
    request = checked.request
    left_out = dict.fromkeys(checked.collectors, "--offline") if request.is_offline else {}
    left_out |= dict.fromkeys(request.skip, "--skip")
    children: dict[int, Child] = {}
    try:
        for name in checked.components:
            if name in left_out:
                results[name].level, results[name].message = "skipped", f"left out by {left_out[name]}"
            elif not request.only or name in request.only or name == "configuration":
                child = Child(results[name], lambda pipe: _work(name, checked, pipe))
                children[child.pipe] = child
        while children and (left := request.deadline.remaining()) > 0:
            for pipe in select.select(list(children), [], [], left)[0]:
                if children[pipe].has_ended():
                    children.pop(pipe).kill()
    finally:
        for child in children.values():
            child.kill()


def _give_up(result: Result, deadline: Deadline, watch: Stopwatch) -> None:
    result.is_late = deadline.remaining() <= 0
    why = f"timed out after {watch.elapsed_ms() / 1000:.1f} s" if result.is_late else "ended unanswered"
    result.level, result.message = "critical" if result.name in DECISIVE else "fail", f"{why} ({result.stage})"
    result.remedy = f"to see whether it answers at all: python healthcheck.py --only {result.name} --timeout 60"
    result.duration_ms = watch.elapsed_ms()


def _work(name: str, checked: Installation, pipe: int) -> None:
    """Run a check in a child, and write what it reports into the pipe."""
    _confine(checked.request.deadline)
    watch, findings = Stopwatch(), list[Finding]()

    def send(**values: Any) -> None:
        os.write(pipe, f"{json.dumps(values)}\n".encode())

    def examine() -> None:
        for report in _check(name, checked):
            if isinstance(report, str):
                send(stage=escaped(checked.redact(report)))
            else:
                findings.append(report)

    fault = finding.attempt(lambda: _translating(examine, findings))
    if fault:
        findings.append(Finding("fail", fault, f"until then, leave it out: python healthcheck.py --skip {name}"))
    findings.sort(key=lambda item: -LEVELS.index(item.level))
    send(level=findings[0].level if findings else "pass", duration_ms=round(watch.elapsed_ms(), 1),
         message=_joined((item.sentence for item in findings), checked),
         remedy=_joined((item.remedy for item in findings if item.level not in ("pass", "skipped")), checked),
         figures=[figure for item in findings for figure in item.figures])


def _check(name: str, checked: Installation) -> Findings:
    """Return the check of a component, whose modules only its own process imports."""
    if name in COMPONENTS:
        return cast(Component, import_module(f"health.{name}")).check(checked)
    from health import source
    return source.check(name, checked)


def _translating(work: Callable[[], None], findings: list[Finding]) -> None:
    """Report an error with a file that a check did not expect as what it is: no bug."""
    try:
        work()
    except OSError as error:
        findings.append(finding.failure("fail", files.translate(error, Path(str(error.filename or "a file")))))


def _joined(texts: Iterable[str], checked: Installation) -> str:
    """Return the texts without repetitions and without secrets, and not too long for a terminal."""
    text = escaped(checked.redact("; ".join(dict.fromkeys(text for text in texts if text))))
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} [...]"


def _confine(deadline: Deadline) -> None:
    """Detach a child from the terminal, cap its memory, disable core dumps, and end it should the parent be gone."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    for kind, wanted in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        allowed, most = resource.getrlimit(kind)
        with suppress(OSError, ValueError):  # macOS knows no RLIMIT_AS
            resource.setrlimit(kind, (wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed), most))
    faulthandler.dump_traceback_later(max(deadline.remaining(), 0) + GRACE_SECONDS, exit=True, file=2)


def normalise() -> None:
    """Repair what the parent process may have broken: closed streams, ignored or blocked signals."""
    for standard in range(3):
        try:
            os.fstat(standard)
        except OSError:  # a pipe of ours would take its place, and be written to
            os.open(os.devnull, os.O_RDWR)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*ENDING_SIGNALS, signal.SIGALRM))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _exit)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
