"""Sends what is not well through the notifiers: once a day for the same finding, and once when all is well again."""

import json
import logging
import os
import re
import select
import signal
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import config
from health.finding import Result
from health.runner import Child
from health.setup import Installation
from jobs import alerts
from jobs.delivery import Delivery, Target, entries
from jobs.job import catch_all
from notifiers import Message
from runtime.deadline import Deadline
from runtime.errors import StorageError
from runtime.formats import format_time, parse_time, pluralize
from runtime.plugins import settings_types
from storage.state import Witness

REPEAT_AFTER = timedelta(hours=23)  # a daily run may be early by some minutes
TABLE = "findings"  # in the memory of the notifiers: by label and component, when it was sent
NAME = "healthcheck"

Sent = dict[str, dict[str, str]]  # by component: the time of each finding that was sent


def send(checked: Installation, results: Sequence[Result], deadline: Deadline) -> str:
    """Notify in a process that is killed at the deadline; return what could not be sent, if anything."""
    result = Result("notifiers")
    child = Child(result, lambda pipe: _report(checked, results, deadline, pipe))
    try:
        while (left := deadline.remaining()) > 0:
            if select.select([child.pipe], [], [], left)[0] and child.has_ended():
                return result.message if result.level else "the notifiers could not be used"
        return "the notifiers did not end in time"
    finally:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        child.reap()


def _report(checked: Installation, results: Sequence[Result], deadline: Deadline, pipe: int) -> None:
    logging.disable()  # its errors are in the report, redacted
    path = checked.configuration.secrets_path
    secrets, _ = config.survey_secrets(path, {}, partial(settings_types, "notifiers"))
    delivery = alerts.delivery(
        checked.configuration.writing_to(Witness(checked.configuration.path).folder), secrets.notifiers,
        checked.request.now, checked.redact, deadline.earlier(0.2), catch_all)
    text = "" if secrets.notifiers else f"no notifier can be used: correct or add the section email in {path}"
    try:
        _deliver(checked, results, delivery)
    except (StorageError, OSError) as failure:
        text = f"it cannot be remembered what was sent: {failure}"
    failures = [f"could not notify by {label}: {error}" for label, error in delivery.errors.items() if error]
    message = checked.redact("; ".join([text, *failures] if text else failures))
    os.write(pipe, f"{json.dumps({'level': 'pass', 'message': message})}\n".encode())


def _deliver(checked: Installation, results: Sequence[Result], delivery: Delivery) -> None:
    if not checked.configuration.data.is_dir():  # nothing can be remembered; make no folder
        for target in delivery.targets:
            _send(delivery, target, results, {}, checked)
        return
    with delivery.memory() as memory:
        table: dict[str, Any] = entries(memory, TABLE)
        memory[TABLE] = {target.label: sent for target in delivery.targets
                         if (sent := _send(delivery, target, results, table.get(target.label, {}), checked))}


def _send(delivery: Delivery, target: Target, results: Sequence[Result], sent: Sent, checked: Installation) -> Sent:
    """Send what is due by one notifier; return what it has sent within a day and is not over."""
    unwell = {result.name: result for result in results if result.status in ("warn", "fail")}
    recent = {name: times for name, times in sent.items() if isinstance(times, dict)}
    now = format_time(checked.request.now)
    if any(not _is_recent(recent.get(name, {}).get(_key(result)), checked) for name, result in unwell.items()):
        if delivery.send(target, _unwell(unwell.values())):
            return recent | {name: recent.get(name, {}) | {_key(result): now} for name, result in unwell.items()}
    elif recent and not unwell and recent.keys() <= _over(results, recent, checked):
        if delivery.send(target, Message("cleared", NAME, "Home monitor: all is well again", "All is well again.\n")):
            return {}
    return recent


def _over(results: Sequence[Result], sent: Sent, checked: Installation) -> set[str]:
    """Return the components that passed, and in a check of all also those that are gone."""
    passed = {result.name for result in results if result.status == "pass"}
    return passed if checked.request.only else passed | (sent.keys() - {result.name for result in results})


def _key(result: Result) -> str:
    """Identify a finding, whatever its numbers and times are."""
    return sha256(re.sub(r"\d+", "", f"{result.status} {result.message}").encode()).hexdigest()[:16]


def _is_recent(sent_at: object, checked: Installation) -> bool:
    try:
        return timedelta(0) <= checked.request.now - parse_time(str(sent_at)) < REPEAT_AFTER
    except ValueError:
        return False


def _unwell(results: "Sequence[Result] | Any") -> Message:
    ordered = sorted(results, key=lambda result: -result.code)
    text = "".join(f"{result.name} ({result.status}): {result.message}\n"
                   + (f"Remedy: {result.remedy}\n" if result.remedy else "") + "\n" for result in ordered)
    names = ", ".join(result.name for result in ordered)
    return Message("raised", NAME, f"Home monitor: {pluralize(len(ordered), 'component')} not well: {names}",
                   text.rstrip("\n") + "\n", ordered[0].remedy)
