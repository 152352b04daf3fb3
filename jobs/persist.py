"""Stores a cycle so that nothing can lose it: first in the spool, then in the database, with all that waits there."""

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import config
from runtime import files
from runtime.deadline import Deadline, Stopwatch
from runtime.errors import Busy, Missing, StorageError, Unusable, describe
from runtime.formats import format_time, one_line, pluralize
from runtime.redaction import Redactor
from storage import manager, spool
from storage.reading import Cycle, Reading, Retry
from storage.registry import Device
from storage.spool import SpooledCycle
from storage.state import Witness

if TYPE_CHECKING:
    from runtime.retry import Attempt, RetryPolicy
    from storage.cycles import Stored

log = logging.getLogger(__name__)

SHORTEST_WAIT = 0.2  # seconds for the lock of the spool, when there is no time left
CYCLES_AT_ONCE = 50  # in one transaction, so that no other writer waits long for the database
ERROR_LIMIT = 500  # characters of an error that the database keeps


class Persisted(NamedTuple):
    """The cycle as it was stored; `unsaved` are readings that could be neither spooled nor stored: print them."""

    cycle: Cycle
    stored: int
    spooled: int = 0
    error: StorageError | None = None
    unsaved: tuple[Reading, ...] = ()


class RetryRecorder:
    """The failed attempts of one run; `record` is the listener."""

    def __init__(self, source: str, now: datetime, stopwatch: Stopwatch, redact: Redactor) -> None:
        self.retries: list[Retry] = []
        self.now, self.stopwatch = now, stopwatch
        self._source, self._redact = source, redact

    def record(self, attempt: "Attempt") -> None:
        error = self.short(attempt.error)
        self.retries.append(Retry(
            at=self.now + timedelta(seconds=attempt.at_seconds - self.stopwatch.started),
            operation=attempt.operation, endpoint=attempt.endpoint, attempt=attempt.attempt,
            delay_seconds=attempt.delay_seconds, error_type=attempt.error_type, error=error, outcome=attempt.outcome))
        subject = f"{attempt.operation} at {attempt.endpoint or self._source}"
        if attempt.outcome == "recovered":
            log.info("%s succeeded at attempt %d", subject, attempt.attempt)
        elif attempt.outcome == "retrying":
            log.warning("%s failed (attempt %d, next in %.1f s): %s: %s", subject, attempt.attempt,
                        attempt.delay_seconds, attempt.error_type, error)
        else:
            level = logging.CRITICAL if attempt.operation == "store" else logging.ERROR
            log.log(level, "%s given up after %s in %.1f s: %s: %s", subject, pluralize(attempt.attempt, "attempt"),
                    attempt.elapsed_seconds, attempt.error_type, error)

    def with_recovery(self) -> tuple[Retry, ...]:
        """Return the attempts as they will be if the one to store that is under way succeeds."""
        last = self.retries[-1] if self.retries else None
        if last is None or (last.operation, last.outcome) != ("store", "retrying"):
            return tuple(self.retries)
        at = self.now + timedelta(milliseconds=self.stopwatch.elapsed_ms())
        return (*self.retries, last._replace(at=at, attempt=last.attempt + 1, delay_seconds=0.0, outcome="recovered"))

    def move(self, by: timedelta) -> None:
        """Correct all times: our clock was wrong."""
        self.now += by
        self.retries = [retry._replace(at=retry.at + by) for retry in self.retries]

    def short(self, text: str) -> str:
        return one_line(self._redact(text), ERROR_LIMIT) or ""


class Persister:
    """Stores one cycle. `alarm` reports what no later run can report; `progress` shows a migration's steps."""

    def __init__(self, configuration: config.Configuration, witness: Witness, *, retry: "RetryPolicy",
                 deadline: Deadline, recorder: RetryRecorder, alarm: Callable[[str], None],
                 progress: Callable[[str, int, int], None]) -> None:
        self.is_spooled = False
        self._settings, self._witness = configuration.storage, witness
        self._waiting = configuration.path.parent, spool.WAITING
        self._spool = (witness.folder, spool.NAME) if witness.folder == witness.data else self._waiting
        self._journals = [self._spool]
        self._writing = writer(configuration, witness, progress)
        self._longest_run = timedelta(seconds=configuration.collection.cycle_deadline_seconds)
        self._now, self._stopwatch, self._recorder = recorder.now, recorder.stopwatch, recorder
        self._retry, self._deadline, self._alarm = retry, deadline, alarm

    def spool(self, cycle: Cycle) -> SpooledCycle:
        folder, name = self._spool
        entry = spool.append(folder, cycle, self._stopwatch.elapsed_ms(), name, self._spool_wait())
        self.is_spooled = True
        return entry

    def store(self, cycle: Cycle, alone: bool = True) -> Persisted:
        """Store a cycle and all that waits; `alone` means that no other run of this collector is active."""
        own, spool_error = SpooledCycle(cycle, 0.0), None
        self._now = cycle.started_at
        try:
            own = self.spool(cycle)
        except StorageError as error:
            spool_error = error
            log.critical("%s", describe(error))
        store = self._retry(on=Busy, deadline=self._deadline, operation="store", listener=self._recorder.record,
                            endpoint=self._settings.database_path.name)(self._store_once)
        try:
            persisted: Persisted = store(own, spool_error, alone)
        except (StorageError, OSError) as error:
            return self._keep(own, spool_error, files.translate(error, self._settings.database_path)
                              if isinstance(error, OSError) else error)
        if persisted.error is None:
            return persisted
        return persisted._replace(cycle=self._with_error(persisted.cycle, persisted.error))

    def newest_cycle(self) -> datetime | None:
        """Return when the newest cycle started, stored or in the spool; None if unknown."""
        from storage import cycle_history
        times: list[datetime | None] = []
        with suppress(OSError):
            times += [cycle.started_at for cycle in spool.pending_cycles(*self._spool)]
        with suppress(StorageError, OSError), manager.reading(
                self._settings.database_path, busy_timeout_ms=min(self._settings.busy_timeout_ms, 1000)) as connection:
            times.append(cycle_history.newest(connection))
        return max(filter(None, times), default=None)

    def escalate(self, error: StorageError | None) -> StorageError | None:
        """Return the error for the alert, Unusable if readings have waited for too long."""
        if error is None or isinstance(error, Unusable):
            return error
        from jobs import unstored
        return unstored.escalate(error, self._spool, self._now, self._settings.database_path)

    def _keep(self, own: SpooledCycle, spool_error: StorageError | None, error: StorageError) -> Persisted:
        """Let a cycle wait, together with why it could not be stored."""
        from jobs import unstored
        if isinstance(error, Missing):
            own = self._move(own)
        explained = unstored.explain(own.cycle, error, spool_error, self._spool)
        cycle = self._with_error(own.cycle, explained)._replace(retries=tuple(self._recorder.retries))
        if spool_error is not None:
            return Persisted(cycle, 0, error=explained, unsaved=cycle.readings)
        try:
            if unstored.has_room(self._spool):
                self._spool_again(own, cycle, self._spool)
        except (StorageError, OSError) as failure:
            log.warning("the spool does not have why the cycle waits: %s", failure)
        return Persisted(cycle, 0, len(cycle.readings), explained)

    def _with_error(self, cycle: Cycle, error: StorageError) -> Cycle:
        """Log the error, and return the cycle with it, unless it has one of its source."""
        text = describe(error)
        log.critical("%s", text)
        return cycle if cycle.error else cycle._replace(
            outcome="partial" if cycle.outcome == "ok" else cycle.outcome, error_type=type(error).__name__,
            error=self._recorder.short(text))

    def _store_once(self, own: SpooledCycle, spool_error: StorageError | None, alone: bool) -> Persisted:
        # Half of the remaining time: one wait for our own lock file and one for SQLite's locks may follow each other.
        wait_ms = min(self._settings.busy_timeout_ms, max(0, int(self._deadline.remaining() * 500)))
        with self._writing(busy_timeout_ms=wait_ms) as connection:
            waiting, elsewhere = list[SpooledCycle](), list[SpooledCycle]()
            try:
                if not isinstance(spool_error, Busy):
                    waiting = spool.pending(self._spool[0], self._alarm, own, self._spool[1])
                elsewhere = self._waiting_in_config()
            except StorageError as error:
                spool_error = error
            # cron starts all collectors at once: the run that spooled a cycle may be about to store it.
            others = [entry for entry in waiting if alone and entry.cycle.collector == own.cycle.collector
                      or abs(self._now - entry.cycle.started_at) >= self._longest_run] + elsewhere
            own = own._replace(cycle=own.cycle._replace(retries=self._recorder.with_recovery()))
            results = self._add(connection, [*others, own], own)
            if self._waiting in self._journals[1:]:
                self._clear_waiting()
        stored = results[-1]
        if isinstance(stored, StorageError):
            raise stored
        return Persisted(own.cycle._replace(readings=stored.readings), len(stored.readings),
                         error=_remaining(others, results, spool_error))

    def _waiting_in_config(self) -> list[SpooledCycle]:
        """Return what has waited in config/ while data/ was not in its place."""
        folder, name = self._waiting
        if self._spool == self._waiting or not os.path.exists(folder / name):
            return []
        self._journals = [self._spool, self._waiting]
        return spool.pending(folder, self._alarm, name=name)

    def _clear_waiting(self) -> None:
        try:
            spool.remove_if_stored(*self._waiting)
        except StorageError as error:  # it will be removed by a later cycle
            log.error("%s", error)

    def _move(self, own: SpooledCycle) -> SpooledCycle:
        """Let a cycle wait in config/: the disk with the spool may be the wrong one."""
        if self._spool == self._waiting or not own.line:
            return own
        try:
            own = self._spool_again(own, own.cycle, self._waiting)
            self._spool = self._waiting
        except StorageError as error:
            log.warning("the readings wait in the spool, not in %s: %s", self._waiting[0] / self._waiting[1], error)
        return own

    def _spool_again(self, own: SpooledCycle, cycle: Cycle, place: tuple[Path, str]) -> SpooledCycle:
        folder, name = place
        again = spool.append(folder, cycle, own.duration_ms, name, self._spool_wait())
        spool.mark_stored(self._spool[0], [own], self._spool[1])
        return again

    def _spool_wait(self) -> float:
        return min(spool.LOCK_SECONDS, max(self._deadline.remaining(), SHORTEST_WAIT))

    def _add(self, connection: manager.Writer, entries: list[SpooledCycle],
             own: SpooledCycle) -> "list[Stored | StorageError]":
        database = self._settings.database_path
        if any(entry.cycle.readings for entry in entries) and not self._witness.is_current(database):
            from storage.witness import renew_or_log
            renew_or_log(self._witness, connection, database, format_time(own.cycle.started_at))
        results: list[Stored | StorageError] = []
        waited: list[Cycle] = []
        for first in range(0, len(entries), CYCLES_AT_ONCE):
            batch = entries[first:first + CYCLES_AT_ONCE]
            results += manager.add_cycles(connection, batch, own=own, elapsed_ms=self._stopwatch.elapsed_ms,
                                          keep_days=self._settings.keep_cycles_days)
            stored = [entry for entry, result in zip(batch, results[first:]) if not isinstance(result, StorageError)]
            waited += [entry.cycle for entry in stored if entry is not own]
            for folder, name in self._journals:
                try:
                    spool.mark_stored(folder, stored, name)
                except StorageError as error:  # they will be stored once more, which changes nothing
                    log.error("cycles that are stored stay in the spool too: %s", error)
        if waited:
            connection.later.append(partial(
                log.warning, "%s of %s had waited in the spool",
                pluralize(sum(len(cycle.readings) for cycle in waited), "reading"), pluralize(len(waited), "cycle")))
        return results


def _remaining(entries: list[SpooledCycle], results: "list[Stored | StorageError]",
               spool_error: StorageError | None) -> StorageError | None:
    """Return the error that someone has to act on although the cycle is stored."""
    refusals = [(entry, result) for entry, result in zip(entries, results) if isinstance(result, StorageError)]
    if not refusals and spool_error is None:
        return None
    from jobs import unstored
    if refusals:
        return unstored.refused(refusals[0][0].cycle, refusals[0][1])
    return unstored.actionable(spool_error) if spool_error is not None else None


def writer(configuration: config.Configuration, witness: Witness,
           progress: Callable[[str, int, int], None]) -> Callable[..., AbstractContextManager[manager.Writer]]:
    settings = configuration.storage
    return partial(
        manager.writing, settings.database_path, wal=settings.enable_wal_mode,
        checkpoint_pages=settings.wal_checkpoint_interval, busy_timeout_ms=settings.busy_timeout_ms,
        adopt=partial(_legacy_devices, configuration.path), progress=progress,
        witness=witness)


def _legacy_devices(path: Path) -> list[Device]:
    from config import legacy
    try:
        return [Device(device_id=device.device_id, device_type=device.device_type, device_name=device.name,
                       location=device.location) for device in legacy.known_devices(path)]
    except config.ConfigurationError as error:
        raise Unusable(str(error), error.remedy) from error
