"""Ends a run that hangs where Python cannot interrupt it: in a name look-up, on a dead network disk, in C code.

Every wait of ours has a time-out, but an alarm does not reach the C library's name look-up: it goes on for as long as
it likes (measured: 10 s with one silent name server, longer with three). So a thread waits beside the run, and where
even threads stand still, because C code keeps the interpreter's lock, `faulthandler` ends the process from outside.
It comes last: it reads the frames of all threads without that lock, and crashes now and then where any is at work.
"""

import faulthandler
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

RESCUE_SECONDS = 1.0  # for the rescue, which writes and syncs some files; then the process ends in any case
BELT_SECONDS = 0.4  # more, should the rescue be held up by C code of that kind
STDERR = 2


class Watchdog:
    """Calls `rescue` and ends the process with exit code `code` after that many seconds, unless it has stood down."""

    def __init__(self, seconds: float, rescue: Callable[[], None]) -> None:
        self.code = 1
        self._rescue = rescue
        self._timer = _after(seconds, self._end)
        self._end_from_outside(seconds + RESCUE_SECONDS)

    def stand_down(self) -> None:
        """Let the run take whatever time it needs."""
        self._timer.cancel()
        faulthandler.cancel_dump_traceback_later()

    def _end(self) -> None:
        """Called where threads run, so another one can end a rescue that takes too long, if it can be had."""
        try:
            with suppress(RuntimeError):  # what Python says where no more threads may be started
                self._end_from_outside(RESCUE_SECONDS + BELT_SECONDS)
                _after(RESCUE_SECONDS, self._give_up)
            self._rescue()
        finally:
            os._exit(self.code)

    def _end_from_outside(self, seconds: float) -> None:
        faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)

    def _give_up(self) -> None:
        """Say where all threads are: they stand still meanwhile, for this keeps the interpreter's lock."""
        try:
            faulthandler.dump_traceback(STDERR)
        finally:
            os._exit(self.code)


def _after(seconds: float, work: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()
    return timer


@contextmanager
def watching(seconds: float, rescue: Callable[[], None]) -> Iterator[Watchdog]:
    """Watch over the block, which has that many seconds."""
    watchdog = Watchdog(max(seconds, 0.1), rescue)
    try:
        yield watchdog
    finally:
        watchdog.stand_down()
