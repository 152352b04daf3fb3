"""Runs what may crash, such as an import of C code, in another process."""

import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from health.finding import Result, attempt
from runtime.commands import install_command
from runtime.deadline import Deadline, time_limit
from runtime.startup import open_standard_streams

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
GRACE_SECONDS = 1.0  # after the deadline, until a process that does not end is left alone
NO_ANSWER = 2  # exit code


def normalise() -> None:
    """Repair what the parent process may have broken: closed streams, ignored or blocked signals."""
    open_standard_streams()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*ENDING_SIGNALS, signal.SIGALRM))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    handle_endings(_exit)


def run(work: Callable[[], int], deadline: Deadline) -> int:
    """Return the exit code of the work, negative for the signal that ended it. Raise OSError without processes."""
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        handle_endings(_exit)
        os._exit(work())

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, number)

    handle_endings(pass_on)
    try:
        with time_limit(deadline.remaining() + GRACE_SECONDS):
            return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    except TimeoutError:
        os.kill(process, signal.SIGKILL)
        return NO_ANSWER


def crash(work: Callable[[], object], deadline: Deadline) -> str:
    """Do some work in another process; return what ended that, if it did not end by itself."""
    process = os.fork()
    if process == 0:
        signal.alarm(max(1, int(deadline.remaining())))
        attempt(work)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return f"its import ends the process: signal {-code} ({signal.Signals(-code).name})" if code < 0 else ""


def crashed(number: int) -> Result:
    """Return the result if even a careful check is ended by a signal while it reads."""
    result = Result("configuration")
    result.level, result.remedy = "critical", install_command()
    result.message = f"reading config.yaml and secrets.yaml ended the check with signal {number}"
    return result


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    handle_endings(signal.SIG_IGN)  # Ctrl-C comes twice: from the terminal, and from the process that waits
    raise SystemExit(128 + number)


def handle_endings(handler: "Callable[[int, FrameType | None], object] | signal.Handlers") -> None:
    """Handle the signals that end a process, except ignored ones (nohup)."""
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)
