"""What is said of the answers: lines for people, one JSON object, or one line for Icinga and Nagios."""

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from health.gathering import Answer
from runtime.deadline import Deadline

if TYPE_CHECKING:
    import argparse

MOMENT_SECONDS = 0.1  # for printing there is always

COLOURS = {"pass": "32", "warn": "33", "fail": "31", "skipped": "2"}
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def said(answers: Sequence[Answer], asked: "argparse.Namespace", now: str, milliseconds: float) -> tuple[
        Iterable[str], int]:
    """Return what is to be printed, in the form that was asked for, and the exit code."""
    code = max((each.code for each in answers), default=0)
    shown = [each for each in answers if not asked.quiet or each.status in ("warn", "fail")]
    if asked.nagios:
        code = plugin_code(answers)
        return [plugin_line(answers, code)], code
    return [document(answers, shown, code, now, milliseconds)] if asked.json else lines(shown), code


@contextmanager
def in_time(deadline: Deadline, code: int) -> Iterator[None]:
    """End with that exit code even if whoever is printed to does not take it."""
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, max(deadline.remaining(), MOMENT_SECONDS))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def lines(answers: Sequence[Answer]) -> Iterator[str]:
    """Yield a line for each component, and its remedy below it where it is not well."""
    width = max((len(each.name) for each in answers), default=0)
    is_coloured = sys.stdout is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for each in answers:
        status = f"{each.status:7}"
        if is_coloured:
            status = f"\x1b[{COLOURS[each.status]}m{status}\x1b[0m"
        yield f"{each.name:{width}}  {status}  {each.message} ({each.duration_ms:.0f} ms)"
        if each.remedy:
            yield f"{'':{width}}  Remedy: {each.remedy}"


def document(answers: Sequence[Answer], shown: Iterable[Answer], code: int, checked_at: str,
             milliseconds: float) -> str:
    """Return the JSON object, with the components that are to be shown."""
    seen = {each.status for each in answers}
    components = [{"name": each.name, "status": each.status, "message": each.message, "remedy": each.remedy,
                   "duration_ms": each.duration_ms} for each in shown]
    return json.dumps({
        "status": next((status for status in ("fail", "warn") if status in seen), "pass"), "exit_code": code,
        "checked_at": checked_at, "duration_ms": round(milliseconds, 1), "components": components})


def plugin_code(answers: Iterable[Answer]) -> int:
    """Return the exit code as monitoring plugins have it (https://www.monitoring-plugins.org/doc/guidelines.html)."""
    failed = [each for each in answers if each.status == "fail"]
    if failed:
        return 3 if all(each.is_late for each in failed) else 2
    return int(any(each.status == "warn" for each in answers))


def plugin_line(answers: Sequence[Answer], code: int) -> str:
    """Return the line for a monitoring plugin that ends with that code."""
    troubled = sorted((each for each in answers if each.status in ("warn", "fail")), key=lambda each: each.status)
    said = "; ".join(f"{each.name}: {each.message}" for each in troubled) or f"{len(answers)} components are well"
    figures = " ".join(figure for each in answers for figure in each.figures)
    return f"HOME MONITOR {WORDS[code]}: {said.replace('|', '/')} | {figures}".rstrip(" |")
