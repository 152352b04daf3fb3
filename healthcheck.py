"""Is all well with the home temperature monitor, and if not, what is to be done? `python healthcheck.py --help`.

It only runs the components side by side and prints what they say; each check lives beside what it checks. Runs from
anywhere, leaves no trace, and always ends in time, for this process asks nobody anything: it waits for its children,
and ends those that hang.

    this process ── foreman: reads config.yaml and secrets.yaml
                       ├── a child for each component: its check, and a line with what came of it
                       └── ...

Exit codes: 0 all is well, warnings allowed · 1 something failed · 2 the configuration, the secrets or the database
failed, or no source answers. With --nagios: 0 · 1 warnings · 2 failures · 3 nobody knows.
"""

import argparse
import gc
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

from collectors.kit.stopwatch import Deadline, Stopwatch

COMPONENTS = ("configuration", "secrets", "database_wal", "database_write", "log_rotation", "disk_space", "spool",
              "alerts", "freshness")
DECISIVE = ("configuration", "secrets", "database_write")  # no answer of theirs is as bad as a bad one
PRINTING_SECONDS = 1.0
MOMENT_SECONDS = 0.1  # for printing there is always
CHUNK = 65_536
COLOURS = {"pass": "32", "warn": "33", "fail": "31", "skipped": "2"}
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


@dataclass
class Answer:
    """What is known of a component, at first that it has not answered yet; `code` is what it means for the whole."""

    name: str
    status: str = ""
    message: str = ""
    remedy: str = ""
    duration_ms: float = 0.0
    code: int = 0
    figures: Sequence[str] = ()
    stage: str = "starting"
    is_late: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine what the command line asks for, print what came of it, and return the exit code."""
    options = _options(arguments)
    watch, deadline = Stopwatch(), Deadline.since_start(options.timeout)
    now = datetime.now(timezone.utc)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    answers = _Gathering(options, now, deadline.earlier(PRINTING_SECONDS)).answers()
    code = max((each.code for each in answers), default=0)
    shown = [each for each in answers if not options.quiet or each.status in ("warn", "fail")]
    lines: Iterable[str] = _lines(shown)
    if options.nagios:
        code = _plugin_code(answers)
        lines = [_plugin_line(answers, code)]
    elif options.json:
        lines = [_document(answers, shown, code, now, watch)]
    with _in_time(deadline, code):
        _put(lines)
    return code


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


@contextmanager
def _in_time(deadline: Deadline, code: int) -> Iterator[None]:
    """End with that exit code even if whoever is printed to does not take it."""
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(code))
    signal.setitimer(signal.ITIMER_REAL, max(deadline.remaining(), MOMENT_SECONDS))
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if "--nagios" not in sys.argv:
            super().error(message)
        _put([f"HOME MONITOR UNKNOWN: {message}"])
        raise SystemExit(3)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    # Asking for the terminal's width imports what takes a tenth of the time that all else does.
    parser = _Parser(prog="healthcheck.py", description="Is all well, and if not, what is to be done?",
                     formatter_class=partial(argparse.HelpFormatter, width=100))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--nagios", action="store_true", help="print one line for Icinga and Nagios")
    parser.add_argument("--quiet", action="store_true", help="print only what is not well")
    parser.add_argument("--offline", action="store_true", help="ask no source")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="only this component; repeatable")
    parser.add_argument("--skip", metavar="NAME", action="append", default=[], help="not this component; repeatable")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=15.0,
                        help="end after so many seconds, whatever hangs; 2 to 3600, default 15")
    parser.add_argument("--config", metavar="PATH", help="default: $HOME_MONITOR_CONFIG, else config/config.yaml")
    options = parser.parse_args(arguments)
    if not 2 <= options.timeout <= 3600:
        parser.error(f"argument --timeout: {options.timeout:g} is not between 2 and 3600")
    if options.only or options.skip:
        import collectors
        known = (*COMPONENTS, *collectors.names())
        for name in (*options.only, *options.skip):
            if name not in known:
                parser.error(f"there is no component {name!r}; there are: {', '.join(known)}")
    return options


class _Gathering:
    """The answers of all components: the foreman's process is begun, and listened to until all have answered."""

    def __init__(self, options: argparse.Namespace, now: datetime, deadline: Deadline) -> None:
        self._answers = {name: Answer(name) for name in COMPONENTS}
        self._sources: list[str] = []
        self._options, self._deadline, self._watch = options, deadline, Stopwatch()
        ours, theirs = os.pipe()
        self._foreman = os.fork()
        if self._foreman == 0:
            _lead(options, now, deadline, theirs)
        os.close(theirs)
        with suppress(OSError):  # it has done so itself
            os.setpgid(self._foreman, self._foreman)
        self._listen(ours)

    def answers(self) -> list[Answer]:
        """Return them in order, those that are missing as failures; only what was asked for, and what tells why not."""
        for each in self._answers.values():
            self._give_up(each)
        failed = [self._answers[name] for name in self._sources if self._answers[name].status == "fail"]
        for each in failed if len(failed) == len(self._sources) else ():
            each.code = 2
        only = self._options.only
        return [each for name, each in self._answers.items()
                if not only or name in only or name == "configuration" and each.code == 2]

    def _listen(self, pipe: int) -> None:
        heard = b""
        try:
            while any(not each.status for each in self._answers.values()) and self._waits(pipe):
                chunk = os.read(pipe, CHUNK)
                if not chunk:
                    break
                *lines, heard = (heard + chunk).split(b"\n")
                for line in lines:
                    self._note(**json.loads(line))
        finally:
            _end(self._foreman)

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


def _end(foreman: int) -> None:
    """End the foreman and all of its children, and wait for none: one may hang where no signal reaches it."""
    with suppress(ProcessLookupError):  # all are gone
        os.killpg(foreman, signal.SIGKILL)
    os.waitpid(foreman, os.WNOHANG)


def _lead(options: argparse.Namespace, now: datetime, deadline: Deadline, pipe: int) -> NoReturn:
    try:
        gc.disable()  # nothing here lives long enough for it to find anything
        os.setpgid(0, 0)
        from collectors.kit.checkup.crew import Crew
        from collectors.kit.checkup.foreman import Foreman
        Foreman(Crew(pipe, _isolated, deadline), options, now, deadline).lead()
    finally:
        os._exit(0)


def _isolated(work: Callable[[], object]) -> str:
    """Do some work; return what went wrong with it, if anything did: nothing may take the others along."""
    try:
        work()
    except Exception as error:  # the one isolation point: a fault in one component must not hide the others
        return f"a fault in the program, please report it: {type(error).__name__}: {error}"
    return ""


def _lines(answers: Sequence[Answer]) -> Iterator[str]:
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


def _document(answers: Sequence[Answer], shown: Iterable[Answer], code: int, now: datetime, watch: Stopwatch) -> str:
    seen = {each.status for each in answers}
    components = [{"name": each.name, "status": each.status, "message": each.message, "remedy": each.remedy,
                   "duration_ms": each.duration_ms} for each in shown]
    return json.dumps({
        "status": next((status for status in ("fail", "warn") if status in seen), "pass"), "exit_code": code,
        "checked_at": now.isoformat(timespec="seconds"), "duration_ms": round(watch.elapsed_ms(), 1),
        "components": components})


def _plugin_code(answers: Iterable[Answer]) -> int:
    """Return the exit code as monitoring plugins have it (https://www.monitoring-plugins.org/doc/guidelines.html)."""
    failed = [each for each in answers if each.status == "fail"]
    if failed:
        return 3 if all(each.is_late for each in failed) else 2
    return int(any(each.status == "warn" for each in answers))


def _plugin_line(answers: Sequence[Answer], code: int) -> str:
    troubled = sorted((each for each in answers if each.status in ("warn", "fail")), key=lambda each: each.status)
    said = "; ".join(f"{each.name}: {each.message}" for each in troubled) or f"{len(answers)} components are well"
    figures = " ".join(figure for each in answers for figure in each.figures)
    return f"HOME MONITOR {WORDS[code]}: {said.replace('|', '/')} | {figures}".rstrip(" |")


def _put(lines: Iterable[str]) -> None:
    """Print, whatever the terminal's alphabet is; where nobody listens, say nothing."""
    try:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        for line in lines:
            print(line)
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    raise SystemExit(main())
