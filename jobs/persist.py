"""Stores a cycle so that nothing can lose it: first in the spool, then, with all that waits there, in the database.

What cannot be stored stays in the spool, and a later cycle of any collector stores it, unless the run that left it may
still be alive. Only where the spool too cannot be written are readings printed, on stderr, as the last resort.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import config
from jobs.report import Report, Result
from runtime import files
from runtime.deadline import Deadline
from runtime.errors import Busy, StorageError, Unusable, describe
from runtime.formats import format_time, pluralize
from runtime.retry import RetryPolicy
from storage import lost_database, manager, spool
from storage.reading import Cycle
from storage.registry import Device

log = logging.getLogger(__name__)

AT_ONCE = 50  # cycles replayed in one transaction, so that nobody waits long for the database
PATIENCE = timedelta(hours=24)
HALF = 0.5


class Store:
    """The spool and the database of one run, and its deadline for both."""

    def __init__(self, configuration: config.Configuration, retry: RetryPolicy, deadline: Deadline, report: Report,
                 progress: Callable[[str, int, int], None]) -> None:
        self.has_kept = False
        self._settings, self._folder = configuration.storage, configuration.data
        self._writing = writer(configuration, progress)
        self._longest = timedelta(seconds=configuration.collection.cycle_deadline_seconds)
        self._retry, self._deadline, self._report = retry, deadline, report
        self._is_alone = True

    def put_down(self, cycle: Cycle) -> spool.SpooledCycle:
        """Put a cycle into the spool. Raise StorageError where that cannot be."""
        kept = spool.append(self._folder, cycle, self._report.watch.elapsed_ms())
        self.has_kept = True
        return kept

    def store(self, cycle: Cycle, *, is_alone: bool = True) -> tuple[Result, StorageError | None]:
        """Store a cycle and all that waits; return what came of it and what went wrong, never having lost a reading.

        `is_alone` tells that no other run of this collector is active: what waits of it is nobody else's then.
        """
        self._is_alone = is_alone
        kept, unkept = self._keep(cycle)
        store = self._retry(on=Busy, deadline=self._deadline, operation="store", listener=self._report.retry,
                            endpoint=self._settings.database_path.name)(self._store_once)
        try:
            result, trouble = store(cycle, kept, unkept)
            trouble = trouble or _worth_telling(unkept)
        except (StorageError, OSError) as fault:
            error = files.translate(fault, self._settings.database_path) if isinstance(fault, OSError) else fault
            result, trouble = Result(cycle, 0, self._report.watch.elapsed_ms()), error
            if kept is not None:
                waiting = len(cycle.readings)
                result = result._replace(spooled=waiting)
                if waiting:
                    waits = f"{pluralize(waiting, 'reading')} {'waits' if waiting == 1 else 'wait'}"
                    trouble = type(error)(f"{error}; its {waits} in the spool", error.remedy)
            else:
                trouble = Unusable(f"{error}; nor can readings wait for it: {unkept}", _remedy(unkept, error))
                self._report.last_resort(cycle.readings, trouble)
        if trouble is not None:
            log.critical("%s", describe(trouble))
            cycle = replace(result.cycle, outcome="partial" if cycle.outcome == "ok" else cycle.outcome,
                            error_type=type(trouble).__name__, error=self._report.short(describe(trouble)))
            result = result._replace(cycle=cycle)
        return result, trouble

    def for_a_human(self, trouble: StorageError | None) -> StorageError | None:
        """Return what the alert is to say of a trouble: one that only lasts becomes a human's in time."""
        if trouble is None or isinstance(trouble, Unusable):
            return trouble
        try:
            look = spool.look(self._folder)
        except OSError:
            return trouble
        if look.oldest is None or look.used < HALF and self._report.now - look.oldest < PATIENCE:
            return trouble
        return Unusable(
            f"{trouble}, the first since {format_time(look.oldest)}; the spool is {look.used:.0%} full",
            trouble.remedy or f"see what holds the database (fuser -v {self._settings.database_path}), or what fills "
                              f"its disk (df -h {self._settings.database_path.parent})")

    def _keep(self, cycle: Cycle) -> tuple[spool.SpooledCycle | None, StorageError | None]:
        try:
            return self.put_down(cycle), None
        except (StorageError, OSError) as fault:
            error = files.translate(fault, self._folder) if isinstance(fault, OSError) else fault
            log.critical("%s", describe(error))
            return None, error

    def _store_once(self, cycle: Cycle, kept: spool.SpooledCycle | None,
                    unkept: StorageError | None) -> tuple[Result, StorageError | None]:
        settings, marker = self._settings, self._folder / lost_database.MARKER
        # Half of what is left: one wait for our own lock file and one for SQLite's locks may follow each other.
        wait_ms = min(settings.busy_timeout_ms, max(0, int(self._deadline.remaining() * 500)))
        with self._writing(busy_timeout_ms=wait_ms) as connection:
            if cycle.readings:
                lost_database.mark(marker)  # before anything is stored: then no kill comes in between
            trouble = None if isinstance(unkept, Busy) else self._replay(connection, kept, marker)
            cycle = replace(cycle, retries=tuple(self._report.retries))
            stored = manager.add(connection, cycle, elapsed_ms=self._report.watch.elapsed_ms,
                                 keep_days=settings.keep_cycles_days)
            if kept is not None:
                self._let_go([kept])
        told = {each.device_id: each for each in reversed(cycle.readings)}
        readings = tuple(told[str(row["device_id"])].as_stored(row) for row in stored.rows)
        return Result(replace(cycle, readings=readings), stored.readings, self._report.watch.elapsed_ms()), trouble

    def _replay(self, connection: manager.Writer, own: spool.SpooledCycle | None, marker: Path) -> StorageError | None:
        """Store the cycles that others left in the spool; return why some of them are refused, if any are."""
        try:
            waiting = spool.waiting(self._folder, self._report.alarm)
        except StorageError as error:  # this cycle's own readings can be stored all the same
            return _worth_telling(error)
        others = [each for each in waiting
                  if (own is None or each.line != own.line) and not self._is_in_hand(each.cycle)]
        if any(each.cycle.readings for each in others):
            lost_database.mark(marker)
        refusal = None
        for first in range(0, len(others), AT_ONCE):
            stored, refused = manager.add_waiting(connection, others[first:first + AT_ONCE],
                                                  keep_days=self._settings.keep_cycles_days)
            self._let_go(stored)
            refusal = refusal or refused
        if others:
            readings = sum(len(each.cycle.readings) for each in others)
            connection.later.append(partial(
                log.warning, "%s of %s had waited in the spool", pluralize(readings, "reading"),
                pluralize(len(others), "cycle")))
        return refusal

    def _is_in_hand(self, cycle: Cycle) -> bool:
        """Tell whether the run that put a cycle down is about to store it: cron starts all collectors at once."""
        if cycle.collector == self._report.collector and self._is_alone:
            return False
        return abs(self._report.now - cycle.started_at) < self._longest

    def _let_go(self, stored: list[spool.SpooledCycle]) -> None:
        try:
            spool.let_go(self._folder, stored)
        except StorageError as error:  # they will be stored once more, which changes nothing
            log.error("what is stored stays in the spool too: %s", error)


def _worth_telling(unkept: StorageError | None) -> StorageError | None:
    """Return why the spool failed, though nothing was lost by it: a human's to mend, but for another who holds it."""
    if unkept is None or isinstance(unkept, spool.Full):  # by now it is empty
        return None
    return unkept if isinstance(unkept, Busy) else Unusable(str(unkept), _remedy(unkept))


def _remedy(*errors: StorageError | None) -> str:
    return next((each.remedy for each in errors if each and each.remedy),
                "look after the disk: df -h shows its room, dmesg its errors")


def writer(configuration: config.Configuration,
           progress: Callable[[str, int, int], None]) -> Callable[..., AbstractContextManager[manager.Writer]]:
    """Return what opens the configured database for its only writer of the moment (`storage.manager.writing`)."""
    settings = configuration.storage
    return partial(
        manager.writing, settings.database_path, wal=settings.enable_wal_mode,
        checkpoint_pages=settings.wal_checkpoint_interval, busy_timeout_ms=settings.busy_timeout_ms,
        adopt=partial(_known_devices, configuration.path), progress=progress,
        marker=configuration.data / lost_database.MARKER)


def _known_devices(path: Path) -> list[Device]:
    """Return the devices that people have named in the predecessor's file, asked for once in a database's life."""
    try:
        return [Device(device_id=each.device_id, device_type=each.device_type, device_name=each.name,
                       location=each.location) for each in config.known_devices(path)]
    except config.ConfigurationError as error:
        raise Unusable(str(error), error.remedy) from error
