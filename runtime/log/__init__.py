"""One log file for all scripts. A line reads `2026-11-22T00:55:00+0000 INFO hue cycle stored 5 readings in 212 ms`.

Nothing here raises into the program; about its own problems it prints at most one line per process on stderr.
"""

import logging
import sys
import time
from typing import TYPE_CHECKING

from runtime.log.rotating import RotatingLog
from runtime.redaction import Redactor, escape_unprintable
from runtime.retry import RetryPolicy
from runtime.streams import write_line

if TYPE_CHECKING:
    import config

__all__ = ["LIMIT", "Line", "Redactor", "RotatingLog", "set_up", "shut_down", "troubled"]

LIMIT = 8192  # bytes, the line feed included
CUT = " [...] "
# What a message and its arguments can raise when they do not fit each other.
MISFITS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def set_up(settings: "config.Logging | None", collector: str, redact: Redactor, *, retry: RetryPolicy | None = None,
           stderr: bool = False) -> RotatingLog | None:
    """Send records to the file, and all records to stderr if asked for. Without settings touch no file."""
    shut_down()
    logging.raiseExceptions = False  # or a full disk prints a traceback per line, and cron mails megabytes of them
    line = Line(collector, redact)
    level = settings.level if settings else "INFO"
    logging.getLogger().setLevel("DEBUG" if stderr else level)
    # Without any handler Python itself would print warnings on stderr.
    _attach(_Stderr() if stderr else logging.NullHandler(), line, "DEBUG")
    if settings is None:
        return None
    handler = RotatingLog(settings.log_file_path, line, max_bytes=settings.max_bytes, retry=retry,
                          backup_count=settings.backup_count, min_free_mb=settings.min_free_mb)
    _attach(handler, line, level)
    return handler


def troubled() -> RotatingLog | None:
    """Return the log if it has a problem itself, to be printed on stderr when it is closed."""
    logs = (handler for handler in logging.getLogger().handlers if isinstance(handler, RotatingLog))
    return next((handler for handler in logs if handler.trouble), None)


def shut_down(has_spoken: bool = False) -> None:
    """Undo `set_up`; do not print the log's problem if the run has written to stderr."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, Line):
            root.removeHandler(handler)
            if has_spoken and isinstance(handler, RotatingLog):
                handler.trouble = None
            handler.close()


def _attach(handler: logging.Handler, line: "Line", level: str) -> None:
    handler.setFormatter(line)
    handler.setLevel(level)
    logging.getLogger().addHandler(handler)


class _Stderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        write_line(sys.stderr, self.format(record))


class Line(logging.Formatter):
    """Formats a record as one line of at most 8 KB. Redacts before it cuts, so that no half of a secret survives."""

    def __init__(self, collector: str, redact: Redactor) -> None:
        super().__init__()
        self._collector, self._redact = collector, redact
        self._latest = (0, "1970-01-01T00:00:00+0000")

    def format(self, record: logging.LogRecord) -> str:
        module = record.name.rpartition(".")[2]
        start = f"{self._stamp(int(record.created))} {record.levelname} {self._collector} {module} "
        return _shortened(start + escape_unprintable(self._redact(_message(record)) + self._traceback(record)))

    def clean(self, text: str) -> str:
        return _shortened(escape_unprintable(self._redact(text)))

    def _traceback(self, record: logging.LogRecord) -> str:
        if not record.exc_info or not record.exc_info[0]:
            return ""
        lines = self._redact(self.formatException(record.exc_info)).splitlines()
        return "".join(f" | {line.strip()}" for line in lines if line.strip(" ^~"))

    def _stamp(self, second: int) -> str:
        if second != self._latest[0]:
            self._latest = second, time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(second))
        return self._latest[1]


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except MISFITS:
        return f"{record.msg} {record.args}"


def _shortened(text: str) -> str:
    """Cut a long text in its middle: a traceback begins with the place and ends with the error."""
    encoded = text.encode()
    if len(encoded) < LIMIT:
        return text
    half = (LIMIT - len(CUT) - 1) // 2
    return encoded[:half].decode(errors="ignore") + CUT + encoded[-half:].decode(errors="ignore")
