"""Raises and clears alert files, and sends one message per event through every notifier.

What a notifier has not delivered is sent by the next run, whichever that is, unless it is over by then.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import collectors
import config
import publishers
from jobs.delivery import NOTIFIER_SECONDS, Delivery, Isolate, Sender, entries
from notifiers import Message
from runtime.deadline import Deadline
from runtime.errors import HomeMonitorError, StorageError
from runtime.formats import format_time
from runtime.plugins import settings_types
from runtime.redaction import Redactor
from storage import alert_files
from storage.alert_files import Alert
from storage.state import CONFIGURATION_ALERT, State

log = logging.getLogger(__name__)

TABLE = "alerts"  # in the memory: the alerts of which anything was sent, and by which notifiers


class AlertService:
    """The alert files of one run of `source`, and their messages."""

    def __init__(self, folder: Path, source: str, now: datetime, redact: Redactor, delivery: Delivery) -> None:
        self._folder, self._source, self._now = folder, source, now
        self._redact, self._delivery = redact, delivery
        self._subjects: dict[str, str] = {}
        self._changed: set[str] = set()

    def raise_alert(self, name: str, url: str, subject: str, error: HomeMonitorError) -> None:
        """Write the alert file, or count one more occurrence."""
        now, redact = format_time(self._now), self._redact
        alert = Alert(
            sentence=redact(f"The home monitor needs a human: {error}."), raised_at=now, last_seen_at=now,
            occurrences=1, collector=self._source, error=redact(str(error)), remedy=redact(error.remedy), url=url)
        try:
            is_new = alert_files.raise_alert(self._folder / name, alert)
        except OSError as failure:
            log.critical("cannot write the alert %s: %s", name, failure.strerror)
            return
        self._subjects[name] = subject
        if is_new:
            log.critical("alert raised: %s", name)
            self._changed.add(name)

    def clear_alert(self, name: str) -> None:
        try:
            is_cleared = alert_files.clear(self._folder / name)
        except OSError as failure:
            log.error("cannot remove the alert %s: %s", name, failure.strerror)
            return
        if is_cleared:
            log.info("alert cleared: %s", name)
            self._changed.add(name)

    def clear_configuration(self, path: Path) -> None:
        """Clear the alert for a wrong configuration, if it was for this source, or if all of it is right again."""
        alert: dict[str, str] = {}
        with suppress(OSError):
            alert = alert_files.read(self._folder / CONFIGURATION_ALERT) or {}
        if alert.get("collector") == self._source or is_configuration_right(path):
            self.clear_alert(CONFIGURATION_ALERT)

    def notify(self) -> None:
        """Send for each alert what has not been delivered, and remember what has."""
        if not self._delivery.targets:
            return
        try:
            with self._delivery.memory() as memory:
                self._deliver(memory)
        except (StorageError, OSError) as error:
            log.warning("notifications wait for the next run, or are not remembered: %s", error)

    def _deliver(self, memory: State) -> None:
        active = {path.name: _read(path) for path in sorted(self._folder.glob("ALERT_*.txt"))}
        records = entries(memory, TABLE)
        for name, text in active.items():
            _note(records.setdefault(name, {}), alert_files.parse(text).get("raised_at", ""), self._subjects.get(name))
        memory[TABLE] = records
        names = set(records)
        try:
            memory.save()  # now: where nothing can be remembered, nothing is sent twice
        except OSError as error:
            log.warning("it cannot be remembered what was sent: %s", error)
            names &= self._changed
        for target in self._delivery.targets:
            for name in sorted(names):
                sent = records[name]["sent"]
                if (name in active) == (target.label in sent):
                    continue
                message = (_raised(name, active[name]) if name in active
                           else _cleared(name, str(records[name].get("subject") or name)))
                if self._delivery.send(target, message):
                    records[name]["sent"] = [*sent, target.label] if name in active else [
                        label for label in sent if label != target.label]
        labels = {target.label for target in self._delivery.targets}
        memory[TABLE] = {name: record for name, record in records.items()
                         if name in active or labels.intersection(record["sent"])}


def delivery(configuration: config.Configuration, settings: Mapping[str, Sequence[Any]], now: datetime, redact: Redactor,
             deadline: Deadline, isolate: Isolate) -> Delivery:
    sender = Sender(configuration.display.house or "", configuration.root, configuration.data)
    return Delivery(sender, now, settings, redact, deadline, isolate)


def service(configuration: config.Configuration, settings: Mapping[str, Sequence[Any]], source: str, now: datetime,
            redact: Redactor, deadline: Deadline, isolate: Isolate) -> AlertService:
    return AlertService(configuration.data, source, now, redact,
                        delivery(configuration, settings, now, redact, deadline, isolate))


def report_configuration(path: Path, folder: Path, source: str, now: datetime, error: HomeMonitorError,
                         isolate: Isolate) -> None:
    """Raise the alert for a wrong configuration, and send it by the notifiers whose sections are right."""
    configuration, _ = config.survey(path, {})
    secrets, _ = config.survey_secrets(configuration.secrets_path, {}, partial(settings_types, "notifiers"))
    alerts = service(configuration.writing_to(folder), secrets.notifiers, source, now,
                     Redactor(secrets.values, secrets.logins), Deadline(NOTIFIER_SECONDS), isolate)
    alerts.raise_alert(CONFIGURATION_ALERT, "", "the configuration", error)
    alerts.notify()


def is_configuration_right(path: Path) -> bool:
    """Return whether the sections of all plug-ins are right, enabled or not."""
    modules = ({name: collectors.load(name) for name in collectors.names()},
               {name: publishers.load(name) for name in publishers.names()})
    configuration, error = config.survey(path, *({name: module.Settings for name, module in kind.items()}
                                                 for kind in modules))
    secrets = {name: module.Secrets for kind in modules for name, module in kind.items()}
    return error is None and config.survey_secrets(configuration.secrets_path, secrets)[1] is None


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _note(record: dict[str, object], raised_at: str, subject: str | None) -> None:
    """Update the record of an active alert; one that was raised again is sent again."""
    is_same = not raised_at or record.get("raised_at") in (None, "", raised_at)
    record["sent"] = record.get("sent", []) if is_same else []
    record["raised_at"] = raised_at or record.get("raised_at", "")
    record["subject"] = subject or record.get("subject", "")


def _raised(name: str, text: str) -> Message:
    """An empty file is one for which the disk had no room."""
    text = text or f"The home monitor needs a human: see {name} and the health check.\n"
    return Message("raised", name, text.partition("\n")[0], text, alert_files.parse(text).get("remedy", ""))


def _cleared(name: str, subject: str) -> Message:
    return Message("cleared", name, f"Home monitor: {subject} no longer needs you",
                   f"{subject} no longer needs you. {name} has been removed.\n")
