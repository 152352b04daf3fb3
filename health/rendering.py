"""Renders the results: lines for people, one JSON object, or one line for Icinga and Nagios."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper

from health.finding import Result
from runtime.deadline import Deadline

PRINTING_SECONDS = 0.1  # that printing always has
COLOURS = {"pass": "32", "warn": "33", "fail": "31", "skipped": "2"}
NAGIOS_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def render(results: Sequence[Result], options: argparse.Namespace, checked_at: str,
           milliseconds: float) -> tuple[Iterable[str], int]:
    """Return the lines to print, in the form that was asked for, and the exit code."""
    if options.nagios:
        return _nagios(results)
    code = max((result.code for result in results), default=0)
    shown = [result for result in results if not options.quiet or result.status in ("warn", "fail")]
    if not options.json:
        return _text_lines(shown), code
    statuses = {result.status for result in results}
    components = [{"name": result.name, "status": result.status, "message": result.message, "remedy": result.remedy,
                   "duration_ms": result.duration_ms} for result in shown]
    return [json.dumps({
        "status": next((status for status in ("fail", "warn") if status in statuses), "pass"), "exit_code": code,
        "checked_at": checked_at, "duration_ms": round(milliseconds, 1), "components": components})], code


def _text_lines(results: Sequence[Result]) -> Iterator[str]:
    width = max((len(result.name) for result in results), default=0)
    is_coloured = sys.stdout is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for result in results:
        status = f"{result.status:7}"
        if is_coloured:
            status = f"\x1b[{COLOURS[result.status]}m{status}\x1b[0m"
        yield f"{result.name:{width}}  {status}  {result.message} ({result.duration_ms:.0f} ms)"
        if result.remedy:
            yield f"{'':{width}}  Remedy: {result.remedy}"


def _nagios(results: Sequence[Result]) -> tuple[list[str], int]:
    """Return line and exit code of a monitoring plugin (https://www.monitoring-plugins.org/doc/guidelines.html)."""
    failed = [result for result in results if result.status == "fail"]
    bad = failed + [result for result in results if result.status == "warn"]
    code = int(bool(bad))
    if failed:
        code = 3 if all(result.is_late for result in failed) else 2
    text = "; ".join(f"{result.name}: {result.message}" for result in bad) or f"{len(results)} components are well"
    figures = " ".join(figure for result in results for figure in result.figures)
    return [f"HOME MONITOR {NAGIOS_STATES[code]}: {text.replace('|', '/')} | {figures}".rstrip(" |")], code


def limit(deadline: Deadline, code: int) -> None:
    """Exit with that code at the deadline, if the reader of stdout does not take the output."""
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, max(deadline.remaining(), PRINTING_SECONDS))


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
