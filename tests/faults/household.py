"""A household that records when each cycle ran and what the simulated house gave it.

Cycles are five minutes apart by a faked clock, as processes (libfaketime) or in this process (freezegun), so that a day
takes a minute and every reading is distinct.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from freezegun import freeze_time

from runtime.formats import format_time
from tests.checkout import CHECKOUT
from tests.fake_clock import starting_at, tidy_up_after
from tests.home import Home, Outcome, unmeasured
from tests.simulator.server import Simulator

START = datetime(2026, 11, 22, 0, 55, tzinfo=timezone.utc)
EVERY = timedelta(minutes=5)

Given = tuple[str, str, str, float]  # device, cycle, time of measurement, °C


class Household:
    """A home and its simulated house at the moment of a cycle; `collected` is all that cycles have been given."""

    def __init__(self, home: Home, simulator: Simulator) -> None:
        self.home, self.simulator = home, simulator
        self.collected: set[Given] = set()
        self.be_at(START)
        home.settings["storage"] = {"busy_timeout_ms": 20}  # no holder of the database releases it here
        home.point_at(simulator, "http")

    def be_at(self, moment: datetime) -> None:
        self.moment = moment
        self.simulator.clock = lambda: moment

    def given(self) -> set[Given]:
        """Return the readings that the house gives at this moment."""
        house, found = self.simulator.house, set()
        for uniqueid in (sensor.uniqueid() for sensor in house.sensors):
            measured_at = house.last_report(uniqueid, self.moment)
            times = format_time(self.moment), format_time(measured_at)
            found.add((f"hue:{uniqueid}", *times, house.truth(uniqueid, measured_at)))
        return found

    def process(self, *before: str) -> Outcome:
        """Run the cycle as a process, perhaps by another command, and move on five minutes."""
        process = subprocess.Popen([*before, *self.home.command("--json")], env=environment(self.moment), cwd=CHECKOUT,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
            tidy_up_after(process.pid)
        return self.end(Outcome(process.returncode, out, err))

    def end(self, outcome: Outcome) -> Outcome:
        self.collected |= self.given()
        self.be_at(self.moment + EVERY)
        return outcome

    def run(self) -> Outcome:
        """Run the cycle in this process, and move on five minutes."""
        with freeze_time(self.moment):
            return self.end(self.home.run("--json"))

    def stored(self) -> list[Given]:
        """Return the stored readings, duplicates included."""
        return [as_given(row) for row in self.home.rows()]

    def stored_at_once(self) -> list[Given]:
        """Return the same from a copy of the files, since reading the database would change them."""
        copy, real = self.home.folder / "copy", self.home.data
        shutil.copytree(real, copy)
        try:
            if not (copy / "readings.db").exists():
                return []
            with closing(sqlite3.connect(copy / "readings.db")) as connection:
                connection.row_factory = sqlite3.Row
                has_table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'readings'").fetchone()
                rows = connection.execute("SELECT * FROM readings").fetchall() if has_table else []
            return [as_given(dict(row)) for row in rows]
        finally:
            shutil.rmtree(copy)

    def problems(self, due: set[Given]) -> Iterator[str]:
        """Run the next cycle, and yield what is wrong then; its readings and those due must be stored."""
        due = due | self.given()
        run = self.run()
        if (run.code, run.err) != (0, ""):
            yield f"the next cycle ends with {run.code} and says {run.err}"
        stored = self.stored()
        if due - set(stored):
            yield f"{len(due - set(stored))} readings are lost"
        if len(stored) > len(set(stored)) or set(stored) - self.collected:
            yield "readings are stored twice, or were never given"
        if len(stored) % len(self.given()):
            yield "half a cycle is stored"
        found = self.home.rows("PRAGMA integrity_check")
        if found != [{"integrity_check": "ok"}]:
            yield f"integrity_check says {found}"

    @contextmanager
    def database_held(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.home.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield


def as_given(row: dict[str, Any]) -> Given:
    """Return a row, or a reading printed on stderr, as `Given`: its time rounded down to the cycle's five minutes."""
    at = datetime.fromisoformat(row["timestamp"])
    cycle = datetime.fromtimestamp(at.timestamp() // EVERY.total_seconds() * EVERY.total_seconds(), timezone.utc)
    return row["device_id"], format_time(cycle), row["measured_at"], row["temperature_celsius"]


def printed(err: str) -> set[Given]:
    """Return the readings that a cycle printed on stderr as a last resort."""
    _, separator, readings = err.partition("; not stored: ")
    return {as_given(reading) for reading in json.loads(readings)} if separator else set()


def require(*tools: str) -> None:
    """Skip the test if a tool or root's permissions are missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"NOT PROVEN: this machine has no {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("NOT PROVEN: this takes root, for strace and mounts")


def environment(moment: datetime) -> dict[str, str]:
    return {**unmeasured(), **starting_at(moment), "PYTHONDONTWRITEBYTECODE": "1"}
