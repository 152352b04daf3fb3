"""Runs the checks side by side: one parent, and one forked process per component.

The parent reads the configuration, forks, and then only waits: it collects the answers until its deadline, and kills
what is late. A check that hangs, crashes or eats the memory costs no other check its answer.

A child writes lines of JSON into a pipe of its own: the stage it has reached, and at the end its answer.
"""

import faulthandler
import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from health import COMPONENTS, examination, finding, installation
from health.finding import Result
from health.installation import Installation, Request
from runtime.deadline import Deadline, Stopwatch

DECISIVE = ("configuration", "secrets", "database_write")  # no answer of theirs is as bad as a bad one
REAP_ATTEMPTS = 50  # a millisecond apart
CHUNK = 65_536


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
    faulthandler.dump_traceback_later(max(request.deadline.remaining(), 0) + examination.GRACE_SECONDS, exit=True, file=2)
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
    left_out = dict.fromkeys(checked.plugins.collectors, "--offline") if request.is_offline else {}
    left_out |= dict.fromkeys(request.skip, "--skip")
    children: dict[int, Child] = {}
    try:
        for name in checked.components:
            if name in left_out:
                results[name].level, results[name].message = "skipped", f"left out by {left_out[name]}"
            elif not request.only or name in request.only or name == "configuration":
                child = Child(results[name], lambda pipe: examination.report(name, checked, pipe))
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


def normalise() -> None:
    """Repair what the parent process may have broken: closed streams, ignored or blocked signals."""
    for standard in range(3):
        try:
            os.fstat(standard)
        except OSError:  # a pipe of ours would take its place, and be written to
            os.open(os.devnull, os.O_RDWR)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*examination.ENDING_SIGNALS, signal.SIGALRM))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in examination.ENDING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _exit)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
