"""Days of random faults; after each step every reading is counted.

Every reading is in exactly one place: the database, the spool, the file of damaged lines, or printed as a last resort.
"""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from freezegun import freeze_time
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from collectors import amazon_aqm, hue
from storage import spool
from tests.faults import WHOLE
from tests.faults.workload import DAY, HOUR, NOON, STEADY, Life
from tests.home import Home
from tests.simulator.server import Simulator
from tests.storage.samples import a_cycle, a_reading

LINE = re.compile(rb"\+[0-9a-f]{8} \d+ (\{[^\n]*\})")  # of the spool, whether its checksum is right or not
REPEATABLE = settings(max_examples=100 if WHOLE else 20, stateful_step_count=50 if WHOLE else 10, derandomize=True,
                      deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
Readings = list[tuple[str, float]]


def readings(text: str | bytes) -> Readings:
    return [(reading["device_id"], reading.get("temperature_raw") or reading["temperature_celsius"])
            for reading in json.loads(text)]


def lines(path: Path) -> Readings:
    """Return the readings in a spool or in its file of damaged lines."""
    bodies = LINE.findall(path.read_bytes()) if path.is_file() else []
    return [reading for body in bodies for reading in readings(json.dumps(json.loads(body).get("readings", [])))]


class History(RuleBasedStateMachine):
    """One home's history. A fault starts by one rule and ends by another, or with the history."""

    def __init__(self, folder: Path, simulator: Simulator, clock: Any, counts: dict[str, int]) -> None:
        super().__init__()
        shutil.rmtree(folder, ignore_errors=True)
        simulator.faults.clear()
        self.life, self.counts = Life(Home(folder), simulator, clock), counts
        self.home = self.life.home
        self.home.write_config(storage={"busy_timeout_ms": 10}, retry={"base_delay_seconds": 0, "max_attempts": 2})
        self.journal, self.bad = self.home.data / spool.NAME, self.home.data / spool.SET_ASIDE
        self.waiting = self.home.config.with_name(spool.WAITING)  # while the database is gone
        self.holder: sqlite3.Connection | None = None
        self.printed: Readings = []
        self.database, self.spool = self.home.database, self.journal  # their real places
        assert [each.code for each in self.life.cycle()] == [0, 0]

    @rule(collector=st.sampled_from([hue, amazon_aqm]))
    def a_cycle(self, collector: Any) -> None:
        outcome, = self.life.cycle(collector)
        for line in re.findall(r"not stored: (\[.*\])$", outcome.err, re.MULTILINE):
            self.printed += readings(line)
        spooling, storing = self.spool == self.journal, self.database == self.home.database and self.holder is None
        assert outcome.code == (0 if storing and spooling else 1 if spooling and self.holder else 2), outcome

    @rule(step=st.sampled_from([-HOUR, -timedelta(minutes=5), timedelta(minutes=40), DAY, -DAY]))
    def a_step_of_the_clock(self, step: timedelta) -> None:
        self.life.step(step)

    @precondition(lambda self: self.spool == self.journal)
    @rule()
    def a_run_killed_before_it_stored(self) -> None:
        self.life.cycles += 1
        degrees = self.life.cycles / 100
        now = self.life.now + timedelta(seconds=self.life.cycles)
        spool.append(self.home.data, a_cycle(a_reading("hue:killed", now, temperature_celsius=degrees), at=now), 1.0)
        self.life.given.add(("hue:killed", degrees))

    @precondition(lambda self: bool(lines(self.spool)))
    @rule()
    def a_line_torn(self) -> None:
        content = bytearray(self.spool.read_bytes())
        at = content.rindex(b"\n+") + 2 if b"\n+" in content else content.index(b"+") + 1
        content[at] = ord("0") + (content[at] - ord("0") + 1) % 10
        self.spool.write_bytes(content)

    @precondition(lambda self: self.holder is None and self.database == self.home.database)
    @rule()
    def the_database_held(self) -> None:
        self.holder = sqlite3.connect(self.database, isolation_level=None)
        self.holder.execute("BEGIN IMMEDIATE")

    @precondition(lambda self: self.holder is not None)
    @rule()
    def the_database_free(self) -> None:
        assert self.holder is not None
        self.holder.close()
        self.holder = None

    @precondition(lambda self: self.holder is None and self.database == self.home.database)
    @rule(left=st.sampled_from([None, b"", b"no database at all" * 500]))
    def the_database_gone(self, left: bytes | None) -> None:
        self.database = self.home.database.rename(self.home.data / "aside.db")
        if left is not None:
            self.home.database.write_bytes(left)

    @precondition(lambda self: self.database != self.home.database)
    @rule()
    def the_database_back(self) -> None:
        self.home.database.unlink(missing_ok=True)
        self.database = self.database.rename(self.home.database)

    @precondition(lambda self: self.spool == self.journal)
    @rule()
    def the_spool_refused(self) -> None:
        self.spool = self.journal.rename(self.home.data / "aside.journal")
        self.journal.mkdir()

    @precondition(lambda self: self.spool != self.journal)
    @rule()
    def the_spool_back(self) -> None:
        self.journal.rmdir()
        self.spool = self.spool.rename(self.journal)

    @invariant()
    def every_reading_is_somewhere_once(self) -> None:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT device_id, temperature_raw FROM readings").fetchall()
        self.counts["steps"] += 1
        found = [*rows, *lines(self.spool), *lines(self.bad), *lines(self.waiting), *self.printed]
        assert sorted(found) == sorted(self.life.given)

    def teardown(self) -> None:
        """End all faults; the next cycle stores all that waited."""
        if self.holder is not None:
            self.the_database_free()
        if self.database != self.home.database:
            self.the_database_back()
        if self.spool != self.journal:
            self.the_spool_back()
        self.a_cycle(hue)
        self.every_reading_is_somewhere_once()
        assert lines(self.journal) == []
        self.counts["histories"] += 1
        self.counts["cycles"] += self.life.cycles
        for name, count in [("readings", len(self.life.given)), ("set aside", len(lines(self.bad))),
                            ("printed", len(self.printed))]:
            self.counts[name] += count


def test_whatever_happens_every_reading_is_accounted_for(tmp_path: Path) -> None:
    counts = dict.fromkeys(["histories", "steps", "cycles", "readings", "set aside", "printed"], 0)
    with Simulator(tls=None) as simulator, freeze_time(NOON, ignore=STEADY) as clock:
        begin: Any = partial(History, tmp_path / "home", simulator, clock, counts)
        run_state_machine_as_test(begin, settings=REPEATABLE)
    if WHOLE:
        print(f"\n{counts}: none lost, none double")
