"""One collection cycle. A collector's module ends with `jobs.collect.main(sys.modules[__name__])`."""

import gc
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NoReturn

from collectors import DISCOVERED
from jobs.job import NOTIFY_SECONDS, RESERVED_SECONDS, STORAGE_ALERT, Job, catch_all, clock, exit_code, prints_text
from jobs.persist import Persisted, Persister, RetryRecorder
from runtime import startup
from runtime.deadline import Tally
from runtime.errors import (
    Busy,
    HomeMonitorError,
    Interrupted,
    NotAuthorised,
    NotUnderstood,
    RemoteError,
    StorageError,
    Unusable,
    describe,
)
from runtime.formats import pluralize
from runtime.startup import interruptible, parse_options
from runtime.streams import show_progress
from storage.reading import CLOCK_TOLERANCE, Cycle, Reading, Sighting, clean

log = logging.getLogger("jobs.cycle")  # the word in the log line of each cycle

CLOCK_WARNED_AT = "said_of_clock"  # in the state


def main(module: Any) -> NoReturn:
    """Run one cycle, then end the process."""
    gc.disable()  # the process is too short-lived for it to find anything
    startup.exit_fast(run(module))


@interruptible()
def run(module: Any, arguments: Sequence[str] | None = None) -> int:
    """Given a collector's module and its command line, run one cycle; return the exit code."""
    with _CollectorRun(module, arguments) as cycle:                 # 1. read the clock, once
        if cycle.configure(module):                                 # 2. and 3. configuration, secrets, log
            with cycle.lock() as is_locked:                         # 4. the lock
                if is_locked:
                    error = cycle.collect()                         # 5. everything the source has, with retries
                    persisted = cycle.persist(error)                # 6. and 7. into the spool, then the database
                    cycle.report_result(persisted, error)           # 8. one line in the log
                else:
                    cycle.record_skipped()
    return cycle.exit_code                                          # 9. leave


class _CollectorRun(Job):
    """One cycle; `items` is what the source has yielded so far."""

    kind = "collectors"

    def __init__(self, module: Any, arguments: Sequence[str] | None) -> None:
        name = module.__spec__.name.rpartition(".")[2]
        super().__init__(name, parse_options(arguments, f"python -m collectors.{name}",
                                             f"Read {name} once and store what it measures.", can_discover=True))
        self.items: list[Reading | Sighting] = []
        self._module = module
        self._cycle: Cycle | None = None
        self._persisted: Persisted | None = None
        self._tally = Tally()
        self._time = self.now

    def configure(self, module: Any) -> bool:
        if not super().configure(module):
            return False
        self._recorder = RetryRecorder(self.name, self.now, self.stopwatch, self.redact)
        self._persister = Persister(
            self.configuration, self.witness, retry=self.retry, deadline=self.deadline.earlier(NOTIFY_SECONDS),
            recorder=self._recorder, alarm=self._alarm, progress=self._show_progress)
        return True

    def _alarm(self, text: str) -> None:
        log.critical("%s", text)
        self.problems.say(text)

    def _show_progress(self, step: str, done: int, total: int) -> None:
        """Show a migration's progress, without a time limit: the collected items are in the spool."""
        self._watchdog.stand_down()
        if not self.options.quiet:
            show_progress(step, done, total)

    def collect(self) -> Exception | None:
        """Collect everything from the source into `items`; return the error that ended it, if any."""
        files = self.secrets.path, self.configuration.path
        if "pause" in self.state:
            from jobs import cooldown
            if error := cooldown.active(self.state, self.now, *files):
                return error
        if self.options.discover:  # ask again instead
            self.state.pop(DISCOVERED, None)
        from runtime.http_client import HttpClient
        refused: Exception | None = None
        retry = self.retry.using(listener=self._recorder.record)
        with HttpClient(self.end.earlier(RESERVED_SECONDS), retry, self.redact.learn) as http, catch_all() as caught:
            self._tally = http.tally
            secrets = self.secrets.sections.get(self.name)
            for item in self._module.collect(self.settings, secrets, http, self.state, self.now):
                try:
                    self.items.append(clean(item, self.redact))  # a source may repeat our secrets
                except ValueError as error:  # a bad item costs only itself
                    log.error("not stored: %s", error)
                    refused = NotUnderstood(f"not stored: {error}")
        caught.error = caught.error or refused
        if caught.error is not None or "pause" in self.state:
            from jobs import cooldown
            cooldown.record(self.state, caught.error, self.now + timedelta(milliseconds=self.stopwatch.elapsed_ms()),
                            *files)
        return caught.error

    def persist(self, error: Exception | None) -> Persisted:
        self._judge_clock()
        self._cycle = self._summarize(error)
        self._persisted = (Persisted(self._cycle.with_places(), 0) if self.is_dry_run
                           else self._persister.store(self._cycle))
        return self._persisted

    def report_result(self, persisted: Persisted, error: Exception | None) -> None:
        if not self.is_dry_run and (persisted.error is None or error is not None):
            self._log_result(persisted, error)
        if persisted.unsaved and persisted.error is not None:
            self.problems.print_unsaved([reading.row() for reading in persisted.unsaved], persisted.error)
        self._print_result(persisted)
        self.report(persisted.error)
        self.report(error)
        if self.is_dry_run:
            return
        if self.exit_code == 0 and self.secrets.notifier_error is None:
            self.state.pop("said", None)
        self.update_alert(self.alert, self.name, error, NotAuthorised)
        self.update_alert(STORAGE_ALERT, "storage", self._persister.escalate(persisted.error), Unusable)

    def record_skipped(self) -> None:
        """Store a row for a cycle that was left to another run."""
        error = self.overdue
        self._persister.store(Cycle(
            collector=self.name, started_at=self.now, outcome="skipped", error_type=type(error).__name__ if error else None,
            error=self._recorder.short(describe(error)) if error else None), alone=False)

    def save(self, error: HomeMonitorError) -> None:
        """Spool the collected items, unless they are spooled already; else print them."""
        has_readings = any(isinstance(item, Reading) for item in self.items)
        if self._is_saved() or isinstance(error, Interrupted) and not has_readings:
            return
        cycle = self._cycle or self._summarize(error)
        try:
            self._persister.spool(cycle)
        except StorageError as failure:
            if cycle.readings:  # if the spool is busy, this run itself may hang in it
                why = error if isinstance(failure, Busy) else failure
                self.problems.print_unsaved([reading.row() for reading in cycle.readings], why)

    def unsaved(self) -> list[dict[str, Any]]:
        if self.is_dry_run or self._has_begun and self._is_saved():
            return []
        return [item.row() for item in self.items if isinstance(item, Reading)]

    def _is_saved(self) -> bool:
        return self._persister.is_spooled or self._persisted is not None

    def print_skipped(self, reason: str) -> None:
        self._print_json(Persisted(Cycle(collector=self.name, started_at=self.now, outcome="skipped", error=reason), 0))

    def _judge_clock(self) -> None:
        """Choose the time of the cycle, and warn of a clock that differs from the source's."""
        ours, date = self._clock_at_answer(), self._tally.date
        if date is not None and abs(ours - date) <= CLOCK_TOLERANCE:
            self.state.pop(CLOCK_WARNED_AT, None)
            return
        from jobs import cycle_time
        present, passed = clock(), timedelta(milliseconds=self.stopwatch.elapsed_ms())
        verdict = cycle_time.judge(self.name, cycle_time.Clocks(
            ours, date, present, present - self.now - passed, None if self.is_dry_run else self._persister.newest_cycle()))
        if verdict is None:
            return
        if verdict.time is not None:
            self._recorder.move(verdict.time - self.now)
            self._time = verdict.time
        log.warning("%s", describe(verdict.warning))
        self.problems.say_daily(describe(verdict.warning), CLOCK_WARNED_AT)

    def _clock_at_answer(self) -> datetime:
        """Return the time of the source's last answer, or of now without one, by our clock at the start."""
        if self._tally.date is None:
            return self.now + timedelta(milliseconds=self.stopwatch.elapsed_ms())
        return self.now + timedelta(seconds=self._tally.dated_at - self.stopwatch.started)

    def _clock_offset(self) -> int | None:
        date = self._tally.date
        return None if date is None else round((self._clock_at_answer() - date).total_seconds())

    def _summarize(self, error: Exception | None) -> Cycle:
        readings = tuple(item if self._time == self.now else item._replace(timestamp=self._time)
                         for item in self.items if isinstance(item, Reading))
        outcome = "ok" if error is None else error.outcome if isinstance(error, RemoteError) else "not_understood"
        if readings and error is not None and not isinstance(error, Interrupted):
            outcome = "partial"
        tally = self._tally
        return Cycle(
            collector=self.name, started_at=self._time, outcome=outcome, fetch_ms=tally.fetch_ms,
            payload_bytes=tally.payload_bytes, requests=tally.requests, endpoint=tally.endpoint,
            error_type=type(error).__name__ if error else None,
            error=self._recorder.short(describe(error)) if error else None,
            clock_offset_seconds=self._clock_offset(),
            readings=readings, sightings=tuple(item for item in self.items if isinstance(item, Sighting)),
            retries=tuple(self._recorder.retries))

    def _log_result(self, persisted: Persisted, error: Exception | None) -> None:
        cycle = persisted.cycle
        stored = (f"{pluralize(persisted.stored, 'reading')} in {self.stopwatch.elapsed_ms():.0f} ms "
                  f"({cycle.payload_bytes / 1000:.1f} kB, {pluralize(cycle.tried_again(), 'retry', 'retries')})"
                  f"{_stale(cycle)}")
        if error is None:
            log.info("stored %s", stored)
        else:
            level = logging.CRITICAL if exit_code(error) == 2 else logging.ERROR
            log.log(level, "%s: %s; stored %s", cycle.outcome, describe(error), stored)

    def _print_result(self, persisted: Persisted) -> None:
        if self.options.json:
            self._print_json(persisted)
        elif prints_text(self.options):
            from jobs.console import Console
            Console(self.redact).print_cycle(persisted.cycle, as_table=self.options.discover)

    def _print_json(self, persisted: Persisted) -> None:
        from jobs.console import Console, summarize
        document = summarize(
            persisted.cycle, persisted.stored, persisted.spooled, self.stopwatch.elapsed_ms())
        if self.options.discover:
            document["devices"] = [device._asdict() for device in persisted.cycle.seen()]
        Console(self.redact).print_json(document)


def _stale(cycle: Cycle) -> str:
    """Return the devices without a fresh value, as the end of a sentence."""
    devices = [f"{device.name or device.device_id} ({device.trouble})" for device in cycle.seen() if device.trouble]
    return f"; no fresh value: {', '.join(devices)}" if devices else ""
