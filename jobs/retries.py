"""Records each failed attempt as a line in the log and a row of `retry_events`."""

import logging
from datetime import datetime, timedelta

from runtime.deadline import Stopwatch
from runtime.formats import one_line, pluralize
from runtime.redaction import Redactor
from runtime.retry import Attempt
from storage.reading import Retry

log = logging.getLogger(__name__)

ERROR_LIMIT = 500  # characters of an error that the database keeps


class RetryRecorder:
    """The failed attempts of one run; `record` is the listener."""

    def __init__(self, source: str, now: datetime, stopwatch: Stopwatch, redact: Redactor) -> None:
        self.retries: list[Retry] = []
        self._source, self._now, self._stopwatch, self._redact = source, now, stopwatch, redact

    def record(self, attempt: Attempt) -> None:
        """Log an attempt and keep its row."""
        error = self.short(attempt.error)
        self.retries.append(Retry(
            at=self._now + timedelta(seconds=attempt.at_seconds - self._stopwatch.started),
            operation=attempt.operation, endpoint=attempt.endpoint, attempt=attempt.attempt,
            delay_seconds=attempt.delay_seconds, error_type=attempt.error_type, error=error, outcome=attempt.outcome))
        subject = f"{attempt.operation} at {attempt.endpoint or self._source}"
        if attempt.outcome == "recovered":
            log.info("%s succeeded at attempt %d", subject, attempt.attempt)
        elif attempt.outcome == "retrying":
            log.warning("%s failed (attempt %d, next in %.1f s): %s: %s", subject, attempt.attempt,
                        attempt.delay_seconds, attempt.error_type, error)
        else:
            level = logging.CRITICAL if attempt.operation == "store" else logging.ERROR
            log.log(level, "%s given up after %s in %.1f s: %s: %s", subject, pluralize(attempt.attempt, "attempt"),
                    attempt.elapsed_seconds, attempt.error_type, error)

    def short(self, text: str) -> str:
        """Return a text as the database keeps it: redacted, shortened, on one line."""
        return one_line(self._redact(text), ERROR_LIMIT) or ""
