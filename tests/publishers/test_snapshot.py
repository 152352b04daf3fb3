"""A snapshot is sound, complete and private; old ones go by the rules, and no failure costs one."""

import os
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import date, timedelta
from pathlib import Path

import pytest

from publishers import snapshot
from tests.checkout import CHECKOUT
from tests.home import Home
from tests.jobs.fake_source import at, degrees, source
from tests.publishers.running import enable, run

TODAY = date(2026, 11, 22)
YESTERDAY = TODAY - timedelta(days=1)


@pytest.fixture
def filled(home: Home) -> Home:
    """A home with three readings, whose snapshots are enabled."""
    home.settings["display"] = {"time_zone": "UTC"}
    enable(home, "snapshot")
    with at(0):
        home.run(collector=source(*(degrees(20 + number, f"made_up:{number}") for number in range(3))))
    return home


def folder(home: Home) -> Path:
    return home.data / "snapshots"


def path(home: Home, day: date = TODAY) -> Path:
    return folder(home) / f"readings-{day}.db"


def temperatures(database: Path) -> list[float]:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [value for value, in connection.execute("SELECT temperature_celsius FROM readings ORDER BY id")]


def test_a_snapshot_is_made_once_a_day_and_nothing_else_is_left(filled: Home) -> None:
    with at(1):
        assert run(filled, snapshot).code == 0
        filled.run(collector=source(degrees(23)))
        assert run(filled, snapshot).code == 0
    assert [entry.name for entry in folder(filled).iterdir()] == [f"readings-{TODAY}.db"]
    assert temperatures(path(filled)) == [20, 21, 22] and stat.S_IMODE(path(filled).stat().st_mode) == 0o600
    with at(25):
        assert run(filled, snapshot).code == 0
    assert temperatures(path(filled, TODAY + timedelta(days=1))) == [20, 21, 22, 23]


def test_the_day_is_that_of_the_home(filled: Home) -> None:
    filled.write_config(display={"time_zone": "Pacific/Auckland"})
    with at(12):
        run(filled, snapshot)
    assert path(filled, TODAY + timedelta(days=1)).exists()


def test_a_snapshot_can_be_restored(filled: Home) -> None:
    with at(1):
        run(filled, snapshot)
    filled.database.unlink()
    restored = subprocess.run([*filled.command()[:1], CHECKOUT / "readings.py", "--config", filled.config, "restore",
                               path(filled)], capture_output=True, text=True)
    assert restored.returncode == 0, restored.stderr
    assert [row["temperature_celsius"] for row in filled.rows()] == [20, 21, 22]


def test_seven_days_four_weeks_and_twelve_months_are_kept(filled: Home) -> None:
    """22 November 2026 is a Sunday; the newest snapshot of a week or month stands for it."""
    folder(filled).mkdir()
    for number in range(1, 800):
        path(filled, TODAY - timedelta(days=number)).touch()
    others = [path(filled, TODAY + timedelta(days=9)), folder(filled) / "readings-2020-01-01.db.mine",
              folder(filled) / "holiday.db", folder(filled) / "readings-2020-02-30.db"]
    for other in others:
        other.touch()
    with at(0):
        assert run(filled, snapshot).code == 0
    days = [f"2026-11-{day}" for day in range(16, 23)]
    weeks = ["2026-11-15", "2026-11-08", "2026-11-01"]
    months = ["2026-10-31", "2026-09-30", "2026-08-31", "2026-07-31", "2026-06-30", "2026-05-31", "2026-04-30",
              "2026-03-31", "2026-02-28", "2026-01-31", "2025-12-31"]
    kept = {f"readings-{day}.db" for day in days + weeks + months}
    assert {entry.name for entry in folder(filled).iterdir()} == kept | {other.name for other in others}


def test_the_copy_for_others_is_readable_and_follows(filled: Home, tmp_path: Path) -> None:
    shared = tmp_path / "grafana [1].db"
    enable(filled, "snapshot", shared_copy=str(shared))
    for hours, expected in ((0, [20, 21, 22]), (24, [20, 21, 22, 23])):
        with at(hours):
            assert run(filled, snapshot).code == 0
            filled.run(collector=source(degrees(23)))
        assert temperatures(shared) == expected and stat.S_IMODE(shared.stat().st_mode) == 0o644
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["grafana [1].db", "home"]


def test_it_reports_the_newest(filled: Home) -> None:
    with at(0):
        assert run(filled, snapshot, "--dry-run").out == "snapshot: no snapshot yet\n"
        run(filled, snapshot)
        assert run(filled, snapshot, "--dry-run").out == f"snapshot: 1 snapshot, the newest of {TODAY}\n"


def test_a_damaged_database_makes_no_snapshot(filled: Home) -> None:
    """A page that the queries of a cycle do not need."""
    with at(0):
        run(filled, snapshot)
    before = path(filled).read_bytes()
    with filled.database.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(os.urandom(4096))
    with at(24):
        outcome = run(filled, snapshot)
    assert outcome.code == 2 and "damaged" in outcome.err
    assert [entry.read_bytes() for entry in folder(filled).iterdir()] == [before]


@pytest.fixture
def small_disk(filled: Home) -> Iterator[Home]:
    """Snapshots have a disk of 256 kB, with yesterday's."""
    if os.geteuid() != 0:
        pytest.skip("it takes root to mount a disk")
    with at(-24):
        run(filled, snapshot)
    yesterday = path(filled, YESTERDAY).read_bytes()
    path(filled, YESTERDAY).unlink()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder(filled)], check=True)
    try:
        path(filled, YESTERDAY).write_bytes(yesterday)
        yield filled
    finally:
        subprocess.run(["umount", folder(filled)], check=True)


def test_a_full_disk_costs_no_snapshot(small_disk: Home) -> None:
    enable(small_disk, "snapshot", daily=1, weekly=0, monthly=0)
    filling = folder(small_disk) / "filling"
    with suppress(OSError):
        filling.write_bytes(bytes(300_000))
    with at(0):
        outcome = run(small_disk, snapshot)
    assert outcome.code == 1 and "du -ax" in outcome.err and str(folder(small_disk)) in outcome.err
    assert {entry.name for entry in folder(small_disk).iterdir()} == {"filling", f"readings-{YESTERDAY}.db"}
    assert temperatures(path(small_disk, YESTERDAY)) == [20, 21, 22]
    filling.unlink()
    with at(1):
        assert run(small_disk, snapshot).code == 0
    assert [entry.name for entry in folder(small_disk).iterdir()] == [f"readings-{TODAY}.db"]


@pytest.mark.parametrize("setting", [{"folder": "elsewhere/snapshots"}, {"shared_copy": "elsewhere/readings.db"}])
def test_a_folder_that_may_be_on_a_missing_disk_is_not_made(filled: Home, setting: dict[str, str]) -> None:
    enable(filled, "snapshot", **setting)
    for arguments in ((), ("--dry-run",)):
        with at(0):
            outcome = run(filled, snapshot, *arguments)
        assert outcome.code == 2 and "mkdir -p" in outcome.err
    assert not (filled.folder / "elsewhere").exists() and path(filled).exists() == ("shared_copy" in setting)


def test_a_snapshot_that_was_cut_off_is_made_again(filled: Home) -> None:
    assert run(filled, snapshot).code == 0
    made, = folder(filled).iterdir()
    size = made.stat().st_size
    os.truncate(made, 5000)
    assert run(filled, snapshot).code == 0 and made.stat().st_size == size
