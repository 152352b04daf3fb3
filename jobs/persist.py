"""Stores a cycle so that nothing can lose it: first in the spool, then, with all that waits there, in the database.

What cannot be stored stays in the spool, and a later cycle of any collector stores it, unless the run that spooled it
may still be alive. Readings that can be neither spooled nor stored are returned; the caller prints them.
"""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import config
from runtime import files
from runtime.deadline import Deadline, Stopwatch
from runtime.errors import Busy, StorageError, Unusable, describe
from runtime.formats import format_time, pluralize
from storage import lost_database, manager, spool
from storage.reading import Cycle, Reading, Retry
from storage.registry import Device
from storage.spool import SpooledCycle

if TYPE_CHECKING:
    from typing import Protocol

    from runtime.retry import Attempt
    from storage.cycles import Stored

    class Recorder(Protocol):
        """Records failed attempts: `retries` so far, and `short` makes an error's text fit for the database."""

        retries: list[Retry]

        def record(self, attempt: Attempt) -> None:
            """Record an attempt that failed, or the recovery from one."""

        def short(self, text: str) -> str:
            """Redact a text and cut it to what the database takes."""

log = logging.getLogger(__name__)

CYCLES_AT_ONCE = 50  # in one transaction, so that no other writer waits long for the database
ESCALATE_AFTER = timedelta(hours=24)
ESCALATE_USED = 0.5  # of the spool


class Persisted(NamedTuple):
    """What became of a cycle: it as it was stored, how many of its readings are in the database or only in the spool.

    `error` is what went wrong; `unsaved` are readings that could be neither spooled nor stored.
    """

    cycle: Cycle
    stored: int
    spooled: int = 0
    error: StorageError | None = None
    unsaved: tuple[Reading, ...] = ()


class Persister:
    """The spool and the database for one run, with one deadline for both.

    `alarm` reports what no later run can report again; `progress` shows a migration's.
    """

    def __init__(self, configuration: config.Configuration, *, collector: str, now: datetime, retry: Callable[..., Any],
                 deadline: Deadline, stopwatch: Stopwatch, recorder: "Recorder", alarm: Callable[[str], None],
                 progress: Callable[[str, int, int], None]) -> None:
        self.is_spooled = False
        self._settings, self._folder = configuration.storage, configuration.data
        self._marker = configuration.data / lost_database.MARKER
        self._writing = writer(configuration, progress)
        self._longest_run = timedelta(seconds=configuration.collection.cycle_deadline_seconds)
        self._collector, self._now, self._retry, self._deadline = collector, now, retry, deadline
        self._stopwatch, self._recorder, self._alarm = stopwatch, recorder, alarm

    def spool(self, cycle: Cycle) -> SpooledCycle:
        """Write a cycle into the spool. Raise StorageError."""
        entry = spool.append(self._folder, cycle, self._stopwatch.elapsed_ms())
        self.is_spooled = True
        return entry

    def store(self, cycle: Cycle, alone: bool = True) -> Persisted:
        """Store a cycle and all that waits in the spool.

        `alone` means that no other run of this collector is active, so that nobody else stores what waits of it.
        """
        entry, spool_error = SpooledCycle(cycle, self._stopwatch.elapsed_ms()), None
        try:
            entry = self.spool(cycle)
        except StorageError as error:
            spool_error = error
            log.critical("%s", describe(error))
        store = self._retry(on=Busy, deadline=self._deadline, operation="store", listener=self._recorder.record,
                            endpoint=self._settings.database_path.name)(self._store_pending)
        try:
            persisted: Persisted = store(entry, spool_error, alone)
        except OSError as error:
            persisted = self._unstored(entry, spool_error, files.translate(error, self._settings.database_path))
        except StorageError as error:
            persisted = self._unstored(entry, spool_error, error)
        if persisted.error is None:
            return persisted
        log.critical("%s", describe(persisted.error))
        return persisted._replace(cycle=persisted.cycle._replace(
            outcome="partial" if cycle.outcome == "ok" else cycle.outcome, error_type=type(persisted.error).__name__,
            error=self._recorder.short(describe(persisted.error))))

    def escalate(self, error: StorageError | None) -> StorageError | None:
        """Return the error to raise an alert for: one that has lasted for a day, or half fills the spool, is Unusable."""
        if error is None or isinstance(error, Unusable):
            return error
        try:
            status = spool.status(self._folder)
        except OSError:
            return error
        if status.oldest is None or status.used < ESCALATE_USED and self._now - status.oldest < ESCALATE_AFTER:
            return error
        path = self._settings.database_path
        return Unusable(
            f"{error}, the first since {format_time(status.oldest)}; the spool is {status.used:.0%} full",
            error.remedy or f"see what holds the database (fuser -v {path}), or what fills its disk (df -h {path.parent})")

    def _store_pending(self, own: SpooledCycle, spool_error: StorageError | None, alone: bool) -> Persisted:
        # Half of what is left: one wait for our own lock file and one for SQLite's locks may follow each other.
        wait_ms = min(self._settings.busy_timeout_ms, max(0, int(self._deadline.remaining() * 500)))
        with self._writing(busy_timeout_ms=wait_ms) as connection:
            others, spool_error = self._pending(own, spool_error, alone)
            own = own._replace(cycle=own.cycle._replace(retries=tuple(self._recorder.retries)))
            entries = [*others, own]
            has_readings = any(entry.cycle.readings for entry in entries)
            if has_readings and not os.path.exists(self._marker):  # before a commit, so that no kill comes in between
                lost_database.mark(self._marker)
            results = self._add(connection, entries, own)
        refusals = [(entry, result) for entry, result in zip(others, results) if isinstance(result, StorageError)]
        stored = results[-1]
        if isinstance(stored, StorageError):
            raise stored
        error = _refused(*refusals[0]) if refusals else _actionable(spool_error)
        return Persisted(own.cycle._replace(readings=stored.readings), len(stored.readings), error=error)

    def _pending(self, own: SpooledCycle, spool_error: StorageError | None,
                 alone: bool) -> tuple[list[SpooledCycle], StorageError | None]:
        """Return the cycles of others that wait and can be stored now, and what is wrong with the spool."""
        if isinstance(spool_error, Busy):
            return [], spool_error
        try:
            entries = spool.pending(self._folder, self._alarm, own)
        except StorageError as error:
            return [], error
        return [entry for entry in entries if not self._is_in_hand(entry.cycle, alone)], spool_error

    def _is_in_hand(self, cycle: Cycle, alone: bool) -> bool:
        """Return whether the run that spooled a cycle may be about to store it: cron starts all collectors at once."""
        if cycle.collector == self._collector and alone:
            return False
        return abs(self._now - cycle.started_at) < self._longest_run

    def _add(self, connection: manager.Writer, entries: Sequence[SpooledCycle],
             own: SpooledCycle) -> "list[Stored | StorageError]":
        results: list[Stored | StorageError] = []
        for first in range(0, len(entries), CYCLES_AT_ONCE):
            batch = entries[first:first + CYCLES_AT_ONCE]
            added = manager.add_cycles(connection, batch, own=own, elapsed_ms=self._stopwatch.elapsed_ms,
                                       keep_days=self._settings.keep_cycles_days)
            results += added
            self._mark_stored([entry for entry, result in zip(batch, added)
                               if entry.line and not isinstance(result, StorageError)])
        waited = [entry.cycle for entry, result in zip(entries, results)
                  if entry is not own and not isinstance(result, StorageError)]
        if waited:
            connection.later.append(partial(
                log.warning, "%s of %s had waited in the spool",
                pluralize(sum(len(cycle.readings) for cycle in waited), "reading"), pluralize(len(waited), "cycle")))
        return results

    def _mark_stored(self, entries: list[SpooledCycle]) -> None:
        try:
            if entries:
                spool.mark_stored(self._folder, entries)
        except StorageError as error:  # they will be stored once more, which changes nothing
            log.error("cycles that are stored stay in the spool too: %s", error)

    def _unstored(self, entry: SpooledCycle, spool_error: StorageError | None, error: StorageError) -> Persisted:
        cycle = entry.cycle
        if spool_error is not None:
            both = Unusable(f"{error}; nor can readings wait for it: {spool_error}", _remedy(spool_error, error))
            return Persisted(cycle, 0, error=both, unsaved=cycle.readings)
        waiting = len(cycle.readings)
        if waiting:
            waits = f"{pluralize(waiting, 'reading')} {'waits' if waiting == 1 else 'wait'}"
            error = type(error)(f"{error}; its {waits} in the spool", error.remedy)
        return Persisted(cycle, 0, waiting, error)


def _refused(entry: SpooledCycle, refusal: StorageError) -> StorageError:
    return Unusable(f"the database refuses the cycle of {entry.cycle.collector} of "
                    f"{format_time(entry.cycle.started_at)}, which waits in the spool: {refusal}",
                    "report it, with data/spool.journal")


def _actionable(error: StorageError | None) -> StorageError | None:
    """Return the spool error if someone has to act on it, although no reading was lost."""
    if error is None or isinstance(error, spool.Full):  # by now it is empty
        return None
    return error if isinstance(error, Busy) else Unusable(str(error), _remedy(error))


def _remedy(*errors: StorageError) -> str:
    return next((error.remedy for error in errors if error.remedy),
                "check the disk: df -h shows its free space, dmesg its errors")


def writer(configuration: config.Configuration,
           progress: Callable[[str, int, int], None]) -> Callable[..., AbstractContextManager[manager.Writer]]:
    """Return `storage.manager.writing` for the configured database."""
    settings = configuration.storage
    return partial(
        manager.writing, settings.database_path, wal=settings.enable_wal_mode,
        checkpoint_pages=settings.wal_checkpoint_interval, busy_timeout_ms=settings.busy_timeout_ms,
        adopt=partial(_legacy_devices, configuration.path), progress=progress,
        marker=configuration.data / lost_database.MARKER)


def _legacy_devices(path: Path) -> list[Device]:
    """Return the devices that people named in an earlier program's file."""
    try:
        return [Device(device_id=device.device_id, device_type=device.device_type, device_name=device.name,
                       location=device.location) for device in config.known_devices(path)]
    except config.ConfigurationError as error:
        raise Unusable(str(error), error.remedy) from error
