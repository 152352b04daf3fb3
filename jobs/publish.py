"""Runs one publisher, or all enabled ones. A publisher's module ends with `jobs.publish.main(sys.modules[__name__])`."""

import gc
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import collectors
import config
import publishers
from jobs.job import RESERVED_SECONDS, STORAGE_ALERT, Job, catch_all, prints_text
from jobs.persist import RetryRecorder
from publishers import HasActions
from runtime import startup
from runtime.deadline import Deadline
from runtime.errors import (
    CannotReach,
    ConfigurationError,
    Damaged,
    HomeMonitorError,
    Missing,
    NotAuthorised,
    Unusable,
    describe,
)
from runtime.formats import format_time
from runtime.retry import RetryPolicy
from runtime.startup import interruptible, parse_options
from storage.changes import Changes
from storage.overview import Home

if TYPE_CHECKING:
    from runtime.http_client import HttpClient

BY_HAND_SECONDS = 6 * 3600.0

log = logging.getLogger(__name__)


def main(module: Any) -> NoReturn:
    """Run one publisher, then end the process."""
    gc.disable()
    startup.exit_fast(run(module))


def main_all() -> NoReturn:
    """Run all enabled publishers, then end the process."""
    startup.exit_fast(run_all(sys.argv[1:]))


@interruptible()
def run(module: Any, arguments: Sequence[str] | None = None) -> int:
    """Given a publisher's module and its command line, run it once; return the exit code."""
    with _PublisherRun(module, arguments) as job:
        if job.configure(module):
            with job.lock() as is_locked:
                if is_locked:
                    job.report_result(job.publish())
    return job.exit_code


@interruptible()
def run_all(arguments: Sequence[str]) -> int:
    """Run every enabled publisher in its own process, so that none stops the others; return the worst exit code."""
    codes = set()
    with _AllPublishers(arguments) as job:
        names = job.enabled()
        job.leave_time_to_others()
        codes = {_run_process(name, arguments) for name in names}
    codes.add(job.exit_code)
    return 2 if 2 in codes else int(any(codes))


class _PublisherRun(Job):
    """One publisher's run; `message` is its result, as a sentence."""

    kind = "publishers"

    def __init__(self, module: Any, arguments: Sequence[str] | None) -> None:
        name = module.__spec__.name.rpartition(".")[2]
        actions = module.ACTIONS if isinstance(module, HasActions) else {}
        super().__init__(name, parse_options(
            arguments, f"python -m publishers.{name}", f"Send new readings to {name}.",
            "A dry run asks the destination whether it answers, and sends nothing.",
            actions={option: action.help for option, action in actions.items()}))
        self.message = ""
        self._action = actions.get(self.options.action or "")
        self._module = module

    def publish(self) -> Exception | None:
        """Publish new readings or do what an option asks for, in a dry run only ask the destination; return the error."""
        storage, secrets = self.configuration.storage, self.secrets.sections.get(self.name)
        changes = Changes(storage.database_path, self._describe_home, busy_timeout_ms=storage.busy_timeout_ms,
                          witness=self.witness)
        with catch_all() as caught:
            try:
                if self.is_dry_run and self._action and self._action.preview:
                    self.message = self._action.preview(self.settings)
                elif self.is_dry_run:
                    self.message = self._module.probe(self.settings, secrets, self.state, self._tools())
                elif self._action:
                    self._take_time()
                    self.message = self._action.act(self.settings, secrets, changes, self.state, self._tools())
                else:
                    self.message = self._module.publish(self.settings, secrets, changes, self.state, self._tools())
                    self.state[publishers.PUBLISHED_AT] = format_time(self.now)
            except OSError as error:
                raise CannotReach(f"{type(error).__name__}: {error}") from error
        return caught.error

    def _take_time(self) -> None:
        """A person waits, and can end it."""
        self._watchdog.stand_down()
        self.end = Deadline(BY_HAND_SECONDS)

    def _tools(self) -> publishers.Run:
        recorder = RetryRecorder(self.name, self.now, self.stopwatch, self.redact)
        retry = self.retry.using(deadline=self.end.earlier(RESERVED_SECONDS), listener=recorder.record)
        return publishers.Run(self.now, self.end.earlier(RESERVED_SECONDS), retry, partial(self._open_http, retry),
                              self._alert)

    def _open_http(self, retry: RetryPolicy) -> "HttpClient":
        from runtime.http_client import HttpClient
        return HttpClient(self.end.earlier(RESERVED_SECONDS), retry, self.redact.learn)

    def _alert(self, name: str, subject: str, error: HomeMonitorError | None) -> None:
        self.update_alert((f"ALERT_{name.upper()}.txt", ""), subject, error, HomeMonitorError)

    def _describe_home(self) -> Home:
        """A collector's wrong section counts as its default, as everywhere but in that collector."""
        modules = {name: collectors.load(name).Settings for name in collectors.names()}
        configuration, _ = config.survey(self.path, modules)
        sections, display = configuration.collectors, configuration.display
        return Home(
            data=self.data, name=display.house or os.uname().nodename, time_zone=display.time_zone,
            interval_seconds=configuration.collection.interval_seconds,
            cycle_seconds=configuration.collection.cycle_deadline_seconds,
            keep_days=configuration.storage.keep_cycles_days,
            places={device: place for section in sections.values() for device, place in section.places.items()},
            stopped=[name for name, section in sections.items() if not section.enabled])

    def report_result(self, error: Exception | None) -> None:
        if error is None:
            log.info("%s in %.0f ms", self.message, self.stopwatch.elapsed_ms())
        else:
            log.error("%s", describe(error))
        if self.options.json:
            self._print_json("ok" if error is None else "failed", None if error is None else describe(error))
        elif error is None and prints_text(self.options):
            lines = self.message.split("\n")
            for line in lines if len(lines) > 1 else [f"{self.name}: {self.message}"]:
                self._print_line(line)
        self.report(error)
        if self.is_dry_run or self._action:
            return
        if isinstance(error, Missing | Damaged):  # one alert for all that need the database
            self.update_alert(STORAGE_ALERT, "storage", error, Unusable)
        else:
            self.update_alert(self.alert, self.name, error, (NotAuthorised, Unusable, ConfigurationError))

    def print_skipped(self, reason: str) -> None:
        self._print_json("skipped", reason)

    def _print_json(self, outcome: str, error: str | None) -> None:
        from jobs.console import Console
        Console(self.redact).print_json({
            "publisher": self.name, "started_at": format_time(self.now), "outcome": outcome, "message": self.message,
            "duration_ms": round(self.stopwatch.elapsed_ms(), 1), "error": error})


class _AllPublishers(Job):
    kind = "publishers"

    def __init__(self, arguments: Sequence[str]) -> None:
        names = ", ".join(publishers.names()) or "none yet"
        super().__init__("publishers", parse_options(
            arguments, "python -m publishers", "Run all enabled publishers, one after the other.",
            f"Publishers: {names}. Each also runs by itself: python -m publishers.NAME"))

    def enabled(self) -> list[str]:
        """Return the names of the enabled publishers; report a wrong configuration that leaves none."""
        configuration, error = config.survey(
            self.path, {}, {name: publishers.load(name).Settings for name in publishers.names()})
        names = [name for name, settings in configuration.publishers.items() if settings.enabled]
        if isinstance(error, ConfigurationError) and not names:
            self._report_configuration(error, configuration.logging)
        return names

    def leave_time_to_others(self) -> None:
        """Each publisher's run has a time limit of its own, which may be hours."""
        self._watchdog.stand_down()


def _run_process(name: str, arguments: Sequence[str]) -> int:
    with subprocess.Popen([sys.executable, "-m", f"publishers.{name}", *arguments]) as process:
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
