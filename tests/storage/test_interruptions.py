"""A migration that is killed, at any step or moment, is repeated by the next opening."""

import errno
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import StorageError, Unavailable
from storage import backup, legacy_database, manager, schema
from tests.storage.legacy_databases import NEWEST, REGISTRY, leave, many_rows
from tests.storage.samples import a_cycle, a_reading, in_a_process, rows, start, store

ROWS = 1_000
Left = tuple[Path, list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(legacy_database, "BATCH", 200)
    monkeypatch.setattr(backup, "PAGES_A_STEP", 10)


@pytest.fixture
def left(tmp_path: Path) -> Left:
    path = tmp_path / "left.db"
    return path, leave(path, many_rows(ROWS), NEWEST, REGISTRY)


def migrate_and_die(path: Path, at_step: int) -> None:
    steps = iter(range(at_step))

    def progress(step: str, done: int, total: int) -> None:
        if next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
    with manager.writing(path, progress=progress):
        pass


def migrate_until_alarm(path: Path, after_seconds: float) -> None:
    """Be killed by the alarm, whose default action lets no Python code run, like SIGKILL."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, after_seconds)
    with manager.writing(path):
        pass
    signal.setitimer(signal.ITIMER_REAL, 0)


def killed(left: Path, folder: Path, work: Callable[[Path, Any], None], moment: float) -> tuple[Path, int]:
    """Kill the migration of a copy of the file at that moment; return the copy and the process's exit code."""
    path = folder / f"{moment}" / "readings.db"
    path.parent.mkdir()
    shutil.copy(left, path)
    process = start(work, path, moment)
    process.join()
    return path, int(process.exitcode or 0)


def assert_nothing_is_lost(path: Path, before: list[dict[str, Any]]) -> None:
    assert rows(path, "SELECT id, timestamp FROM readings ORDER BY id") == [
        {"id": row["id"], "timestamp": row["timestamp"]} for row in before]
    store(path, a_cycle(a_reading()))
    after = rows(path)
    assert [row["timestamp"] for row in after[:-1]] == [row["timestamp"] for row in before]
    assert rows(path, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert rows(path.with_name("readings.db.before-v1")) == before
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "readings.db", "readings.db.before-v1", "readings.db.closed", "readings.db.lock"]


def test_a_migration_killed_at_any_step_loses_nothing(left: Left, tmp_path: Path) -> None:
    path, before = left
    for step in range(100):
        copy, code = killed(path, tmp_path, migrate_and_die, step)
        assert_nothing_is_lost(copy, before)
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert 10 < step < 99


def test_a_migration_killed_at_any_moment_loses_nothing(left: Left, tmp_path: Path) -> None:
    path, before = left
    codes = []
    for moment in range(1, 31):
        copy, code = killed(path, tmp_path, migrate_until_alarm, moment * 0.0015)
        codes.append(code)
        assert_nothing_is_lost(copy, before)
    assert codes.count(-signal.SIGALRM) > 3


def test_a_copy_that_finds_no_room_leaves_everything_as_it_was(left: Left) -> None:
    path, before = left

    def migrate_on_a_full_disk() -> None:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        store(path)
    kind, text, _ = in_a_process(migrate_on_a_full_disk)
    assert kind == "Unavailable" and "disk full" in text
    assert rows(path) == before and sorted(file.name for file in path.parent.iterdir()) == ["left.db", "left.db.lock"]


def test_an_error_while_naming_adopted_devices_undoes_the_migration(left: Left) -> None:
    path, before = left

    def adopt() -> list[Any]:
        raise Unavailable("the file of names is being written")
    with pytest.raises(StorageError, match="file of names"), manager.writing(path, adopt=adopt):
        pass
    assert rows(path) == before
    with manager.writing(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)


def test_people_can_go_on_reading_while_a_migration_runs(left: Left) -> None:
    path, before = left
    counts = set()

    def look(step: str, done: int, total: int) -> None:
        counts.add(len(rows(path, "SELECT id FROM readings")))
    with manager.writing(path, progress=look):
        pass
    assert counts == {ROWS}


def test_a_copy_made_while_nobody_may_write_is_whole(left: Left) -> None:
    path, before = left
    refused = []

    def interfere(step: str, done: int, total: int) -> None:
        other = sqlite3.connect(path, timeout=0)
        with pytest.raises(sqlite3.OperationalError):
            other.execute("DELETE FROM readings")
        other.close()
        refused.append(step)
    with manager.writing(path, progress=interfere):
        pass
    assert set(refused) == {"copy", "migrate"}
    assert rows(path.with_name("left.db.before-v1")) == before


def test_a_copy_that_is_not_safe_on_the_disk_is_none(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = left

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")
    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(Unavailable, match="Input/output error"), manager.writing(path):
        pass
    assert rows(path) == before and sorted(file.name for file in path.parent.iterdir()) == ["left.db", "left.db.lock"]


def test_a_copy_and_its_name_are_on_the_disk_before_anything_is_changed(
        left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = left
    synced: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))

    def look(step: str, done: int, total: int) -> None:
        assert step == "copy" or synced == [str(path.with_name("left.db.before-v1.copying")), str(path.parent)]
    with manager.writing(path, progress=look):
        pass
    assert len(synced) == 2


def test_a_migration_that_another_process_made_meanwhile_is_not_made_again(
        left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = left
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    class Overtaken(manager.Writer):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE" and manager.lock_path(path).exists():
                manager.lock_path(path).unlink()
                monkeypatch.setattr(sqlite3, "connect", connect)
                assert in_a_process(lambda: store(path, a_cycle(a_reading()))) == [(1, 0)]
            return super().execute(sql, *arguments)
    monkeypatch.setattr(sqlite3, "connect", lambda *arguments, **options: connect(
        *arguments, **options | {"factory": Overtaken}))
    with manager.writing(path):
        pass
    assert len(rows(path)) == len(before) + 1
