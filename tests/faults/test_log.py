"""Problems of the log, with the real scripts: no cycle stops, and hardly a line is lost."""

import logging
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.settings import Logging
from runtime import log
from runtime.log.rotating import GRACE
from tests.benchmarks import log_handler
from tests.checkout import CHECKOUT
from tests.faults import WHOLE
from tests.faults.forked import COLLECTORS, EVERY, START, Run, run_pair, start_pair
from tests.forking import FORKING, prepare
from tests.home import Home, unmeasured
from tests.runtime.test_log import held
from tests.simulator.server import Simulator

SMALLEST = 10_000  # bytes, the least that logging.max_bytes may be
WHOLE_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000 [A-Z]+ (hue|amazon_aqm) \w+ \S.*")
NOBODY = 65534
LINES, SESSION = 250_000, 50


@pytest.fixture
def both(shared_folder: Path, simulator: Simulator) -> Home:
    """A home with both collectors, whose next log line rotates the log."""
    prepare()
    home = Home(shared_folder / "home")
    home.settings |= {"retry": {"base_delay_seconds": 0.05},
                      "logging": {"max_bytes": SMALLEST, "backup_count": 1, "min_free_mb": 0}}
    home.introduce(simulator)
    home.log_file.parent.mkdir()
    return home


def fill(home: Home, size: int = SMALLEST) -> None:
    line = "2026-11-21T00:00:00+0000 INFO hue cycle stored 5 readings in yesterday's last cycle\n"
    home.log_file.write_text(line * (size // len(line)) + "x" * (size % len(line) - 1) + "\n")


def backup(home: Home) -> Path:
    return home.log_file.with_name("home_monitor.log.1")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a disk of 64 MB there, or skip the test."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk can be mounted by root only: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_with_less_than_100_mb_free_nothing_is_rotated_until_there_is_room(both: Home, simulator: Simulator) -> None:
    """A warning in the file from every process, nothing on stderr, and every line is kept. FR-018, EDGE-2."""
    both.settings["logging"].pop("min_free_mb")
    both.write_config()
    with small_disk(both.log_file.parent):
        fill(both)
        for turn in range(3):
            assert [(each.code, each.err) for each in run_pair(both, simulator, START + turn * EVERY)] == [(0, "")] * 2
        assert both.log().count(" WARNING hue rotating The log is not rotated: less than 100 MB of the disk") == 3
        assert len(re.findall(r" cycle stored \d readings? in \d", both.log())) == 6
        assert not backup(both).exists()
        both.settings["logging"]["min_free_mb"] = 20
        both.write_config()
        run_pair(both, simulator, START + 3 * EVERY)
        assert backup(both).exists() and both.log_file.stat().st_size < SMALLEST


def test_a_log_that_has_grown_for_too_long_costs_a_line_on_stderr_and_no_reading(
        both: Home, simulator: Simulator) -> None:
    """It is two megabytes over its limit, and the disk has no room to rotate it."""
    both.settings["logging"]["min_free_mb"] = 1_000_000
    both.write_config()
    fill(both, SMALLEST + GRACE)
    ended = run_pair(both, simulator, START)
    assert [each.code for each in ended] == [0, 0] and len(both.rows()) == 6
    assert all(each.err.count("\n") == 1 and "loses lines (it cannot be rotated" in each.err for each in ended)
    assert both.log_file.stat().st_size == SMALLEST + GRACE


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_rotation_that_is_not_permitted_stops_nobody(both: Home, simulator: Simulator) -> None:
    """EACCES: another owner has the folder, but not the file. One critical line from every process."""
    fill(both)
    both.log_file.with_name(f".{both.log_file.name}.lock").touch()
    for path in (both.folder, *both.folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.chown(both.log_file.parent, 0, 0)
    ended = run_pair(both, simulator, START, NOBODY)
    assert [(each.code, each.err) for each in ended] == [(0, "")] * 2 and not backup(both).exists()
    reported = re.findall(r" CRITICAL (\w+) rotating The log cannot be rotated: .*Permission denied", both.log())
    assert sorted(reported) == ["amazon_aqm", "hue"]


@pytest.mark.parametrize(("when", "refused"), [("1+", 3), ("1..2", 2)])
def test_a_rotation_that_fails_on_the_disk_is_tried_three_times(
        both: Home, simulator: Simulator, when: str, refused: int) -> None:
    """The rename fails with EIO, always or twice: the line is written in any case, and the cycle is fine."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace on this machine")
    fill(both)
    calls = both.folder / "calls"
    renaming = "rename,renameat,renameat2"
    command = ["strace", "-f", "-qq", "-o", str(calls), "-P", str(both.log_file), "-e", f"trace={renaming}",
               "-e", f"inject={renaming}:error=EIO:when={when}", *both.command()]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, env=unmeasured())
    if "ptrace" in done.stderr:
        pytest.skip(f"strace is not permitted here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and len(both.rows()) == 5
    assert calls.read_text().count("(INJECTED)") == refused
    assert backup(both).exists() == (refused == 2)
    assert both.log().count(" CRITICAL hue rotating The log cannot be rotated: ") == (refused == 3)
    assert len(re.findall(r" hue cycle stored 5 readings in \d", both.log())) == 1


def test_a_log_that_vanishes_while_four_processes_write_is_there_again(both: Home, simulator: Simulator) -> None:
    """At random moments. It is moved away, not deleted, so that its lines can be counted."""
    other = Home(both.folder / "other")
    other.settings |= {"logging": {"log_file_path": str(both.log_file)}}
    other.introduce(simulator)
    both.write_config(logging={})
    chance, turns = random.Random(4), 300 if WHOLE else 6
    for turn in range(turns):
        runs = [run for home in (both, other) for run in start_pair(home, simulator, START + turn * EVERY)]
        for number in range(3):
            time.sleep(chance.uniform(0, 0.03))
            if both.log_file.exists():
                both.log_file.rename(both.folder / f"gone-{turn}-{number}")
        assert [(end.code, end.err) for end in (run.end() for run in runs)] == [(0, "")] * 4
    assert [each.code for each in run_pair(both, simulator, START + turns * EVERY)] == [0, 0]
    lines = [line for path in (*both.folder.glob("gone-*"), both.log_file) for line in path.read_text().splitlines()]
    assert [line for line in lines if not WHOLE_LINE.fullmatch(line)] == []
    assert [sum(f" {name} cycle stored " in line for line in lines) for name in COLLECTORS] == [2 * turns + 1] * 2
    if WHOLE:
        gone = len(list(both.folder.glob("gone-*")))
        print(f"\nlog gone {gone} times under {4 * turns} runs, four at a time: {len(lines)} lines, none lost or torn")


def test_a_folder_that_cannot_hold_a_log_costs_a_line_on_stderr_and_no_reading(
        both: Home, simulator: Simulator) -> None:
    both.log_file.parent.rmdir()
    both.log_file.parent.write_text("a file where the folder should be")
    simulator.clock = lambda: START
    ended = Run(both, "hue", START).end()
    assert ended.code == 0 and ended.err.startswith("The log cannot be opened: ") and ended.err.count("\n") == 1
    assert len(both.rows()) == 5


@pytest.mark.skipif(not WHOLE, reason="in small, tests/runtime/test_log.py proves it in every run")
def test_four_processes_lose_no_line_and_are_as_fast_as_the_standard_handler() -> None:
    """200 000 lines in sessions of 50, 20 rotations; the standard handler writes the same lines in the same run."""
    ours = log_handler.measure("ours", log_handler.open_ours, 200_000, 20)
    standard = log_handler.measure("standard", log_handler.open_standard, 200_000, 20)
    print(f"\n{ours}\n{standard}\np50 {ours.p50 / standard.p50:.2f}, p99 {ours.p99 / standard.p99:.2f} of the standard")
    assert (ours.lost, ours.torn, ours.doubled) == (0, 0, 0) and ours.rotations >= 20
    assert ours.p50 <= standard.p50 and ours.p99 <= standard.p99


def flood(path: Path) -> None:
    """Write a quarter of a million lines in sessions of 50, with the shipped settings, as one of four processes."""
    for _ in range(LINES // SESSION):
        log.set_up(Logging(log_file_path=path, min_free_mb=0), "hue", log.Redactor())
        for number in range(SESSION):
            logging.getLogger("collectors.hue").info("%d %s end", number, "x" * 60)
        log.shut_down()


@pytest.mark.skipif(not WHOLE, reason="in small, tests/runtime/test_log.py proves it in every run")
def test_the_logs_never_take_more_than_60_mb(tmp_path: Path) -> None:
    """SC-003: four processes write a hundred megabytes while the files are measured."""
    prepare()
    path = tmp_path / "logs" / "home_monitor.log"
    processes = [FORKING.Process(target=flood, args=(path,), daemon=True) for _ in range(4)]
    for process in processes:
        process.start()
    samples = [0]
    while any(process.is_alive() for process in processes):
        time.sleep(0.02)
        if path.with_name(f".{path.name}.lock").exists():
            samples.append(held(path))
    assert [process.exitcode for process in processes] == [0] * 4
    print(f"\n{4 * LINES} lines: never more than {max(samples):,} bytes of log in {len(samples)} looks")
    assert len(samples) > 100 and 50_000_000 < max(samples) <= 60_000_000
