"""A device's whole history is rewritten while both collectors run every second, without delaying them.

With HISTORY=whole in the environment (`make history`) the device has a million readings.
"""

import hashlib
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from multiprocessing.synchronize import Event
from pathlib import Path
from time import monotonic, sleep, time
from types import ModuleType

import pytest

from collectors import amazon_aqm, hue
from runtime.formats import format_time
from storage import manager
from tests.checkout import CHECKOUT
from tests.home import Home
from tests.simulator.server import Simulator
from tests.storage.samples import FORK, start

pytestmark = pytest.mark.slow
ROWS = 1_000_000 if os.environ.get("HISTORY") == "whole" else 100_000
LONGEST_WAIT_MS = 250
UTILITY = "hue:00:17:88:01:cc:75:00:01-02-0402"
BEGINNING = datetime(2015, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def old(home: Home, simulator: Simulator) -> Home:
    """A home with years of readings of the utility room; everything the collectors need is imported already."""
    home.introduce(simulator)
    for collector in (hue, amazon_aqm):
        assert home.run(collector=collector).code == 0
    times = (format_time(BEGINNING + timedelta(minutes=5 * n)) for n in range(ROWS))
    with manager.writing(home.database) as connection, manager.transaction(connection):
        connection.executemany("""
            INSERT INTO readings (
                timestamp, device_id, device_type, name, location, temperature_celsius, temperature_raw, created_at)
            VALUES (?, ?, 'hue_sensor', 'Utility', 'Utility', ?, ?, ?)
        """, ((at, UTILITY, n % 3000 / 100, n % 3000 / 100, at) for n, at in enumerate(times)))
    return home


def run_every_second(home: Home, collector: ModuleType, over: Event) -> None:
    while not over.wait(1.01 - time() % 1):
        home.run(collector=collector)


@contextmanager
def collecting(home: Home) -> Iterator[None]:
    over = FORK.Event()
    running = [start(run_every_second, home, collector, over) for collector in (hue, amazon_aqm)]
    try:
        yield
    finally:
        over.set()
        for process in running:
            process.join()


def longest_ms(home: Home, first: int) -> dict[str, float]:
    """Return of each collector's cycles, from the given one on, the most that one took beside its requests.

    That is by its own account, in its row, and an upper limit of how long it waited for the database.
    """
    found: dict[str, float] = {}
    for row in home.cycles()[first:]:
        assert row["outcome"] == "ok", row
        found[row["collector"]] = max(found.get(row["collector"], 0.0), row["duration_ms"] - row["fetch_ms"])
    assert set(found) == {"hue", "amazon_aqm"}
    return found


def undisturbed(home: Home) -> tuple[int, float]:
    """Let some seconds pass; return the number of cycles, and the longest time of one without its requests.

    A machine that is busy with other things delays cycles too, which is not tested here.
    """
    sleep(3)
    return len(home.cycles()), max(longest_ms(home, 2).values())


def checksum(path: Path, last: int) -> tuple[int, str]:
    """Return how many rows there are up to an id, and a hash of all of their columns but the name."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(path)) as connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(readings)") if row[1] != "name"]
        count = 0
        for row in connection.execute(f"SELECT {', '.join(names)} FROM readings WHERE id <= ? ORDER BY id", (last,)):
            digest.update(repr(row).encode())
            count += 1
    return count, digest.hexdigest()


def count_named(home: Home, name: str) -> int:
    rows = home.rows(f"SELECT COUNT(*) AS count FROM readings WHERE device_id = '{UTILITY}' AND name = '{name}'")
    return int(rows[0]["count"])


def start_on_terminal(home: Home, *arguments: str) -> tuple["subprocess.Popen[bytes]", int]:
    ours, theirs = pty.openpty()
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(home.config), *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    return process, ours


def shown(terminal: int) -> str:
    text = b""
    while True:
        try:
            text += os.read(terminal, 65536)
        except OSError:  # Linux raises this once the terminal is closed
            os.close(terminal)
            return text.decode()


def test_a_history_is_rewritten_beside_both_collectors_and_after_a_kill(old: Home) -> None:
    """No cycle waits long, nothing but the name changes, and a second run completes what the first was killed in. US6-3."""
    last = old.rows("SELECT MAX(id) AS id FROM readings")[0]["id"]
    before = checksum(old.database, last)
    rename = "amend-name", "--recursive", UTILITY, "Larder"
    with collecting(old):
        count, usual_ms = undisturbed(old)
        first, terminal = start_on_terminal(old, *rename)
        while count_named(old, "Larder") < ROWS * 0.3:
            assert first.poll() is None
            sleep(0.1)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert "Rewriting its history" in shown(terminal)
        done = count_named(old, "Larder")
        assert ROWS * 0.3 <= done < ROWS
        begin = monotonic()
        second, terminal = start_on_terminal(old, *rename)
        text = shown(terminal)
        assert second.wait() == 0, text
        seconds = monotonic() - begin
        sleep(1)
    found = longest_ms(old, count)
    print(f"{ROWS} rows, the last {ROWS - done} in {seconds:.1f} s; beside its requests a cycle took at most "
          f"{usual_ms:.0f} ms before, and then {found} in {len(old.cycles()) - count} cycles")
    assert max(found.values()) <= usual_ms + LONGEST_WAIT_MS
    assert "Looking through its history ..." in text
    percents = [int(each) for each in re.findall(r"(\d+)%", text)]
    assert percents == sorted(percents) and percents[-1] == 100 and len(set(percents)) > 5
    assert checksum(old.database, last) == before
    assert count_named(old, "Utility") == 0 and count_named(old, "Larder") >= ROWS
    assert old.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_a_history_is_deleted_beside_both_collectors(old: Home) -> None:
    with collecting(old):
        count, usual_ms = undisturbed(old)
        run = old.devices("forget", "utility", "--delete-history", answer=f"{UTILITY}\n")
        assert run.code == 0, run.err
        sleep(1)
    assert max(longest_ms(old, count).values()) <= usual_ms + LONGEST_WAIT_MS
    decided = next(line[:19] for line in old.log().splitlines() if f"{UTILITY} (Utility) is now inactive" in line)
    kept = [row["timestamp"] for row in old.rows() if row["device_id"] == UTILITY]
    cycles = [row["started_at"] for row in old.cycles() if row["collector"] == "hue"]
    assert kept and kept == cycles[-len(kept):] and {each for each in cycles if each[:19] > decided} <= set(kept)
    others = [row["device_id"] for row in old.rows() if row["device_id"] != UTILITY]
    assert len(others) == sum(4 if row["collector"] == "hue" else 1 for row in old.cycles())
