"""What whoever starts the health check may have left undone: closed streams, signals that are ignored or held back."""

import os
import signal
from types import FrameType
from typing import NoReturn

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def find() -> None:
    """Have this process stand on its own: three open streams, children to wait for, an end when it is asked to end."""
    for standard in range(3):
        try:
            os.fstat(standard)
        except OSError:  # a pipe of ours would take its place, and be written to
            os.open(os.devnull, os.O_RDWR)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (*ENDING, signal.SIGALRM))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
