"""Ends a run at SIGTERM or SIGINT: SystemExit is raised wherever it is, so that everything is cleaned up.

An exception raised while Python disposes of an object is printed at length and swallowed; urllib3 closes its connections
at such moments. The signal is then sent once more, a moment later.
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
RESEND_SECONDS = 0.01


@contextmanager
def interruptible() -> Iterator[None]:
    """End the block at a signal, with exit code 128 + its number. After the block, signals no longer change the code."""
    print_unraisable = sys.unraisablehook

    def resend(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, SystemExit):
            _listen()
            _send_later(int(str(unraisable.exc_value)) - 128)
        else:
            print_unraisable(unraisable)

    sys.unraisablehook = resend
    handlers = _listen()
    atexit.unregister(_ignore_signals)
    atexit.register(_ignore_signals)  # Python would only complain about an interrupted shutdown
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = print_unraisable


def _listen() -> dict[signal.Signals, Any]:
    return {number: signal.signal(number, _exit) for number in SIGNALS}


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    _ignore_signals()  # a second one would end the clean-up that this one starts
    raise SystemExit(128 + number)


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _send_later(number: int) -> None:
    timer = threading.Timer(RESEND_SECONDS, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
