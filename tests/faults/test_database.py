"""The database locked, closed, damaged, gone or too new: readings wait, and the printed remedy helps."""

import fcntl
import os
import random
import shlex
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.commands import update_command
from storage import alert_files
from storage.schema import MIGRATIONS
from tests.checkout import CHECKOUT
from tests.faults import WHOLE
from tests.faults.forked import (
    COLLECTORS,
    EVERY,
    READINGS,
    START,
    Run,
    false_rows,
    integrity,
    run_pair,
    stored,
    waiting,
)
from tests.forking import prepare
from tests.home import Home
from tests.simulator.server import Simulator
from tests.test_docs import QUERIES

SURVIVED = next(query for query in QUERIES if "AS survived" in query)
ALERT = "ALERT_STORAGE_FAILING.txt"
ORDINARY = 65534 if os.geteuid() == 0 else None
WAITS = {} if WHOLE else {"storage": {"busy_timeout_ms": 300}, "retry": {"base_delay_seconds": 0.06}}
SPAN_SECONDS = 18.0 if WHOLE else 1.08  # three waits for the lock, and two pauses between them
HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def both(shared_folder: Path, simulator: Simulator) -> Home:
    """An ordinary user's home, in which both collectors have stored a cycle."""
    prepare()
    home = Home(shared_folder / "home")
    home.settings |= {"retry": {}, **WAITS}
    home.introduce(simulator)
    give(home.folder, ORDINARY)
    assert [each.code for each in run_pair(home, simulator, START, ORDINARY)] == [0, 0]
    return home


def give(top: Path, owner: int | None) -> None:
    if owner is not None:
        for path in (top, *top.rglob("*")):
            os.chown(path, owner, owner)


def carry_out(home: Home, remedy: str) -> None:
    """Carry out the remedy word for word, with a sudo that asks for no password and this Python."""
    tools = home.folder / "tools"
    tools.mkdir()
    setting = f"import sqlite3; sqlite3.connect({str(home.database)!r}).execute('PRAGMA user_version = {len(MIGRATIONS)}')"
    python = shlex.quote(sys.executable)
    for name, does in {"sudo": 'exec "$@"', "python": f'exec {python} "$@"',
                       "make": f"exec {python} -c {shlex.quote(setting)}"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{does}\n")
        (tools / name).chmod(0o755)
    command = remedy if remedy.startswith("sudo ") else remedy.rpartition(": ")[2]
    done = subprocess.run(["sh", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, env={
        **os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "HOME_MONITOR_CONFIG": str(home.config)})
    assert done.returncode == 0, done.stderr


def expect_well(home: Home, simulator: Simulator, turn: int) -> None:
    ended = run_pair(home, simulator, START + turn * EVERY, ORDINARY)
    assert [(each.code, each.err) for each in ended] == [(0, "")] * 2
    assert not (home.data / ALERT).exists()


def check_all_is_there(home: Home, simulator: Simulator, cycles: int, gone: int = 0) -> None:
    """Every cycle is stored once, except those lost with the old database, and none waits any more."""
    moments = [START + turn * EVERY for turn in range(gone, cycles)]
    assert stored(home) == {(name, moment): READINGS[name] for moment in moments for name in COLLECTORS}
    assert len(home.cycles()) == len(moments) * len(COLLECTORS)
    assert false_rows(home, simulator) == [] and integrity(home) == ["ok"] and waiting(home) == []


@contextmanager
def held(home: Home) -> Iterator[Callable[[], None]]:
    """Let another program lock the database even for readers, until the block ends or releases it."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(home.database)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None and holder.stdout.readline() == b"held\n"
        yield holder.stdin.close


def test_a_database_locked_for_a_minute_costs_no_reading(both: Home, simulator: Simulator) -> None:
    """Every cycle exits 1 in time, with one line the first time and no alert; then every reading is stored once.

    A whole minute with the shipped settings, or two cycles with shorter waits.

    US1-3.
    """
    held_until, turn, errors = time.monotonic() + (60 if WHOLE else 1.2), 1, list[str]()
    with held(both):
        while time.monotonic() < held_until:
            ended = run_pair(both, simulator, START + turn * EVERY, ORDINARY)
            assert [each.code for each in ended] == [1, 1] and max(each.seconds for each in ended) < 30
            assert len(waiting(both)) == 2 * turn and not (both.data / ALERT).exists()
            errors += [run.err for run in ended]
            turn += 1
    assert all(err.count("\n") == 1 and "another process holds" in err for err in errors[:2])
    assert errors[2:] == [""] * (2 * turn - 4)
    expect_well(both, simulator, turn)
    check_all_is_there(both, simulator, turn + 1)
    if WHOLE:
        print(f"\nlocked for a minute: {turn - 1} cycles of each collector waited, and all of them are stored once")


@contextmanager
def many_homes(folder: Path, simulator: Simulator, count: int) -> Iterator[list[Home]]:
    homes = [Home(folder / f"home-{number}") for number in range(count)]
    for home in homes:
        home.settings |= {"retry": {}, **WAITS}
        home.introduce(simulator)
        assert Run(home, "hue", START).end().code == 0
    yield homes


def test_retries_survive_nearly_all_transient_locks(tmp_path: Path, simulator: Simulator) -> None:
    """SC-002: locks of random lengths, up to nine tenths of the time that the retries take; the tables have the same counts.

    Many homes side by side; every other lock is held on the database by another program, the others on our lock file.
    The whole proof uses the shipped settings, the sample shorter waits.

    FR-003.
    """
    prepare()
    chance, lengths, survived, retried, events = random.Random(2), list[float](), 0, 0, Counter[str]()
    simulator.clock = lambda: START
    for lap in range(4 if WHOLE else 1):
        with many_homes(tmp_path / f"{lap}", simulator, 50 if WHOLE else 12) as homes, ExitStack() as locks:
            releases = []
            for number, home in enumerate(homes):
                lengths.append(chance.uniform(0.1, 0.9) * SPAN_SECONDS)
                lock = locks.enter_context(closing(sqlite3.connect(home.database, isolation_level=None)))
                file = locks.enter_context(open(f"{home.database}.lock"))
                if number % 2:
                    lock.execute("BEGIN EXCLUSIVE")
                else:
                    fcntl.flock(file, fcntl.LOCK_EX)
                releases.append((lengths[-1], lock.rollback if number % 2 else file.close))
            started = time.monotonic()
            runs = [Run(home, "hue", START + EVERY) for home in homes]
            for length, release in sorted(releases, key=lambda each: each[0]):
                time.sleep(max(0.0, started + length - time.monotonic()))
                release()
            codes = [run.end().code for run in runs]
            survived += codes.count(0)
            assert all(stored(home)["hue", START + EVERY] == 5 or len(waiting(home)) == 1 for home in homes)
            for home in (home for home, code in zip(homes, codes) if code):
                assert Run(home, "hue", START + 2 * EVERY).end().code == 0
            retried += sum(code == 0 and home.cycles()[-1]["retries"] > 0 for home, code in zip(homes, codes))
            for home in homes:
                events.update({name: count or 0 for name, count in home.rows(SURVIVED)[0].items()})
    if WHOLE:
        print(f"\ntransient locks: {len(lengths)} of {min(lengths):.1f} to {max(lengths):.1f} s, {retried} needed "
              f"another attempt, {survived} survived: {survived / len(lengths):.1%}")
    assert (events["survived"], events["given_up"]) == (retried, len(lengths) - survived)
    # On a busy machine a run may reach its lock late, when little of it is left.
    assert retried > (len(lengths) / 4 if WHOLE else 0) and survived >= 0.95 * len(lengths)


@dataclass(frozen=True)
class Trouble:
    """A fault, its message and remedy; `gone` counts the cycles that a new database cannot have."""

    make: Callable[[Home], None]
    message: str
    remedy: str
    gone: int = 0


def close(path: Path, mode: int) -> None:
    if ORDINARY is not None:
        os.chown(path, 0, 0)
    path.chmod(mode)


def spoil(home: Home) -> None:
    home.database.write_bytes(b"garbage" * 5000)


def set_version(home: Home) -> None:
    with closing(sqlite3.connect(home.database)) as connection:
        connection.execute("PRAGMA user_version = 99")


TROUBLES = {
    "read-only": Trouble(lambda home: close(home.database, 0o444), "not permitted to use", "sudo chown "),
    "in a read-only folder": Trouble(lambda home: close(home.database.parent, 0o555), "not permitted to use",
                                     "sudo chown "),
    "garbage": Trouble(spoil, "is damaged or not a database", "restore a backup: ", gone=1),
    "deleted": Trouble(lambda home: home.database.unlink(), "is gone, though readings were stored in it",
                       "is its disk mounted? ", gone=1),
    "newer than the program": Trouble(set_version, "was written by a newer version",
                                      f"update this program: {update_command()}"),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_database_that_needs_a_human_costs_no_reading_and_the_remedy_fixes_it(
        both: Home, simulator: Simulator, name: str) -> None:
    """Exit 2, one line with the remedy, the same in the alert; carried out word for word, it fixes everything."""
    trouble = TROUBLES[name]
    if name == "in a read-only folder":
        move_database(both)
    trouble.make(both)
    for turn in (1, 2):
        ended = run_pair(both, simulator, START + turn * EVERY, ORDINARY)
        assert [each.code for each in ended] == [2, 2]
        lines = [each.err for each in ended]
        assert all(line.count("\n") == 1 and trouble.message in line and "Remedy: " in line for line in lines) \
            if turn == 1 else lines == ["", ""]
        assert len(waiting(both)) == 2 * turn
        alert = alert_files.read(both.data / ALERT) or alert_files.read(both.config.with_name(ALERT)) or {}
        assert alert["remedy"].startswith(trouble.remedy) and trouble.message in alert["error"]
        assert turn > 1 or all(line.endswith(f"Remedy: {alert['remedy']}\n") for line in lines)
    carry_out(both, alert["remedy"])
    for turn in (3, 4):
        expect_well(both, simulator, turn)
    check_all_is_there(both, simulator, 5, trouble.gone)


def move_database(home: Home) -> None:
    store = home.folder / "store"
    store.mkdir()
    for path in home.data.glob("readings.db*"):
        path.rename(store / path.name)
    give(store, ORDINARY)
    home.database = store / "readings.db"
    home.write_config(storage={**home.settings.get("storage", {}), "database_path": "store/readings.db"})


def test_a_data_folder_that_has_become_read_only_costs_no_reading(both: Home, simulator: Simulator) -> None:
    close(both.data, 0o555)
    for turn in (1, 2):
        ended = run_pair(both, simulator, START + turn * EVERY, ORDINARY)
        assert [(each.code, each.err.count("\n")) for each in ended] == [(2, 1)] * 2
        assert len(waiting(both)) == 2 * turn and not (both.data / ALERT).exists()
    assert f"cannot write the alert {ALERT}" in both.log()
    carry_out(both, ended[0].err.rstrip().rpartition("Remedy: ")[2])
    expect_well(both, simulator, 3)
    check_all_is_there(both, simulator, 4)


@pytest.mark.parametrize("name", ["locked", "garbage"])
def test_network_and_database_failing_together_are_reported_separately(both: Home, simulator: Simulator, name: str) -> None:
    """At most one line for each problem, and the worse exit code; later the cycles' rows show what happened. EDGE-4."""
    both.write_config(storage={"busy_timeout_ms": 50})
    whole = both.database.read_bytes()
    for face in ("hue", "discovery", "alexa"):
        simulator.faults.add("reset", face=face)
    with ExitStack() as trouble:
        if name == "locked":
            trouble.enter_context(held(both))
        else:
            spoil(both)
        ended = run_pair(both, simulator, START + EVERY, ORDINARY)
        assert [each.code for each in ended] == [1 if name == "locked" else 2] * 2
        assert [each.err.count("\n") for each in ended] == [2, 2]
        simulator.faults.clear()
        ended = run_pair(both, simulator, START + 2 * EVERY, ORDINARY)
        assert [each.code for each in ended] == [1 if name == "locked" else 2] * 2
    if name == "garbage":
        both.database.write_bytes(whole)
    expect_well(both, simulator, 3)
    cycles = sorted((row["collector"], row["started_at"][11:16], row["outcome"], row["readings"], row["stored"])
                    for row in both.cycles())
    assert cycles == [(collector, f"00:{5 * turn:02}", ("ok", "unreachable", "partial", "ok")[turn],
                     *[0 if turn == 1 else READINGS[collector]] * 2)
                    for collector in sorted(COLLECTORS) for turn in range(4)]
    assert {row["cycle_started_at"][11:16] for row in both.rows("SELECT * FROM retry_events")} >= {"00:05"}
