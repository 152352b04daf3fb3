"""Runs the checks side by side, so that one that hangs, crashes or eats the memory costs no other its answer.

The parent reads the configuration, forks a process per component, collects the answers until its deadline, and kills
late ones. Each child has its own pipe, because macOS keeps only 512 bytes together in a shared one.
"""

import errno
import faulthandler
import json
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from health import COMPONENTS, examination, finding, setup
from health.finding import Finding, Result
from health.setup import Installation, Request
from runtime.commands import command
from runtime.deadline import Deadline, Stopwatch
from runtime.redaction import Redactor

DECISIVE = ("configuration", "secrets", "database_write")  # no answer is as bad as a bad one
REAP_ATTEMPTS, REAP_SECONDS = 20, 0.001
CHUNK = 65_536


class Child:
    """A forked process that works for one component, as the parent sees it."""

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
        """Read what has arrived; return whether the answer is complete, or will never come."""
        chunk = os.read(self.pipe, CHUNK)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            vars(self.result).update(json.loads(line))
        if not chunk and not self.result.level and (number := self.reap()):
            self.result.stage += f", when signal {number} ended it"
        return not chunk or bool(self.result.level)

    def reap(self) -> int:
        """Return the signal that ended the process; 0 for none, for one already reaped and for one that does not end."""
        for _ in range(REAP_ATTEMPTS):
            with suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                time.sleep(REAP_SECONDS)
        return 0


def run(request: Request, watch: Stopwatch) -> tuple[Installation | None, list[Result]]:
    """Return what was checked, with the results of the components asked for, and of a bad configuration.

    Raise OSError without processes.
    """
    results = {name: Result(name) for name in COMPONENTS}
    checked = _read(request, results["configuration"])
    sources: Collection[str] = ()
    if checked is not None:
        results |= {name: Result(name) for name in checked.components if name not in results}
        sources = checked.enabled
        _check_all(checked, results, watch)
    for result in results.values():
        if not result.level:
            _give_up(result, request.deadline, watch)
    asked = {name: result for name, result in results.items() if not request.only or name in request.only}
    failed = [asked[name] for name in sources if name in asked and asked[name].status == "fail"]
    if len(failed) == len(sources):
        for result in failed:
            result.level = "critical"
    if results["configuration"].level == "critical":
        asked = {"configuration": results["configuration"]} | asked
    return checked, list(asked.values())


def _read(request: Request, result: Result) -> Installation | None:
    """Read the installation in a thread, which can be abandoned: no signal but SIGKILL ends a read from a dead disk."""
    installations: list[Installation] = []
    faults: list[str] = []

    def work() -> None:
        faults.append(finding.attempt(lambda: installations.append(setup.read(request))))

    result.stage = "reading config.yaml and secrets.yaml"
    seconds = max(request.deadline.remaining(), 0)
    thread = threading.Thread(target=work, daemon=True)
    try:
        # For C code that never releases Python's own lock, such as a plug-in's at its import.
        faulthandler.dump_traceback_later(seconds + examination.GRACE_SECONDS, exit=True, file=2)
        thread.start()
    except RuntimeError as error:  # if there are no more threads, there are no more processes either
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
    thread.join(seconds)
    faulthandler.cancel_dump_traceback_later()  # its thread must not be running at a fork
    if faults and faults[0]:
        vars(result).update(examination.summary([Finding("critical", faults[0])], Redactor()))
    return installations[0] if installations else None


def _check_all(checked: Installation, results: dict[str, Result], watch: Stopwatch) -> None:
    """Fork a child for each component, and collect the answers until all have ended or the deadline is over."""
    request = checked.request
    left_out = dict.fromkeys(checked.plugins.collectors, "--offline") if request.is_offline else {}
    left_out |= dict.fromkeys(request.skip, "--skip")
    children: list[Child] = []
    try:
        for name in checked.components:
            if name in left_out:
                results[name].level, results[name].message = "skipped", f"left out by {left_out[name]}"
            elif not request.only or name in request.only or name == "configuration":
                children.append(Child(results[name], lambda pipe: examination.report(name, checked, pipe)))
        waiting = {child.pipe: child for child in children}
        while waiting and (left := request.deadline.remaining()) > 0:
            for pipe in select.select(list(waiting), [], [], left)[0]:
                if waiting[pipe].has_ended():
                    child = waiting.pop(pipe)
                    if not child.result.level:
                        _give_up(child.result, request.deadline, watch)
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)  # heeded late in a read from a dead disk, for instance
        for child in children:
            child.reap()


def _give_up(result: Result, deadline: Deadline, watch: Stopwatch) -> None:
    result.is_late = deadline.remaining() <= 0
    why = f"timed out after {watch.elapsed_ms() / 1000:.1f} s" if result.is_late else "ended unanswered"
    result.level, result.message = "critical" if result.name in DECISIVE else "fail", f"{why} ({result.stage})"
    result.remedy = "to see whether it answers at all: " + command("healthcheck.py", "--only", result.name, "--timeout", "60")
    result.duration_ms = watch.elapsed_ms()
