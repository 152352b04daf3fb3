"""Runs one check in a forked process, and reports it through a pipe in lines of JSON: stages, then a summary."""

import faulthandler
import json
import os
import resource
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from health import COMPONENTS, finding, guard
from health.finding import LEVELS, Finding, Findings
from health.setup import Installation
from runtime import files
from runtime.commands import command
from runtime.deadline import Deadline, Stopwatch
from runtime.redaction import escape_unprintable

MEMORY_BYTES = 2 ** 30  # of address space
GRACE_SECONDS = 1.0  # after the deadline, until a process ends itself
LONGEST_TEXT = 4000  # characters


def report(name: str, checked: Installation, pipe: int) -> None:
    """Run the check of a component, and write what it reports into the pipe. Nothing leaves this process unredacted."""
    _confine(checked.request.deadline)
    watch, findings = Stopwatch(), list[Finding]()

    def send(**values: Any) -> None:
        os.write(pipe, f"{json.dumps(values)}\n".encode())

    def examine() -> None:
        try:
            for item in check(name, checked):
                if isinstance(item, str):
                    send(stage=escape_unprintable(checked.redact(item)))
                else:
                    findings.append(item)
        except OSError as error:  # of a file, which the check did not expect: no bug
            findings.append(finding.failure("fail", files.translate(error, Path(str(error.filename or "a file")))))

    if fault := finding.attempt(examine):
        findings.append(Finding("fail", fault, f"until then, leave it out: {command('healthcheck.py', '--skip', name)}"))
    send(duration_ms=round(watch.elapsed_ms(), 1), **summary(findings, checked.redact))


def check(name: str, checked: Installation) -> Findings:
    """Return the check of a component. Only its own process imports it: an import may fail or crash, too."""
    findings: Findings
    if name in COMPONENTS:
        findings = import_module(f"health.{name}").check(checked)
    elif name in checked.plugins.faults:
        findings = iter([Finding("fail", checked.plugins.faults[name], "report it, or remove the file")])
    else:
        findings = import_module("health.plugin").check(name, checked)
    return findings


def summary(findings: Sequence[Finding], redact: Callable[[str], str]) -> dict[str, Any]:
    """Return the worst level, and the texts of all findings, the worst first."""
    ordered = sorted(findings, key=lambda item: -LEVELS.index(item.level))
    remedies = (item.remedy for item in ordered if item.level not in ("pass", "skipped"))
    return {"level": ordered[0].level if ordered else "pass",
            "message": _joined((item.sentence for item in ordered), redact), "remedy": _joined(remedies, redact),
            "figures": [figure for item in ordered for figure in item.figures]}


def _joined(texts: Iterable[str], redact: Callable[[str], str]) -> str:
    text = escape_unprintable(redact("; ".join(dict.fromkeys(text for text in texts if text))))
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} [...]"


def _confine(deadline: Deadline) -> None:
    """Detach a child from the terminal, cap its memory, disable core dumps, and end it should the parent be gone."""
    guard.handle_endings(signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    for kind, wanted in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # macOS refuses RLIMIT_AS
            allowed, most = resource.getrlimit(kind)
            resource.setrlimit(kind, (wanted if allowed == resource.RLIM_INFINITY else min(wanted, allowed), most))
    with suppress(RuntimeError):  # no more threads
        faulthandler.dump_traceback_later(max(deadline.remaining(), 0) + GRACE_SECONDS, exit=True, file=2)
