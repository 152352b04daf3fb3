"""Readings, cycles and processes for the tests of storage; the clock stands at `NOW`."""

import multiprocessing
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import StorageError, Unusable
from storage import manager
from storage.reading import Cycle, Reading
from storage.spool import SpooledCycle

NOW = datetime(2026, 11, 22, 0, 55, tzinfo=timezone.utc)
FORK = multiprocessing.get_context("fork")


def a_reading(device_id: str = "hue:kitchen", at: datetime = NOW, **values: Any) -> Reading:
    return Reading(**{"timestamp": at, "device_id": device_id, "device_type": "hue_sensor", "name": "Kitchen",
                      "temperature_celsius": 20.29, **values})


def a_cycle(*readings: Reading, at: datetime = NOW, **values: Any) -> Cycle:
    return Cycle(**{"collector": "hue", "started_at": at, "outcome": "ok", "readings": readings, **values})


def at(**passed: float) -> datetime:
    return NOW + timedelta(**passed)


def add(connection: manager.Writer, cycle: Cycle, *, elapsed_ms: Callable[[], float] = lambda: 212.0,
        keep_days: int = 90) -> tuple[int, int]:
    """Add a cycle in its own transaction; return how many readings are stored, and by how many seconds they moved."""
    own = SpooledCycle(cycle, 0.0)
    result, = manager.add_cycles(connection, [own], own=own, elapsed_ms=elapsed_ms, keep_days=keep_days)
    if isinstance(result, StorageError):
        raise result
    return len(result.readings), result.moved_seconds


def store(path: Path, *cycles: Cycle) -> list[tuple[int, int]]:
    """Add cycles as the program does, all within one opening of the database."""
    with manager.writing(path) as connection:
        return [add(connection, cycle) for cycle in cycles]


def assert_refused(path: Path, reason: str, remedy: str) -> None:
    """Assert that neither a writer nor a reader opens the database, and that it stays as it is."""
    before = path.read_bytes()
    for opening in (manager.writing, manager.reading):
        with pytest.raises(Unusable, match=reason) as caught, opening(path):
            pass
        assert remedy in caught.value.remedy
    assert path.read_bytes() == before


def rows(path: Path, query: str = "SELECT * FROM readings ORDER BY id") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def start(work: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    process = FORK.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def in_a_process(work: Callable[[], object], user: int | None = None) -> Any:
    """Return the result of the work in a forked process, a StorageError as its type, text and remedy.

    If we are root the process runs as `user`.
    """
    def answer(channel: Connection) -> None:
        if user is not None and os.geteuid() == 0:
            os.setgid(user)
            os.setuid(user)
        try:
            channel.send(work())
        except StorageError as error:
            channel.send((type(error).__name__, str(error), error.remedy))
    ours, theirs = FORK.Pipe()
    process = start(answer, theirs)
    theirs.close()
    with ours:
        returned = ours.recv() if ours.poll(20) else "no answer"
    process.join()
    return returned
