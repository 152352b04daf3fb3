"""The line a log record becomes: `2026-11-22T00:55:00+0000 INFO hue cycle stored 5 readings in 212 ms`.

One record is one line of at most 8 KB, whatever a bridge, a cloud or a traceback put into it. Secrets are masked before
anything is escaped or cut, so that no half of one survives at the cut.
"""

import logging
import time

from runtime.redaction import Redactor, escaped

LIMIT = 8192  # bytes, the line feed included
CUT = " [...] "
# What a message and its arguments can raise when they do not fit each other.
MISFITS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class Line(logging.Formatter):
    """Format the record's own time in UTC, level, collector, last part of the logger's name, message, traceback."""

    def __init__(self, collector: str, mask: Redactor) -> None:
        super().__init__()
        self._collector, self._mask = collector, mask
        self._latest = (0, "1970-01-01T00:00:00+0000")

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole line but for its line feed."""
        module = record.name.rpartition(".")[2]
        start = f"{self._stamp(int(record.created))} {record.levelname} {self._collector} {module} "
        return _capped(start + escaped(self._mask(_message(record)) + self._traceback(record)))

    def clean(self, text: str) -> str:
        """Return any text masked, on one line, and no longer than a line may be."""
        return _capped(escaped(self._mask(text)))

    def _traceback(self, record: logging.LogRecord) -> str:
        if not record.exc_info or not record.exc_info[0]:
            return ""
        lines = self._mask(self.formatException(record.exc_info)).splitlines()
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


def _capped(text: str) -> str:
    """Cut a long text in its middle: a traceback begins with the place and ends with the error."""
    encoded = text.encode()
    if len(encoded) < LIMIT:
        return text
    half = (LIMIT - len(CUT) - 1) // 2
    return encoded[:half].decode(errors="ignore") + CUT + encoded[-half:].decode(errors="ignore")
