"""Renders the results: lines for people, one JSON object, or one line for Icinga and Nagios."""

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING

from runtime.deadline import Deadline

if TYPE_CHECKING:
    import argparse

    from health.finding import Result

PRINTING_SECONDS = 0.1  # that printing always has
COLOURS = {"pass": "32", "warn": "33", "fail": "31", "skipped": "2"}
NAGIOS_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def render(results: "Sequence[Result]", options: "argparse.Namespace", checked_at: str,
           milliseconds: float) -> tuple[Iterable[str], int]:
    """Return the lines to print, in the form that was asked for, and the exit code."""
    code = max((result.code for result in results), default=0)
    if options.nagios:
        code = nagios_code(results)
        return [nagios_line(results, code)], code
    shown = [result for result in results if not options.quiet or result.status in ("warn", "fail")]
    if not options.json:
        return text_lines(shown), code
    statuses = {result.status for result in results}
    components = [{"name": result.name, "status": result.status, "message": result.message, "remedy": result.remedy,
                   "duration_ms": result.duration_ms} for result in shown]
    return [json.dumps({
        "status": next((status for status in ("fail", "warn") if status in statuses), "pass"), "exit_code": code,
        "checked_at": checked_at, "duration_ms": round(milliseconds, 1), "components": components})], code


def text_lines(results: "Sequence[Result]") -> Iterator[str]:
    """Yield a line for each component, and below it the remedy, if there is one."""
    width = max((len(result.name) for result in results), default=0)
    is_coloured = sys.stdout is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for result in results:
        status = f"{result.status:7}"
        if is_coloured:
            status = f"\x1b[{COLOURS[result.status]}m{status}\x1b[0m"
        yield f"{result.name:{width}}  {status}  {result.message} ({result.duration_ms:.0f} ms)"
        if result.remedy:
            yield f"{'':{width}}  Remedy: {result.remedy}"


def nagios_code(results: "Iterable[Result]") -> int:
    """Return the exit code as monitoring plugins have it (https://www.monitoring-plugins.org/doc/guidelines.html)."""
    failed = [result for result in results if result.status == "fail"]
    if failed:
        return 3 if all(result.is_late for result in failed) else 2
    return int(any(result.status == "warn" for result in results))


def nagios_line(results: "Sequence[Result]", code: int) -> str:
    """Return the line for a monitoring plugin that ends with that code."""
    bad = sorted((result for result in results if result.status in ("warn", "fail")), key=lambda result: result.status)
    text = "; ".join(f"{result.name}: {result.message}" for result in bad) or f"{len(results)} components are well"
    figures = " ".join(figure for result in results for figure in result.figures)
    return f"HOME MONITOR {NAGIOS_STATES[code]}: {text.replace('|', '/')} | {figures}".rstrip(" |")


@contextmanager
def in_time(deadline: Deadline, code: int) -> Iterator[None]:
    """Exit with that code if whatever reads stdout does not take the block's output."""
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, max(deadline.remaining(), PRINTING_SECONDS))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


def write(lines: Iterable[str]) -> None:
    """Print, whatever the terminal's encoding is; a stream that is closed or full is no error."""
    if not isinstance(sys.stdout, TextIOWrapper):
        return
    try:
        sys.stdout.reconfigure(errors="replace")
        for line in lines:
            print(line)
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
