"""Changes that people make to devices and their readings while collectors run.

Long work is done a few rows at a time. Between two batches the database's lock is free for long enough that a waiting
process gets it.
"""

import glob
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import click

import config
from cli.lookup import find_device, find_or_new
from jobs.persist import RetryRecorder, writer
from jobs.problems import Problems
from runtime.deadline import Stopwatch
from runtime.errors import Busy, Unavailable
from runtime.retry import Attempt, retry_policy
from runtime.streams import show_progress
from storage import manager, readings, registry
from storage.manager import Connection
from storage.readings import Work
from storage.registry import Device

CHUNK = 5_000  # rows looked up at once, without any lock
SMALLEST_BATCH, LARGEST_BATCH = 20, 2_000  # rows changed at once
LONGEST_MS = 60.0  # for which a batch may hold the lock: short enough to go unnoticed
FACTOR = 3  # times as long as the smallest batch takes, which is little more than an empty commit
PAUSE_SECONDS = 0.02  # four times as long as a waiting process sleeps between two attempts to get the lock

Reading = Callable[[], AbstractContextManager[Connection]]


class DeviceEditor:
    """Changes in one database. Every method may raise StorageError."""

    def __init__(self, configuration: config.Configuration, reading: Reading, problems: Problems,
                 recorder: RetryRecorder) -> None:
        self._path = configuration.storage.database_path
        self._reading, self._writing = reading, writer(configuration, show_progress)
        self._with_retries = retry_policy(configuration.retry)(
            on=Busy, operation="store", listener=self._record, endpoint=self._path.name)
        self._problems, self._recorder, self._has_warned = problems, recorder, False

    def find(self, text: str) -> Device:
        return find_device(text, self._devices())

    def find_or_new(self, text: str) -> Device:
        return find_or_new(text, self._devices() if os.path.exists(self._path) else [])

    def newest(self, device: Device) -> readings.Newest | None:
        with self._reading() as connection:
            return readings.newest(connection, device.device_id)

    def change(self, device_id: str, alter: Callable[[Device], Device]) -> Device:
        """Register a person's decision about a device, new or known; return the changed device."""
        changed: list[Device] = []

        def write(connection: manager.Writer) -> None:
            changed[:] = [registry.change(connection, device_id, alter)]
        self._write(write)
        return changed[0]

    def count(self, work: Work) -> int:
        with self._reading() as connection:
            return work.count(connection)

    def run(self, work: Work, label: str) -> int:
        """Do the work behind a progress bar and return the number of rows. It can be interrupted and repeated."""
        if sys.stderr.isatty():  # counting alone may take minutes on a slow disk
            click.echo("Looking through its history ...", err=True)
        total = self.count(work)
        try:
            with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
                for count in self._batches(work):
                    bar.update(count)
        except SystemExit:
            click.echo("\nInterrupted; run the same command again to complete it.", err=True)
            raise
        return total

    def migrate(self) -> list[str] | None:
        """Migrate the database; return the copies of older ones, the latest last, or None if it was up to date."""
        try:
            self._devices()
            return None
        except Busy:
            raise
        except Unavailable:  # of an older form; if it is unusable, writing raises that
            self._write(lambda connection: None)
        copies = self._path.parent.glob(f"{glob.escape(self._path.name)}.before-v*")
        return [str(copy) for copy in sorted(copies, key=os.path.getmtime)]

    def _devices(self) -> list[Device]:
        with self._reading() as connection:
            return registry.all_devices(connection)

    def _batches(self, work: Work) -> Iterator[int]:
        """Yield the size of each finished batch; sizes adapt to the disk and the load."""
        size, latest, limit_ms = SMALLEST_BATCH, "", LONGEST_MS
        while chunk := self._next_rows(work, latest):
            latest = chunk[-1][1]
            while chunk:
                batch, chunk = [row_id for row_id, _ in chunk[:size]], chunk[size:]
                with _without_info():
                    took_ms = self._write(partial(_do, work, batch))
                if size == SMALLEST_BATCH:
                    limit_ms = min(FACTOR * took_ms, LONGEST_MS)
                size = max(size // 2, SMALLEST_BATCH) if took_ms > limit_ms else min(size + size // 2, LARGEST_BATCH)
                yield len(batch)
                time.sleep(PAUSE_SECONDS)

    def _next_rows(self, work: Work, latest: str) -> list[tuple[int, str]]:
        with self._reading() as connection:
            return work.after(connection, latest, CHUNK)

    def _write(self, change: Callable[[manager.Writer], None]) -> float:
        """Make a change in one transaction; return the milliseconds it took."""
        def write() -> float:
            with self._writing() as connection:
                stopwatch = Stopwatch()
                with manager.transaction(connection):
                    change(connection)
            return stopwatch.elapsed_ms()
        return float(self._with_retries(write)())

    def _record(self, attempt: Attempt) -> None:
        self._recorder.record(attempt)
        if attempt.outcome == "retrying" and not self._has_warned:
            self._has_warned = True
            self._problems.say(f"waiting for another program that is using {attempt.endpoint}")


def _do(work: Work, ids: list[int], connection: manager.Writer) -> None:
    work.do(connection, ids)


@contextmanager
def _without_info() -> Iterator[None]:
    """Suppress the line that each opening of the database logs: there would be thousands."""
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
