"""Sends messages through the notifiers. Each notifier is isolated from the others, and ends within 4 seconds.

After a failure a notifier is left alone for the rest of the run. `data/notifications.json` records what was
delivered, so that a later run tries the rest again, and which notifiers failed last.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import notifiers
from notifiers import Message
from runtime.deadline import Deadline
from runtime.errors import CannotReach
from runtime.files import locked
from runtime.formats import format_time
from runtime.redaction import Redactor
from storage.state import NOTIFICATIONS, State

if TYPE_CHECKING:
    from jobs.job import Caught

Isolate = Callable[[], "AbstractContextManager[Caught]"]

log = logging.getLogger(__name__)

NOTIFIER_SECONDS = 4.0  # for each notifier
LOCK_SECONDS = 1.0  # to wait for another run that notifies; later runs deliver the rest
LOCK = "notifications.lock"
FAILED = "failed"  # in the memory: when and why the last delivery by a notifier failed


class Sender(NamedTuple):
    """Where messages come from: the house's name in config.yaml, if any, its folder, and the one for the memory."""

    house: str
    folder: Path
    data: Path


class Target(NamedTuple):
    """A notifier's section of secrets.yaml; `label` names it in messages and in the memory."""

    label: str
    name: str
    settings: Any


class Delivery:
    """One run's notifiers. `isolate` catches what one raises."""

    def __init__(self, sender: Sender, now: datetime, settings: Mapping[str, Sequence[Any]], redact: Redactor,
                 deadline: Deadline, isolate: Isolate) -> None:
        self.targets = list(_targets(settings))
        self.errors: dict[str, Exception | None] = {}  # of the last message that each notifier got
        self._sender, self._now, self._redact = sender, now, redact
        self._deadline, self._isolate = deadline, isolate

    def send(self, target: Target, message: Message) -> bool:
        """Return whether the message was delivered."""
        if self.errors.get(target.label):
            return False
        # Where time is short, an equal share: one that hangs takes nothing from the next.
        share = max(self._deadline.remaining(), 0.1) / (len(self.targets) - self.targets.index(target))
        error = self._attempt(target, self._complete(message), min(NOTIFIER_SECONDS, share))
        self.errors[target.label] = error
        if error is None:
            log.info("%s sent: %s", target.label, message.subject)
        else:
            log.error("could not notify by %s: %s", target.label, error)
        return error is None

    @contextmanager
    def memory(self) -> Iterator[State]:
        """Lock and yield the memory, then save it with this run's errors. Raise a StorageError or an OSError."""
        data = self._sender.data
        with locked(data / LOCK, LOCK_SECONDS):
            state = State(data / NOTIFICATIONS)
            yield state
            self._record_errors(state)
            if any(state.values()):
                state.save()
            else:
                (data / NOTIFICATIONS).unlink(missing_ok=True)

    def _record_errors(self, state: State) -> None:
        failed = {label: error for label, error in entries(state, FAILED).items()
                  if label not in self.errors and label in {target.label for target in self.targets}}
        state[FAILED] = failed | {label: {"at": format_time(self._now), "error": self._redact(str(error))}
                                  for label, error in self.errors.items() if error}

    def _complete(self, message: Message) -> Message:
        """Add when and where it was sent from."""
        house, machine = self._sender.house, os.uname().nodename
        lines = [f"machine: {machine}", f"folder: {self._sender.folder}"]
        if house:
            lines.insert(0, f"house: {house}")
        origin = "".join(f"{line}\n" for line in lines)
        return message._replace(
            subject=self._redact(f"[{house or machine}] {message.subject}"), house=house or machine, sent_at=self._now,
            text=f"{message.text}\n{self._redact(origin)}")

    def _attempt(self, target: Target, message: Message, seconds: float) -> Exception | None:
        """Notify in a thread, which can be abandoned: no signal ends the C library's name look-up."""
        errors: list[Exception | None] = []

        def work() -> None:
            with self._isolate() as caught:
                try:
                    notifiers.load(target.name).notify(target.settings, message, Deadline(seconds))
                except OSError as error:
                    raise CannotReach(f"{type(error).__name__}: {error}") from error
            errors.append(caught.error)

        thread = threading.Thread(target=work, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads
            return CannotReach(str(error))
        thread.join(seconds)
        return errors[0] if errors else CannotReach(f"no answer within {seconds:.1f} s")


def entries(state: State, name: str) -> dict[str, dict[str, Any]]:
    """Return one of the memory's tables; a damaged one counts as empty."""
    table = state.get(name)
    return {key: value for key, value in table.items() if isinstance(value, dict)} if isinstance(table, dict) else {}


def _targets(settings: Mapping[str, Sequence[Any]]) -> Iterator[Target]:
    for name, sections in settings.items():
        for number, section in enumerate(sections, 1):
            yield Target(name if len(sections) == 1 else f"{name}[{number}]", name, section)
