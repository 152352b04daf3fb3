"""Two collectors side by side, killed at random moments, as by the kernel or by an impatient person."""

import fcntl
import itertools
import random
import signal
import subprocess
import time
from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.checkout import CHECKOUT
from tests.faults import WHOLE
from tests.faults.forked import (
    COLLECTORS,
    EVERY,
    READINGS,
    START,
    Ended,
    Run,
    false_rows,
    integrity,
    run_pair,
    start_pair,
    stored,
    waiting,
)
from tests.forking import prepare
from tests.home import Home
from tests.simulator.server import Simulator

MINUTE = timedelta(minutes=1)
ALL_SILENT = [(0, ""), (0, "")]
TIMELY = 4.0  # seconds for a cycle of 0.05: a lock that is never released would cost 5 and more

Key = tuple[str, datetime]


@pytest.fixture
def both(home: Home, simulator: Simulator) -> Home:
    """A home in which both collectors have stored their first cycle."""
    prepare()
    home.introduce(simulator)
    assert [run.code for run in run_pair(home, simulator, START - 4 * EVERY)] == [0, 0]
    return home


def usual_seconds(home: Home, simulator: Simulator) -> float:
    """Return how long an undisturbed pair takes."""
    times = [max(run.seconds for run in run_pair(home, simulator, START - (3 - turn) * EVERY)) for turn in range(3)]
    return sorted(times)[1]


class Ledger:
    """The cycles that must be in the database at the end, and how the runs ended that were struck."""

    def __init__(self) -> None:
        self.due: dict[Key, str] = {}
        self.maybe_partial: set[Key] = set()
        self.struck: Counter[str] = Counter()
        self.ended: Counter[int] = Counter()
        self.slowest = 0.0

    def strike(self, home: Home, runs: list[Run], victims: list[Run], number: int) -> None:
        """Send the victims a signal, wait for all, and record which cycles must not be lost."""
        for victim in victims:
            victim.send(number)
        ended = [run.end() for run in runs]
        spool = waiting(home)
        for run, end in zip(runs, ended):
            key = run.collector, run.moment
            if end.code == 0 or end.kept or key in spool:
                self.due[key] = f"{end}, {'waited' if key in spool else 'did not wait'} in the spool"
            if end.code == 128 + signal.SIGTERM:
                self.maybe_partial.add(key)
            if run in victims:
                self.ended[end.code] += 1
                self.struck["too late" if end.code == 0 else "waiting in the spool" if key in spool else
                            "stored" if end.kept else "nothing spooled yet"] += 1
            assert end.err == "", f"{key} ended with {end.code} and printed: {end.err}"

    def expect_well(self, ended: list[Ended], moment: datetime) -> None:
        """Check that the cycles after a strike were as usual, and in time."""
        assert [(run.code, run.err) for run in ended] == ALL_SILENT, moment
        self.slowest = max(self.slowest, *(run.seconds for run in ended))
        assert self.slowest < TIMELY, moment
        self.due |= {(collector, moment): "after a strike" for collector in COLLECTORS}

    def check(self, home: Home, simulator: Simulator) -> None:
        """Compare with the database: no cycle lost, incomplete or doubled, no value false.

        Only a cycle that was asked to end half-way may have fewer readings; its row says so.
        """
        counts, rows = stored(home), home.cycles()
        cycles = {(row["collector"], datetime.fromisoformat(row["started_at"])): row for row in rows}
        assert {key: why for key, why in self.due.items() if key not in cycles} == {}
        assert len(cycles) == len(rows) and counts.keys() <= cycles.keys()
        assert [row for key, row in cycles.items() if not row["readings"] == row["stored"] == counts[key]] == []
        less = {key for key in cycles if counts[key] != READINGS[key[0]]}
        assert less <= {key for key in cycles if cycles[key]["outcome"] in ("partial", "interrupted")} <= self.maybe_partial
        assert false_rows(home, simulator) == [] and integrity(home) == ["ok"] and waiting(home) == []
        assert not (home.data / "spool.bad").exists()

    def print_summary(self, title: str) -> None:
        if WHOLE:
            struck = ", ".join(f"{when}: {count}" for when, count in sorted(self.struck.items()))
            print(f"\n{title}: {self.struck.total()} runs struck ({struck}); {len(self.due)} cycles due, all stored; "
                  f"slowest cycle after a strike {self.slowest:.2f} s")


def strike_at_random(both: Home, simulator: Simulator, number: int, wanted: int) -> Ledger:
    """Start pairs, strike each at a random moment, and run the next pair a minute later, until enough are hit.

    Every other strike waits for one of the pair to be in the spool, a small part of the whole time.
    """
    chance, ledger = random.Random(number), Ledger()
    ledger.due |= {(collector, START - turn * EVERY): "at first" for turn in range(1, 5) for collector in COLLECTORS}
    usual = usual_seconds(both, simulator)
    for turn in itertools.count():
        moment = START + turn * EVERY
        pair = start_pair(both, simulator, moment)
        if turn % 2:
            chance.choice(pair).await_spool()
        time.sleep(chance.uniform(0, usual / 5 if turn % 2 else 0.9 * usual))
        ledger.strike(both, pair, chance.choice([pair, pair[:1], pair[1:]]), number)
        ledger.expect_well(run_pair(both, simulator, moment + MINUTE), moment + MINUTE)
        assert integrity(both) == ["ok"], moment
        if ledger.struck.total() - ledger.struck["too late"] >= wanted:
            break
    return ledger


def test_a_pair_killed_at_any_moment_blocks_and_loses_nothing(both: Home, simulator: Simulator) -> None:
    """kill -9 of one or both; the next pair stores all that was spooled, and no cycle is stored in part."""
    ledger = strike_at_random(both, simulator, signal.SIGKILL, 1000 if WHOLE else 30)
    ledger.check(both, simulator)
    assert set(ledger.ended) - {-signal.SIGKILL, 0} == set()
    kept = [ledger.struck[when] > 0 for when in ("waiting in the spool", "stored")]
    assert all(kept) if WHOLE else any(kept), "nothing was proved"
    ledger.print_summary("kill -9")


def test_a_pair_asked_to_end_at_any_moment_keeps_what_it_has_collected(both: Home, simulator: Simulator) -> None:
    """SIGTERM: exit 143 and no output, unless it came before our first line of code, or after the last."""
    ledger = strike_at_random(both, simulator, signal.SIGTERM, 500 if WHOLE else 10)
    ledger.check(both, simulator)
    assert set(ledger.ended) - {128 + signal.SIGTERM, -signal.SIGTERM, 0} == set()
    assert both.log().count(" interrupted") > 2, "nothing was proved"
    ledger.print_summary("SIGTERM")


def test_readings_that_wait_for_the_spool_itself_are_kept(both: Home, simulator: Simulator) -> None:
    """A signal between the source's answer and the spool, which another process holds."""
    with open(both.data / "spool.journal.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pair = start_pair(both, simulator, START)
        time.sleep(0.5)  # both have collected by now, and wait two seconds for the lock
        for run, number in zip(pair, (signal.SIGTERM, signal.SIGINT)):
            run.send(number)
        time.sleep(0.2)
    assert [(ended.code, ended.err, ended.kept) for ended in (run.end() for run in pair)] == [
        (143, "", True), (130, "", True)]
    assert sorted(waiting(both)) == [(collector, START) for collector in sorted(COLLECTORS)]
    assert [(ended.code, ended.err) for ended in run_pair(both, simulator, START + MINUTE)] == ALL_SILENT
    assert stored(both)["hue", START] == 5 and stored(both)["amazon_aqm", START] == 1
    assert {row["outcome"] for row in both.cycles()} == {"ok"}


def test_the_commands_that_cron_starts_are_killed_at_any_moment(home: Home, simulator: Simulator) -> None:
    """The same with whole processes, by the real clock.

    Every pair runs in a different second, so that its readings can be distinguished from the next pair's.
    """
    home.introduce(simulator)
    commands = [home.command(module=f"collectors.{name}") for name in COLLECTORS]
    chance, slowest, due, struck = random.Random(1), 0.0, set(), Counter[str]()
    usual, _ = run_commands(commands)
    for _ in range(100 if WHOLE else 1):
        await_next_second()
        victims = [subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL) for command in commands]
        time.sleep(chance.uniform(usual / 3, usual))
        number = chance.choice([signal.SIGKILL, signal.SIGTERM])
        for victim in victims:
            victim.send_signal(number)
        codes = [victim.wait(60) for victim in victims]
        struck += Counter("too late" if code == 0 else "struck" for code in codes)
        assert set(codes) <= {0, -number, 128 + number}
        due |= set(waiting(home)) | set(stored(home))
        await_next_second()
        seconds, ended = run_commands(commands)
        assert ended == ALL_SILENT
        slowest = max(slowest, seconds)
    counts, halves = stored(home), {row["started_at"] for row in home.cycles() if row["outcome"] == "partial"}
    assert due <= counts.keys()
    assert all(count == READINGS[key[0]] or key[1].isoformat() in halves for key, count in counts.items())
    assert false_rows(home, simulator) == [] and integrity(home) == ["ok"] and waiting(home) == []
    if WHOLE:
        print(f"\ncommands: {dict(struck)}, {len(counts)} cycles stored, slowest pair after a strike {slowest:.2f} s")


def run_commands(commands: list[list[str]]) -> tuple[float, list[tuple[int, str]]]:
    """Run the commands side by side; return the seconds it took, and exit codes with stderr."""
    started = time.monotonic()
    runs = [subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) for command in commands]
    errors = [run.communicate(timeout=60)[1] for run in runs]
    return time.monotonic() - started, [(run.returncode, err) for run, err in zip(runs, errors)]


def await_next_second() -> None:
    time.sleep(1 - time.time() % 1)
