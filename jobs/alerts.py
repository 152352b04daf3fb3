"""Raises and clears alert files, and sends one message per event through every notifier; one that fails is logged."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import notifiers
from notifiers import Message
from runtime.deadline import Deadline, time_limit
from runtime.errors import CannotReach, HomeMonitorError
from runtime.formats import format_time
from runtime.redaction import Redactor
from storage import alert_files
from storage.alert_files import Alert

if TYPE_CHECKING:
    from jobs.job import Caught

log = logging.getLogger(__name__)

NOTIFIER_SECONDS = 4.0  # for each notifier


class AlertService:
    """`settings` holds those of each notifier; `isolate` catches what one raises."""

    def __init__(self, folder: Path, source: str, now: datetime, settings: Mapping[str, Sequence[Any]],
                 redact: Redactor, deadline: Deadline, isolate: "Callable[[], AbstractContextManager[Caught]]") -> None:
        self._folder, self._source, self._now = folder, source, now
        self._settings = [(name, section) for name, sections in settings.items() for section in sections]
        self._redact, self._deadline, self._isolate = redact, deadline, isolate

    def raise_alert(self, name: str, url: str, error: HomeMonitorError) -> None:
        """Write the alert file, or count one more occurrence; notify if it is new."""
        now, redact = format_time(self._now), self._redact
        alert = Alert(
            sentence=redact(f"The home monitor needs a human: {error}."), raised_at=now, last_seen_at=now,
            occurrences=1, collector=self._source, error=redact(str(error)), remedy=redact(error.remedy), url=url)
        try:
            is_new = alert_files.raise_alert(self._folder / name, alert)
        except OSError as failure:
            log.critical("cannot write the alert %s: %s", name, failure.strerror)
            return
        if is_new:
            log.critical("alert raised: %s", name)
            text = redact(alert.text())
            self._notify(Message("raised", name, text.partition("\n")[0], text, alert.remedy))

    def clear_alert(self, name: str, subject: str) -> None:
        try:
            is_cleared = alert_files.clear(self._folder / name)
        except OSError as failure:
            log.error("cannot remove the alert %s: %s", name, failure.strerror)
            return
        if is_cleared:
            log.info("alert cleared: %s", name)
            self._notify(Message("cleared", name, f"Home monitor: {subject} works again",
                                 f"{subject} works again. {name} has been removed.\n"))

    def _notify(self, message: Message) -> None:
        for number, (name, settings) in enumerate(self._settings):
            # Where time is short, an equal share: one that hangs takes nothing from the next.
            share = max(self._deadline.remaining(), 0.1) / (len(self._settings) - number)
            seconds = min(NOTIFIER_SECONDS, share)
            with self._isolate() as caught:
                try:
                    with time_limit(seconds):
                        notifiers.load(name).notify(settings, message, Deadline(seconds))
                except OSError as error:  # such as TimeoutError, which time_limit raises
                    raise CannotReach(f"{type(error).__name__}: {error}") from error
            if caught.error is None:
                log.info("%s sent: %s", name, message.subject)
            else:
                log.error("could not notify by %s: %s", name, caught.error)
