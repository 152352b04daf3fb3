"""What collectors' and publishers' runs have in common. It alone reads the wall clock, once, and catches everything.

Exit codes: 0 all is well (also: disabled, or another run is active) · 1 something failed that the next run may fix ·
2 a human is needed · 130 and 143 stopped by SIGINT and SIGTERM, with nothing half-stored.
"""

import argparse
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import config
from runtime import VERSION, plugins
from runtime import log as log_file
from runtime.deadline import Deadline, Stopwatch, Watchdog, watching
from runtime.errors import Busy, CannotReach, HomeMonitorError, Interrupted, StorageError, describe
from runtime.files import locked
from runtime.redaction import Redactor, escape_unprintable
from runtime.retry import retry_policy
from runtime.streams import is_terminal, show_progress, write_line
from storage.state import State
from storage.witness import Witness

if TYPE_CHECKING:
    from jobs.problems import Problems

log = logging.getLogger(__name__)

WATCHDOG_SECONDS = 1.5  # before the deadline, the watchdog ends a run that hangs
RESERVED_SECONDS = 6  # before the deadline, requests end: storing, alerts and notifiers need time
NOTIFY_SECONDS = 4.0  # of these are reserved for notifiers
BUSY = "another run is active: this one is left to it"


class Caught:
    """The error that ended a block, if any."""

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


def option_parser(prog: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description=description, epilog=epilog)
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--config", metavar="PATH", help="default: $HOME_MONITOR_CONFIG, else config/config.yaml")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done; change nothing")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("-v", "--verbose", action="store_true", help="print results and log lines in any case")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no results, not even on a terminal")
    return parser


def exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, HomeMonitorError) else 1


def prints_text(options: argparse.Namespace) -> bool:
    """Return whether to print results as text; not under cron, which mails everything that is printed."""
    return not options.quiet and (options.dry_run or options.verbose or is_terminal(sys.stdout))


class Job:
    """One run of one plug-in, as a context manager. Subclasses implement `save` and `print_skipped`."""

    kind = ""  # the plug-in's package, and its section of config.yaml

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.options = name, options
        self.stopwatch, self.now = Stopwatch(), clock()
        self.is_dry_run: bool = options.dry_run
        self.path = config.find(options.config)
        self.witness = Witness(self.path)
        self.data = self.witness.folder
        self.redact = Redactor()
        self.exit_code = 0
        self.state = State(self.data / f"{name}.session.json")
        self._watchdog: Watchdog | None = None
        self._problems: Problems | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        """Close the log. Print an uncaught bug on one line, redacted."""
        if isinstance(error, Exception):
            self.exit_code = 1
            log.critical("a fault in the program, please report it", exc_info=error)
            self.problems.print_bug(error)
        log_file.shut_down(has_spoken=self._problems is not None and self._problems.has_written)
        return isinstance(error, Exception)

    def configure(self, module: Any) -> bool:
        """Load configuration and secrets and set up the log; return False if there is nothing to do."""
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
        has_folder = os.path.isdir(self.data)
        if has_folder and not self.is_dry_run:
            log_file.set_up(log_settings, self.name, self.redact)
            log.critical("%s", describe(error))
        if self.options.json:
            self.print_skipped(describe(error))
        self.report(error)
        if has_folder:
            self._remember()

    def _begin(self) -> bool:
        configuration = self.configuration
        if not self.settings.enabled:
            self._skip(f"disabled in {configuration.path}")
            if not self.is_dry_run:
                with suppress(OSError):
                    os.unlink(self.data / self.alert[0])
            return False
        self.end = Deadline(configuration.collection.cycle_deadline_seconds)
        self.deadline = self.end.earlier(WATCHDOG_SECONDS)
        self.retry = retry_policy(configuration.retry)
        log_file.set_up(None if self.is_dry_run else configuration.logging, self.name, self.redact,
                        retry=self.retry.using(deadline=self.end.earlier(RESERVED_SECONDS)),
                        stderr=self.options.verbose)
        for warning in configuration.warnings + self.secrets.warnings:
            log.warning("%s", warning)
            if self.is_dry_run or is_terminal(sys.stderr):
                self.problems.say(warning)
        return True

    @contextmanager
    def limit_time(self) -> Iterator[None]:
        """End the block at the deadline or on a signal, even if it hangs; save the collected items."""
        with watching(self.deadline.remaining(), self._rescue) as self._watchdog:
            try:
                yield
            except SystemExit:
                log.warning("interrupted")
                if not self.is_dry_run:
                    self.save(Interrupted("the run was asked to stop before it was complete"))
                raise

    def _rescue(self) -> None:
        """Save what a hanging run has collected. Runs in the watchdog's thread."""
        error = CannotReach("the run hung where it could not be interrupted, and was ended at its deadline",
                            "see whether names can be looked up (getent hosts example.com) and all disks answer")
        if not self.is_dry_run:
            self.save(error)
            log.critical("%s", describe(error))
        if not self.problems.has_written:
            self.problems.report(error)
        self._remember()

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Hold the plug-in's lock, except in a dry run; yield False if another run holds it."""
        with ExitStack() as stack:
            try:
                if not self.is_dry_run:
                    stack.enter_context(locked(self.data / f"{self.name}.lock", 0))
            except Busy:
                log.info("%s", BUSY)
                self._skip(BUSY)
                yield False
                self._settle_log()
                return
            except StorageError as error:  # go on: readings come first
                log.critical("%s", describe(error))
            yield True
            self._remember()

    @property
    def problems(self) -> "Problems":
        """stderr, set up only when there is a problem."""
        if self._problems is None:
            from jobs.problems import Problems
            state = None if self.is_dry_run else self.state
            self._problems = Problems(self.name, self.now, self.redact, state=state, always=self.options.verbose)
        return self._problems

    def report(self, error: Exception | None) -> None:
        """Print an error, if any; it counts for the exit code."""
        if error is not None:
            self.exit_code = max(self.exit_code, exit_code(error))
            self.problems.report(error)

    def update_alert(self, alert: tuple[str, str], subject: str, error: Exception | None,
                     kind: type[HomeMonitorError] | tuple[type[HomeMonitorError], ...]) -> None:
        """Raise the alert (file name, helpful address) for an error of that kind; clear it if there is no error.

        Other errors leave it as it is: they do not show whether a human is still needed.
        """
        name, url = alert
        if self._watchdog is not None:
            self._watchdog.code = max(self.exit_code, 1)
        # config/ may hold one from when data/ was not in its place.
        raised = [folder for folder in (self.data, self.path.parent) if os.path.lexists(folder / name)]
        for folder in raised if error is None else [self.data] if isinstance(error, kind) else []:
            from jobs.alerts import AlertService
            alerts = AlertService(
                folder, self.name, self.now, self.secrets.notifiers, self.redact, self.deadline, catch_all)
            if error is None:
                alerts.clear_alert(name, subject)
            elif isinstance(error, HomeMonitorError):
                alerts.raise_alert(name, url, error)

    def save(self, error: HomeMonitorError) -> None:
        """Save the items of a run that is cut short."""

    def print_skipped(self, reason: str) -> None:
        """Print as JSON why this run does nothing."""

    def _skip(self, reason: str) -> None:
        if self.options.json:
            self.print_skipped(reason)
        elif prints_text(self.options):
            self._print_line(f"{self.name}: {reason}")

    def _print_line(self, text: str) -> None:
        write_line(sys.stdout, escape_unprintable(self.redact(text)))

    def _alarm(self, text: str) -> None:
        """Log and print what no later run will repeat."""
        log.critical("%s", text)
        self.problems.say(text)

    def _show_progress(self, step: str, done: int, total: int) -> None:
        """Show a migration's progress, without a time limit: the collected items are in the spool."""
        if self._watchdog is not None:
            self._watchdog.stand_down()
        if not self.options.quiet:
            show_progress(step, done, total)

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
