"""One call of devices.py: configuration, log, and how it talks to the person."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

import collectors
import config
from jobs.problems import Problems
from runtime import log as log_file
from runtime.commands import command
from runtime.files import drop_to_owner
from runtime.formats import pluralize
from runtime.redaction import Redactor, escape_unprintable
from runtime.retry import retry_policy
from storage import manager
from storage.manager import Connection
from storage.state import Witness

if TYPE_CHECKING:
    from cli.editor import DeviceEditor
    from storage.reading import Cycle

log = logging.getLogger(__name__)


class CommandContext:
    """What every command needs. `problems` prints on stderr."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self.path, self.clock, self.now = path, clock, clock()
        self.redact, self.witness = Redactor(), Witness(path)
        self.speak_as("devices")

    def speak_as(self, source: str) -> None:
        self.problems = Problems(source, self.now, self.redact, always=True)

    @cached_property
    def configuration(self) -> config.Configuration:
        return config.load(self.path, {name: collectors.load(name).Settings for name in collectors.names()})

    @cached_property
    def places(self) -> dict[str, str]:
        """The places in config.yaml, by device id; they take precedence over the registry's."""
        return {device_id: place for section in self.configuration.collectors.values()
                for device_id, place in section.places.items()}

    def reading(self) -> AbstractContextManager[Connection]:
        self._set_up(with_log=False)
        return self._open()

    def editor(self) -> "DeviceEditor":
        from cli.editor import DeviceEditor
        from jobs.persist import RetryRecorder
        from runtime.deadline import Stopwatch
        self._set_up(with_log=True)
        return DeviceEditor(self.configuration, self._open, self.problems,
                            RetryRecorder("devices", self.now, Stopwatch(), self.redact))

    def pending_cycles(self) -> "list[Cycle]":
        """Mention the cycles in the spool, and return the ones that cannot be running any more."""
        from storage import spool
        try:
            cycles = [*spool.pending_cycles(self.configuration.data),
                      *spool.pending_cycles(self.path.parent, spool.WAITING)]
        except OSError as error:
            self.say(f"{error.filename} cannot be read ({error.strerror}); the readings in it are shown as missing. "
                     "Remedy: run this as the account that runs the collectors", is_answer=False)
            return []
        if count := sum(len(cycle.readings) for cycle in cycles):
            self.say(f"{pluralize(count, 'reading')} {'waits' if count == 1 else 'wait'} in the spool for the next "
                     f"cycle that can write the database; to see the cause: {command('healthcheck.py')}", is_answer=False)
        longest = timedelta(seconds=self.configuration.collection.cycle_deadline_seconds)
        return [cycle for cycle in cycles if self.now - cycle.started_at >= longest]

    def say(self, text: str, is_answer: bool = True) -> None:
        """Log and print a text, on stderr if it is not part of the answer."""
        log.info("%s", text)
        click.echo(escape_unprintable(self.redact(text)), err=not is_answer)

    def _set_up(self, with_log: bool) -> None:
        settings = self.configuration.writing_to(self.witness.folder)
        drop_to_owner(settings.storage.database_path.parent, (__file__,))
        log_file.set_up(settings.logging if with_log else None, "devices", self.redact,
                        retry=retry_policy(settings.retry))

    def _open(self) -> AbstractContextManager[Connection]:
        storage = self.configuration.storage
        return manager.reading(storage.database_path, busy_timeout_ms=storage.busy_timeout_ms,
                               witness=self.witness)
