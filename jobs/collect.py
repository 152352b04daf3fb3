"""One cycle of one collector, from its configuration to its exit code.

The only module of the collectors that reads the clock (once), and the only one that catches everything. A collector's
module ends with `cycle.main(...)`; all else happens here, in this order: configuration and secrets,
the log, the collector's lock, the source, the database, a line in the log. No transaction is open while the network is
asked.

Exit codes: 0 all is well (also: disabled, or another run of the same collector is active) · 1 something failed that the
next cycle may mend · 2 a human is needed · 130 and 143 interrupted by SIGINT and SIGTERM, with nothing half-stored.
"""

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import collectors
from runtime import startup

with startup.sparing(["traceback"]):
    import argparse
    import logging

    import config

from jobs import alerts, cooldown
from jobs.persist import Store
from jobs.report import Manner, Report, Result
from runtime import log as log_file
from runtime.deadline import Deadline, Stopwatch, Tally
from runtime.errors import (
    Busy,
    CannotReach,
    HomeMonitorError,
    Interrupted,
    NotAuthorised,
    RemoteError,
    StorageError,
    Unusable,
    describe,
)
from runtime.files import locked
from runtime.log import Redactor
from runtime.retry import retry_policy
from runtime.signals import interruptible
from runtime.watchdog import Watchdog, watching
from storage import alert_files
from storage.reading import Cycle, Reading, Sighting, masked
from storage.state import State

if TYPE_CHECKING:
    from runtime.http_client import HttpClient

log = logging.getLogger("jobs.cycle")  # the word that log lines show

STORING_SECONDS = 6  # of the cycle's deadline are kept from the network, so that storing, alerts and e-mail have room
WATCHDOG_SECONDS = 1.5  # of it are the watchdog's, should all else hang
STORAGE_ALERT = ("ALERT_STORAGE_FAILING.txt", "https://www.sqlite.org/howtocorrupt.html")


def main(collector: Any) -> NoReturn:
    """Run one cycle as all that this process is for."""
    gc.disable()  # nothing lives long enough here for it to find anything
    startup.leave(run(collector))


@interruptible()
def run(collector: Any, arguments: Sequence[str] | None = None) -> int:
    """Given a collector's module, run one cycle as the command line asks for it. Return the exit code."""
    watch = Stopwatch()
    now = clock()
    name = collector.__spec__.name.rpartition(".")[2]
    options = _options(name).parse_args(arguments)
    manner = Manner(options.verbose, options.quiet, options.json, options.dry_run or options.discover, options.discover)
    report = Report(name, now, manner, watch, log)
    path = config.find(options.config)
    journal = config.Logging(log_file_path=path.parent.parent / "data" / "logs" / "home_monitor.log")
    try:
        configuration = config.load(path, dict.fromkeys(collectors.names()) | {name: collector.Settings})
        journal = configuration.logging
        secrets = config.load_secrets(configuration.secrets_path, {name: collector.Secrets},
                                      {"email": lambda: config.Email})
    except config.ConfigurationError as error:
        return _misconfigured(error, report, name, path.parent.parent / "data", None if manner.always else journal)
    report.mask = Redactor(secrets.values, secrets.logins)
    sys.excepthook = report.fault
    try:
        return _Run(name, cast(collectors.Collector, collector), configuration, secrets, now, watch, report).go(options)
    finally:
        log_file.shut_down(has_spoken=report.has_spoken)


def clock() -> datetime:
    """Return the moment it is, in whole seconds; to be asked once in a process."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def exit_code(error: Exception | None) -> int:
    """Return what an error means to whoever started the program: 0 none, 1 time may mend it, 2 a human is needed."""
    if error is None:
        return 0
    return error.exit_code if isinstance(error, HomeMonitorError) else 1


def _options(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m collectors.{name}", description=f"Read {name} once and store what it tells.")
    parser.add_argument("--config", metavar="PATH", help="default: $HOME_MONITOR_CONFIG, else config/config.yaml")
    parser.add_argument("--dry-run", action="store_true", help="read and print, store nothing")
    parser.add_argument("--discover", action="store_true", help="the same, listing all that the source offers")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("-v", "--verbose", action="store_true", help="print readings and log lines in any case")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no readings, not even on a terminal")
    return parser


def _misconfigured(error: config.ConfigurationError, report: Report, name: str, data: Path,
                   journal: config.Logging | None) -> int:
    """Tell of the configuration wherever that can be done without one. No journal means that no file is touched."""
    memory = None
    if journal is not None and os.path.isdir(data):
        memory = State(data / f"{name}.session.json")
        log_file.set_up(journal, name, report.mask)
        log.critical("%s", describe(error))
    report.idle(describe(error), told=True)
    report.trouble(error, memory)
    report.remember(memory)
    log_file.shut_down()
    return exit_code(error)


class _Run:
    """One run whose configuration is known to be good."""

    def __init__(self, name: str, collector: collectors.Collector, configuration: config.Configuration,
                 secrets: config.Secrets, now: datetime, watch: Stopwatch, report: Report) -> None:
        self.name, self.collector, self.configuration = name, collector, configuration
        self.settings, self.secrets = configuration.collectors[name], secrets.sections.get(name)
        self.alert: tuple[str, str] = self.settings.alert or (f"ALERT_{name.upper()}_NEEDS_YOU.txt", "")
        self.warnings = configuration.warnings + secrets.warnings
        self.email = next(iter(secrets.notifiers.get("email", ())), None)
        self.now, self.watch, self.report = now, watch, report
        self.end = Deadline(configuration.collection.cycle_deadline_seconds)
        self.deadline = self.end.earlier(WATCHDOG_SECONDS)
        self.retry = retry_policy(configuration.retry)
        self.store = Store(configuration, self.retry, self.deadline.earlier(alerts.SENDING_SECONDS), report,
                           self._progress)
        self.memory = State(configuration.data / f"{name}.session.json")
        self.found: list[Reading | Sighting] = []
        self.harvest: Cycle | None = None
        self.tally = Tally()
        self.watchdog: Watchdog | None = None

    def go(self, options: argparse.Namespace) -> int:
        """Do what the command line asks for, and return the exit code."""
        data = self.configuration.data
        looks_only = options.dry_run or options.discover
        if not self.settings.enabled:
            self.report.idle(f"disabled in {self.configuration.path}")
            if not looks_only:
                with suppress(OSError):  # whoever disabled it needs no reminder
                    alert_files.clear(data / self.alert[0])
            return 0
        log_file.set_up(None if looks_only else self.configuration.logging, self.name, self.report.mask,
                        retry=partial(self.retry, deadline=self.end.earlier(STORING_SECONDS)),
                        stderr=options.verbose)
        for warning in self.warnings:
            self.report.warn(warning)
        with watching(self.deadline.remaining(), partial(self._rescue, looks_only)) as self.watchdog:
            try:
                return self._look(options.discover) if looks_only else self._locked(data / f"{self.name}.lock")
            except SystemExit:
                log.warning("interrupted")
                if not looks_only and any(isinstance(each, Reading) for each in self.found):
                    self._keep_found(Interrupted("the run was asked to end half-way"))
                raise

    def _locked(self, lock: Path) -> int:
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(lock, 0))
            except Busy:
                return self._skip()
            except StorageError as error:  # whatever else cannot be written will tell of it; the readings come first
                log.critical("%s", describe(error))
            return self._cycle()

    def _look(self, is_discovery: bool) -> int:
        if is_discovery:  # what was found on another day is no answer
            self.memory.pop("monitors", None)
        cycle, error = self._collect()
        self.report.result(Result(cycle.with_places(), 0, self.watch.elapsed_ms()))
        if error is not None:
            self.report.trouble(error, None)
        return exit_code(error)

    def _rescue(self, looks_only: bool) -> None:
        """Save what there is of a run that hangs, and say so; called from a thread of the watchdog's."""
        error = CannotReach("the run hung where it could not be interrupted, and was ended at its deadline",
                            "see whether names can be looked up (getent hosts example.com) and all disks answer")
        if not looks_only:
            self._keep_found(error)
            log.critical("%s", describe(error))
        if not self.report.has_spoken:
            self.report.trouble(error, None if looks_only else self.memory)
        if not looks_only:
            self.report.remember(self.memory)

    def _keep_found(self, error: Exception | None) -> None:
        """Put down what has been collected so far, if it is not put down yet."""
        if (self.found or error) and not self.store.has_kept:
            cycle = self.harvest or self._harvest(error)
            try:
                self.store.put_down(cycle)
            except StorageError as trouble:
                self.report.last_resort(cycle.readings, trouble)

    def _progress(self, step: str, done: int, total: int) -> None:
        """Let a migration take its time: what this cycle brought home is in the spool."""
        if self.watchdog is not None:
            self.watchdog.stand_down()
        self.report.progress(step, done, total)

    def _skip(self) -> int:
        log.info("another run is active: this cycle is left to it")
        self.report.idle("another run is active: this cycle is left to it")
        self.store.store(Cycle(collector=self.name, started_at=self.now, outcome="skipped"), is_alone=False)
        self.report.settle_log(self.memory)
        return 0

    def _cycle(self) -> int:
        cycle, error = self._collect()
        result, trouble = self.store.store(cycle)
        if trouble is None or error is not None:
            self.report.log(result, error, exit_code(error))
        self.report.result(result)
        for each in (trouble, error):
            if each is not None:
                self.report.trouble(each, self.memory)
        if error is None and trouble is None:
            self.memory.pop("said", None)
        code = max(exit_code(error), exit_code(trouble))
        if self.watchdog is not None:
            self.watchdog.code = max(code, 1)
        desk = alerts.Desk(self.configuration.data, self.name, self.now, self.email, self.report.mask, self.deadline)
        desk.settle(self.alert, self.name, error, NotAuthorised)
        desk.settle(STORAGE_ALERT, "storage", self.store.for_a_human(trouble), Unusable)
        self.report.remember(self.memory)
        return code

    def _collect(self) -> tuple[Cycle, Exception | None]:
        """Ask the source for all it has, and return that with whatever went wrong on the way."""
        written = self.configuration.secrets_path, self.configuration.path
        error: Exception | None = cooldown.standing(self.memory, self.now, *written)
        if error is not None:
            return self._harvest(error), error
        from runtime.http_client import HttpClient
        with HttpClient(self.end.earlier(STORING_SECONDS), partial(self.retry, listener=self.report.retry),
                     self.report.mask.learn) as http:
            self.tally = http.tally
            error = self._drain(http)
        cooldown.remember(self.memory, error, self.now + timedelta(milliseconds=self.watch.elapsed_ms()), *written)
        return self._harvest(error), error

    def _drain(self, http: "HttpClient") -> Exception | None:
        try:
            for item in self.collector.collect(self.settings, self.secrets, http, self.memory, self.now):
                self.found.append(masked(item, self.report.mask))  # a source may repeat what we have shown to it
        except RemoteError as error:
            return error
        except Exception as error:  # the only catch-all: a fault in one collector must not cost what it had yielded
            log.critical("a fault in the program, please report it", exc_info=True)
            return error
        return None

    def _harvest(self, error: Exception | None) -> Cycle:
        readings = tuple(item for item in self.found if isinstance(item, Reading))
        outcome = "ok" if error is None else error.outcome if isinstance(error, RemoteError) else "not_understood"
        if readings and error is not None and not isinstance(error, Interrupted):
            outcome = "partial"
        self.harvest = Cycle(
            collector=self.name, started_at=self.now, outcome=outcome,
            fetch_ms=self.tally.fetch_ms, payload_bytes=self.tally.payload_bytes, requests=self.tally.requests,
            endpoint=self.tally.endpoint,
            error_type=type(error).__name__ if error else None,
            error=self.report.short(describe(error)) if error else None,
            readings=readings, sightings=tuple(item for item in self.found if isinstance(item, Sighting)),
            retries=tuple(self.report.retries))
        return self.harvest
