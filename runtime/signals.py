"""Ends a run that is asked to end: at SIGTERM and SIGINT SystemExit is raised wherever it is, and all is cleaned up.

What is raised while Python disposes of an object, it prints at length and swallows; urllib3 closes its connections at
such moments. The signal is sent once more then, a moment later.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT)
MOMENT_SECONDS = 0.01


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the block be ended by a signal, with exit code 128 and its number; once all is done it changes nothing."""
    unraisable = sys.unraisablehook

    def note(fault: Any) -> None:
        if isinstance(fault.exc_value, SystemExit):
            _listen()
            _send_again(int(str(fault.exc_value)) - 128)
        else:
            unraisable(fault)

    sys.unraisablehook = note
    before = _listen()
    atexit.unregister(_be_deaf)
    atexit.register(_be_deaf)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable


def _listen() -> dict[signal.Signals, Any]:
    return {number: signal.signal(number, _leave) for number in SIGNALS}


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    _be_deaf()  # to a second one, which would end the cleaning up that the first has begun
    raise SystemExit(128 + number)


def _be_deaf() -> None:
    """Let the program end by itself: all is done, and Python would only complain about an interrupted shutdown."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _send_again(number: int) -> None:
    timer = threading.Timer(MOMENT_SECONDS, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
