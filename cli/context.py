"""One call of devices.py: what all of its commands need."""

import logging
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import click

import collectors
import config
from cli.registry import Registry
from config import legacy_devices
from jobs.problems import Problems
from jobs.retries import RetryRecorder
from runtime import log as log_file
from runtime.deadline import Stopwatch
from runtime.files import drop_to_owner
from runtime.formats import pluralize
from runtime.log import Redactor, escape_unprintable
from runtime.retry import retry_policy
from storage import lost_database, spool
from storage.reading import Cycle
from storage.readings import Work
from storage.registry import Device

log = logging.getLogger(__name__)


class CommandContext:
    """One call of devices.py: with which configuration, at what time, and how the person is spoken to."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self.path, self.clock, self.now = path, clock, clock()
        self.redact = Redactor()
        self.speak_as("devices")

    def speak_as(self, source: str) -> None:
        """Print problems under that name from now on."""
        self.problems = Problems(source, self.now, self.redact, always=True)

    @cached_property
    def configuration(self) -> config.Configuration:
        """What config.yaml says, the collectors' sections included, for people place devices there."""
        return config.load(self.path, {name: collectors.load(name).Settings for name in collectors.names()})

    def registry(self, changing: bool = True) -> Registry:
        """Return the devices in the database; whoever changes nothing leaves no line in the log either."""
        settings = self.configuration
        drop_to_owner(settings.storage.database_path.parent)
        log_file.set_up(settings.logging if changing else None, "devices", self.redact,
                        retry=retry_policy(settings.retry))
        return Registry(settings, self.problems, RetryRecorder("devices", self.now, Stopwatch(), self.redact))

    def devices(self, registry: Registry) -> list[Device]:
        """Return all devices in the order of their rooms, where config.yaml has them if it does; the inactive last."""
        placed = (each._replace(location=self.places.get(each.device_id) or each.location)
                  for each in registry.devices())
        return sorted(placed, key=lambda each: (not each.is_active, (each.location or "").casefold(),
                                                (each.device_name or "").casefold(), each.device_id))

    def waiting(self) -> list[Cycle]:
        """Return the cycles that wait in the spool, and tell of them; one that may be in hand is left out."""
        try:
            cycles = spool.pending_cycles(self.configuration.data)
        except OSError as error:
            self.hint(f"{error.filename} cannot be read ({error.strerror}): what waits there is shown as if nothing "
                      "had run. Remedy: ask as the account that runs the collectors")
            return []
        if count := sum(len(each.readings) for each in cycles):
            self.hint(f"{pluralize(count, 'reading')} {'waits' if count == 1 else 'wait'} in the spool for the next "
                      "cycle that can write the database; python healthcheck.py tells what is in its way.")
        longest = timedelta(seconds=self.configuration.collection.cycle_deadline_seconds)
        return [each for each in cycles if self.now - each.started_at >= longest]

    @property
    def marker(self) -> Path:
        """The file that says that readings were stored."""
        return self.configuration.data / lost_database.MARKER

    def tell_what_is_lost(self, kept: list[Path]) -> None:
        """Tell what a new database does not know, what is known without it, and what is kept of older ones."""
        click.echo("Names, places and offsets that were set with devices.py stood in the old one: set them anew.")
        if self.places:
            click.echo(f"Places that stand in {self.path} hold as before.")
        if (names := self.path.with_name(legacy_devices.FILE_NAME)).exists():
            click.echo(f"Names and places that stand in {names} are taken over again.")
        for each in kept:
            click.echo(f"They may still be found here: {lost_database.asking(each)}")

    @cached_property
    def places(self) -> dict[str, str]:
        """The places that config.yaml tells, by device id; they go before those that are chosen here."""
        return {device_id: place for section in self.configuration.collectors.values()
                for device_id, place in section.places.items()}

    def work_through(self, registry: Registry, work: Work, what: str) -> int:
        """Do something to many readings, with a bar that shows the way; return how many they were."""
        if sys.stderr.isatty():  # on a slow disk the looking alone may take minutes
            click.echo("Looking through its past ...", err=True)
        total = registry.count(work)
        try:
            with click.progressbar(length=total, label=what, file=sys.stderr) as bar:
                for count in registry.batches(work):
                    bar.update(count)
        except SystemExit:
            click.echo("\nInterrupted; the same command, given again, completes it.", err=True)
            raise
        return total

    def hint(self, text: str) -> None:
        """Tell the person, on stderr, what is no part of the answer."""
        click.echo(escape_unprintable(self.redact(text)), err=True)

    def say(self, text: str, err: bool = False) -> None:
        """Tell the person, and the log, what was done."""
        log.info("%s", text)
        click.echo(escape_unprintable(self.redact(text)), err=err)
