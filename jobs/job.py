"""What collectors' and publishers' runs have in common. It alone reads the wall clock, once, and catches everything.

Exit codes: 0 all is well (also: disabled, or another run is active) · 1 something failed that the next run may fix ·
2 a human is needed · 130 and 143 stopped by SIGINT and SIGTERM, with nothing half-stored.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import config
from runtime import log as log_file
from runtime import plugins
from runtime.deadline import Deadline, Stopwatch, Watchdog
from runtime.errors import Busy, CannotReach, HomeMonitorError, Interrupted, NotUnderstood, StorageError, describe
from runtime.files import drop_to_owner, locked, remove_leftovers
from runtime.formats import format_time
from runtime.redaction import Redactor, escape_unprintable
from runtime.retry import retry_policy
from runtime.startup import Options, open_standard_streams
from runtime.streams import is_terminal, write_line
from storage.state import CONFIGURATION_ALERT, NOTIFICATIONS, State, Witness

if TYPE_CHECKING:
    from jobs.alerts import AlertService
    from jobs.problems import Problems

log = logging.getLogger(__name__)

STORAGE_ALERT = ("ALERT_STORAGE_FAILING.txt", "https://www.sqlite.org/howtocorrupt.html")
WATCHDOG_SECONDS = 1.5  # before the deadline, the watchdog ends a run that hangs
RESERVED_SECONDS = 6  # before the deadline, requests end: storing, alerts and notifiers need time
NOTIFY_SECONDS = 4.0  # of these are reserved for notifiers


class Caught:
    error: Exception | None = None


@contextmanager
def catch_all() -> Iterator[Caught]:
    """Catch what a plug-in raises, bugs included, so that nothing it yielded before is lost."""
    caught = Caught()
    try:
        yield caught
    except HomeMonitorError as error:
        caught.error = error
    except Exception as error:
        log.critical("a fault in the program, please report it", exc_info=True)
        caught.error = error


def clock() -> datetime:
    """Return the time, aware UTC, in whole seconds."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, HomeMonitorError) else 1


def prints_text(options: Options) -> bool:
    """Return whether to print results as text; not under cron, which mails everything that is printed."""
    return not options.quiet and (options.dry_run or options.is_by_hand or is_terminal(sys.stdout))


class Job:
    """One run of one plug-in, as a context manager. Subclasses implement `save` and `print_skipped`."""

    kind = ""  # the plug-in's package, and its section of config.yaml
    overdue: Busy | None = None  # the run that keeps this one from its lock, if that hangs

    def __init__(self, name: str, options: Options) -> None:
        open_standard_streams()
        self.name, self.options = name, options
        self.stopwatch, self.now = Stopwatch(), clock()
        self.is_dry_run = options.dry_run
        self.path = config.find(options.config)
        self.redact = Redactor()
        self.exit_code = 0
        self._has_begun = False
        self._problems: Problems | None = None
        self._alerts: dict[Path, AlertService] = {}

    def __enter__(self) -> Self:
        self._watchdog = Watchdog(config.Collection().cycle_deadline_seconds - WATCHDOG_SECONDS, self._rescue,
                                  self._last_words)
        self.witness = Witness(self.path)
        self.data = self.witness.folder
        self.state = State(self.data / f"{self.name}.session.json")
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        """Close the log. After a signal or a bug, save the collected items; print a bug on one line, redacted."""
        if isinstance(error, SystemExit):
            if self._has_begun:  # before, there is no log, and Python would print it
                log.warning("interrupted")
            self._save(Interrupted("the run was asked to stop before it was complete"))
        if isinstance(error, Exception):
            self.exit_code = max(self.exit_code, 1)
            log.critical("a fault in the program, please report it", exc_info=error)
            self._save(NotUnderstood(f"a fault in the program: {type(error).__name__}"))
            self.problems.print_bug(error)
        self._watchdog.stand_down()
        log_file.shut_down(has_spoken=self._problems is not None and self._problems.has_written)
        return isinstance(error, Exception)

    def configure(self, module: Any) -> bool:
        """Load configuration and secrets and set up the log; return False if there is nothing to do."""
        if os.geteuid() == 0:
            owned = self.data if os.path.isdir(self.data) else self.path.parent.parent
            with suppress(OSError):  # in some containers root may not; reading goes on
                drop_to_owner(owned, (os.__file__, __file__, sys.executable))
        log_settings = config.Logging(log_file_path=self.data / "logs" / "home_monitor.log")
        try:
            sections: dict[str, dict[str, Any]] = {"collectors": {}, "publishers": {}}
            sections[self.kind][self.name] = module.Settings
            self.configuration = config.load(self.path, **sections).writing_to(self.data)
            log_settings = self.configuration.logging
            self.secrets = config.load_secrets(self.configuration.secrets_path, {self.name: module.Secrets},
                                               partial(plugins.settings_types, "notifiers"))
        except config.ConfigurationError as error:
            self._report_configuration(error, log_settings)
            return False
        self.redact = Redactor(self.secrets.values, self.secrets.logins)
        self.settings = (self.configuration.publishers if self.kind == "publishers"
                         else self.configuration.collectors)[self.name]
        self.alert = self.settings.alert or (f"ALERT_{self.name.upper()}_NEEDS_YOU.txt", "")
        return self._begin()

    def _report_configuration(self, error: config.ConfigurationError, log_settings: config.Logging) -> None:
        may_write = os.path.isdir(self.data) and not self.is_dry_run
        if may_write:
            log_file.set_up(log_settings, self.name, self.redact)
            log.critical("%s", describe(error))
        if self.options.json:
            self.print_skipped(describe(error))
        self.report(error)
        if may_write:
            self._remember()
            from jobs import alerts
            alerts.report_configuration(self.path, self.data, self.name, self.now, error, catch_all)

    def _begin(self) -> bool:
        configuration = self.configuration
        self.end = Deadline(self.settings.time_limit_seconds(configuration.collection.cycle_deadline_seconds))
        self.deadline = self.end.earlier(WATCHDOG_SECONDS)
        self._watchdog.move(self.deadline.remaining())
        if not self.settings.enabled:
            self._skip(f"disabled in {configuration.path}")
            if not self.is_dry_run:
                with suppress(OSError):
                    os.unlink(self.data / self.alert[0])
                self._notify()
            return False
        self.retry = retry_policy(configuration.retry)
        log_file.set_up(None if self.is_dry_run else configuration.logging, self.name, self.redact,
                        retry=self.retry.using(deadline=self.end.earlier(RESERVED_SECONDS)),
                        stderr=self.options.verbose)
        for warning in configuration.warnings + self.secrets.warnings:
            log.warning("%s", warning)
            if self.is_dry_run or is_terminal(sys.stderr):
                self.problems.say(warning)
        if self.secrets.notifier_error is not None:
            log.error("%s", describe(self.secrets.notifier_error))
            self.problems.report(self.secrets.notifier_error)
        return True

    def _rescue(self) -> None:
        """Save what a hanging run has collected. Runs in the watchdog's thread."""
        error = CannotReach("the run hung where it could not be interrupted, and was ended at its deadline",
                            "see whether names can be looked up (getent hosts example.com) and all disks answer")
        self._save(error)
        if not self.problems.has_written:
            self.problems.report(error)
        if not self.is_dry_run:
            log.critical("%s", describe(error))
        self._remember()

    def _last_words(self) -> None:
        """Print what a rescue that hangs too may not have saved. Touches no file."""
        if not self.problems.has_written:
            self.problems.print_unsaved(self.unsaved(), StorageError(
                "the run hung, and so did saving what it had read; was it stopped, or does a disk not answer?"))

    def _save(self, error: HomeMonitorError) -> None:
        if self._has_begun and not self.is_dry_run:
            self.save(error)

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Hold the plug-in's lock, except in a dry run or for an action; yield False if another run holds it."""
        self._has_begun = True
        path = self.data / f"{self.name}.lock"
        with ExitStack() as stack:
            try:
                if not self.is_dry_run and self.options.action is None:
                    stack.enter_context(locked(path, 0, since=format_time(self.now)))
            except Busy:
                from jobs import overdue
                self.overdue = overdue.find(path, self.now, self.configuration.collection.interval_seconds)
                self._skip(str(self.overdue or "another run is active: this one is left to it"))
                self.report(self.overdue)
                yield False
                self._remember() if self.overdue else self._settle_log()
                return
            except StorageError as error:  # go on: readings come first
                log.critical("%s", describe(error))
            for folder in () if self.is_dry_run else (self.data, self.path.parent):
                remove_leftovers(folder)
            yield True
            if not self.is_dry_run:
                self._notify()
            self._remember()

    @property
    def problems(self) -> "Problems":
        if self._problems is None:
            from jobs.problems import Problems
            state = None if self.is_dry_run else self.state
            self._problems = Problems(self.name, self.now, self.redact, state=state, always=self.options.is_by_hand)
        return self._problems

    def report(self, error: Exception | None) -> None:
        if error is not None:
            self.exit_code = max(self.exit_code, exit_code(error))
            self.problems.report(error)

    def update_alert(self, alert: tuple[str, str], subject: str, error: Exception | None,
                     kind: type[HomeMonitorError] | tuple[type[HomeMonitorError], ...]) -> None:
        """Raise the alert (file name, address) for an error of that kind; clear it without one; else leave it."""
        self._watchdog.code = max(self.exit_code, 1)
        if isinstance(error, kind):
            self._alerts_in(self.data).raise_alert(*alert, subject, error)
        for folder in (self.data, self.path.parent) if error is None else ():
            if os.path.lexists(folder / alert[0]):  # in config/: from when data/ was not in its place
                self._alerts_in(folder).clear_alert(alert[0])

    def _notify(self) -> None:
        if os.path.lexists(self.data / CONFIGURATION_ALERT):
            self._alerts_in(self.data).clear_configuration(self.path)
        if os.path.lexists(self.data / NOTIFICATIONS):
            self._alerts_in(self.data)
        for service in self._alerts.values():
            service.notify()

    def _alerts_in(self, folder: Path) -> "AlertService":
        if folder not in self._alerts:
            from jobs import alerts
            self._alerts[folder] = alerts.service(self.configuration.writing_to(folder), self.secrets.notifiers,
                                                  self.name, self.now, self.redact, self.deadline, catch_all)
        return self._alerts[folder]

    def save(self, error: HomeMonitorError) -> None:
        pass

    def unsaved(self) -> list[dict[str, Any]]:
        """Return the rows of collected readings that are not saved."""
        return []

    def print_skipped(self, reason: str) -> None:
        pass

    def _skip(self, reason: str) -> None:
        log.info("%s", reason)
        if self.options.json:
            self.print_skipped(reason)
        elif prints_text(self.options):
            self._print_line(f"{self.name}: {reason}")

    def _print_line(self, text: str) -> None:
        write_line(sys.stdout, escape_unprintable(self.redact(text)))

    def _remember(self) -> None:
        if self.is_dry_run:
            return
        self._settle_log()
        try:
            self.state.save()
        except OSError as error:  # nothing in it is needed
            log.warning("cannot save the state of this run: %s", error)

    def _settle_log(self) -> None:
        if "said_of_log" in self.state or log_file.troubled():
            self.problems.settle_log(self.state)
