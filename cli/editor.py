"""Changes that people make while collectors run: a few rows at a time, so that others get the lock in between."""

import glob
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol, TypeVar

import click

import config
from cli.arguments import find_device
from jobs.persist import RetryRecorder, writer
from jobs.problems import Problems
from runtime.commands import command
from runtime.deadline import Stopwatch
from runtime.errors import Busy, Unavailable, Unusable
from runtime.retry import Attempt, retry_policy
from runtime.streams import show_progress
from storage import manager, owner_sql, readings, registry, schema
from storage.manager import Connection
from storage.registry import Device
from storage.state import Witness

CHUNK = 5_000  # rows looked up at once, without any lock
SMALLEST_BATCH, LARGEST_BATCH = 20, 2_000  # rows changed at once
LONGEST_MS = 60.0  # for which a batch may hold the lock: short enough to go unnoticed
FACTOR = 3  # times as long as the smallest batch takes, which is little more than an empty commit
PAUSE_SECONDS = 0.02  # four times as long as a waiting process sleeps between two attempts to get the lock

Result = TypeVar("Result")


class Work(Protocol):
    """A change to many rows: `storage.readings.Work`, `storage.importing.Import`."""

    def do(self, connection: Connection, ids: Iterable[int]) -> None: ...

    def rows_left(self, connection: Connection) -> int: ...

    def after(self, connection: Connection, timestamp: str, limit: int) -> list[tuple[int, str]]: ...


class DeviceEditor:
    def __init__(self, configuration: config.Configuration, reading: Callable[[], AbstractContextManager[Connection]],
                 problems: Problems, recorder: RetryRecorder) -> None:
        self._path = configuration.storage.database_path
        self._reading, self._writing = reading, writer(configuration, Witness(configuration.path), show_progress)
        self._with_retries = retry_policy(configuration.retry)(
            on=Busy, operation="store", listener=self._record, endpoint=self._path.name)
        self._problems, self._recorder, self._has_warned = problems, recorder, False
        self._sources = list(configuration.collectors.values())

    def find(self, text: str, may_be_new: bool = False) -> Device:
        """Return the device that the text means. A new one needs no database."""
        is_first = may_be_new and not os.path.exists(self._path)
        return find_device(text, [] if is_first else self._read(registry.all_devices),
                           self._full_id if may_be_new else None)

    def newest(self, device: Device) -> readings.Newest | None:
        return self._read(partial(readings.newest, device_id=device.device_id))

    def change(self, device: Device, alter: Callable[[Device], Device]) -> None:
        self._write(partial(registry.change, device_id=device.device_id, alter=alter))

    def replace(self, old: Device, new: Device) -> None:
        if old.device_id == new.device_id:
            raise Unusable(f"{old.label()} cannot replace itself", f"{command('devices.py', 'list')} shows all devices")
        self._write(partial(registry.replace, old_id=old.device_id, new_id=new.device_id))

    def remove_unseen(self, device: Device) -> bool:
        """Remove a device that was never seen and has no readings; return whether it was one."""
        removed, _ = self._write(partial(registry.remove_unseen, device_id=device.device_id))
        return removed

    def count(self, work: Work) -> int:
        return self._read(work.rows_left)

    def run(self, work: Work, label: str) -> int:
        """Do the work behind a progress bar and return the number of rows. It can be interrupted and repeated."""
        if sys.stderr.isatty():  # counting alone may take minutes on a slow disk
            click.echo("Looking through its history ...", err=True)
        total = self.count(work)
        logging.disable(logging.INFO)  # each opening of the database logs a line: there would be thousands
        try:
            with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
                for count in self._batches(work):
                    bar.update(count)
        except SystemExit:
            click.echo("\nInterrupted; run the same command again to complete it.", err=True)
            raise
        finally:
            logging.disable(logging.NOTSET)
        return total

    def migrate(self) -> list[str] | None:
        """Return the copies of older databases, the latest last, or None if it was up to date."""
        try:
            self._read(registry.all_devices)
            if self._read(owner_sql.has_keys):
                return None
            self._write(self._repair)
        except Busy:
            raise
        except Unavailable:  # of an older form; if it is unusable, writing raises that
            self._write(lambda connection: None)
        copies = self._path.parent.glob(f"{glob.escape(self._path.name)}.before-v*")
        return [str(copy) for copy in sorted(copies, key=os.path.getmtime)]

    def _repair(self, connection: Connection) -> None:
        from storage.backup import back_up
        back_up(self._path, len(schema.MIGRATIONS), show_progress)
        for message in owner_sql.repair(connection, show_progress):
            click.echo(message, err=True)

    def _batches(self, work: Work) -> Iterator[int]:
        size, latest, limit_ms = SMALLEST_BATCH, "", LONGEST_MS
        while chunk := self._read(partial(work.after, timestamp=latest, limit=CHUNK)):
            latest = chunk[-1][1]
            while chunk:
                batch, chunk = [row_id for row_id, _ in chunk[:size]], chunk[size:]
                _, took_ms = self._write(partial(work.do, ids=batch))
                if size == SMALLEST_BATCH:
                    limit_ms = min(FACTOR * took_ms, LONGEST_MS)
                size = max(size // 2, SMALLEST_BATCH) if took_ms > limit_ms else min(size + size // 2, LARGEST_BATCH)
                yield len(batch)
                time.sleep(PAUSE_SECONDS)

    def _full_id(self, text: str) -> str | None:
        return next(filter(None, (source.full_id(text) for source in self._sources)), None)

    def _read(self, query: Callable[[Connection], Result]) -> Result:
        with self._reading() as connection:
            return query(connection)

    def _write(self, change: Callable[[Connection], Result]) -> tuple[Result, float]:
        def write() -> tuple[Result, float]:
            with self._writing() as connection:
                stopwatch = Stopwatch()
                with manager.transaction(connection):
                    result = change(connection)
            return result, stopwatch.elapsed_ms()
        return self._with_retries(write)()

    def _record(self, attempt: Attempt) -> None:
        self._recorder.record(attempt)
        if attempt.outcome == "retrying" and not self._has_warned:
            self._has_warned = True
            self._problems.say(f"waiting for another program that is using {attempt.endpoint}")
