"""Runs both collectors side by side, in processes forked from one that has imported everything (tests/forking.py).

A run starts at `collect.run`: thousands of runs are affordable, and a random moment hits their work rather than
imports. Only its clock is replaced; it records when its readings are in the spool, and when it is done.
"""

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import collectors
from jobs import collect, job
from tests.forking import FORKING, redirect_output
from tests.home import Home
from tests.simulator.server import Simulator

COLLECTORS = ("hue", "amazon_aqm")
READINGS = {"hue": 5, "amazon_aqm": 1}
TYPES = {"hue_sensor": "hue", "alexa_aqm": "amazon_aqm"}
START = datetime(2026, 11, 22, tzinfo=timezone.utc)
EVERY = timedelta(minutes=5)
WAITING = re.compile(rb'\+[0-9a-f]{8} [0-9]+ \{"collector":"(\w+)","started_at":"([^"]+)"')


@dataclass(frozen=True)
class Ended:
    """How a run ended, and how long it took.

    `kept` means that its readings were in the spool on the disk; `storing` is how many seconds later it was done, None
    if it never was.
    """

    code: int
    err: str
    seconds: float
    kept: bool
    storing: float | None


class Run:
    """One running cycle of a collector, whose clock stands at `moment`."""

    def __init__(self, home: Home, collector: str, moment: datetime, user: int | None = None) -> None:
        self.collector, self.moment = collector, moment
        self._notes = home.folder / "notes" / f"{collector}-{moment:%Y%m%dT%H%M%S}"
        self._notes.parent.mkdir(exist_ok=True)
        self._notes.parent.chmod(0o777)
        self._started = time.monotonic()
        self._process = FORKING.Process(target=_run, args=(collector, str(home.config), moment, str(self._notes), user))
        self._process.start()

    def send(self, number: int) -> None:
        """Send a signal if the run is still alive."""
        if self._process.pid is not None and self._process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def await_spool(self) -> None:
        """Wait until its readings are in the spool, or the run is over."""
        while self._process.is_alive() and not os.path.exists(f"{self._notes}.kept"):
            time.sleep(0.0005)

    def end(self) -> Ended:
        """Wait at most a minute for the end."""
        self._process.join(60)
        code, seconds = self._process.exitcode, time.monotonic() - self._started
        assert code is not None, f"{self.collector} still runs after a minute"
        self._process.close()
        kept, through, err = (self._note(ending) for ending in ("kept", "through", "err"))
        storing = float(through) - float(kept.split()[-1]) if kept and through else None
        return Ended(code, err, seconds, bool(kept), storing)

    def _note(self, ending: str) -> str:
        """Return what the run recorded, and delete the file: there will be thousands."""
        path = Path(f"{self._notes}.{ending}")
        text = path.read_text() if path.exists() else ""
        path.unlink(missing_ok=True)
        return text


def start_pair(home: Home, simulator: Simulator, moment: datetime, user: int | None = None) -> list[Run]:
    """Start both collectors at once, as cron does, and set the simulator's clock; root may start them as `user`."""
    simulator.clock = lambda: moment
    return [Run(home, collector, moment, user) for collector in COLLECTORS]


def run_pair(home: Home, simulator: Simulator, moment: datetime, user: int | None = None) -> list[Ended]:
    return [run.end() for run in start_pair(home, simulator, moment, user)]


def waiting(home: Home) -> list[tuple[str, datetime]]:
    """Read the waiting cycles from both spools without the program."""
    spools = home.data / "spool.journal", home.config.with_name("waiting.journal")
    found = [match for path in spools if path.exists() for match in WAITING.findall(path.read_bytes())]
    return [(collector.decode(), datetime.fromisoformat(moment.decode())) for collector, moment in found]


def stored(home: Home) -> Counter[tuple[str, datetime]]:
    rows = home.rows("SELECT device_type, timestamp FROM readings")
    return Counter((TYPES[row["device_type"]], datetime.fromisoformat(row["timestamp"])) for row in rows)


def false_rows(home: Home, simulator: Simulator) -> list[dict[str, Any]]:
    """Return the stored readings that differ from the simulated truth."""
    house = simulator.house

    def truth(row: dict[str, Any]) -> float:
        measured_at = datetime.fromisoformat(row["measured_at"])
        if TYPES[row["device_type"]] == "hue":
            return house.truth(row["device_id"].removeprefix("hue:"), measured_at)
        serial = row["device_id"].removeprefix("alexa:")
        moment = datetime.fromisoformat(row["timestamp"])
        return house.air_truth(serial, "temperature", house.last_sample(serial, "temperature", moment))

    return [row for row in home.rows() if abs(row["temperature_celsius"] - truth(row)) > 0.006]


def integrity(home: Home) -> list[str]:
    """Return the lines of SQLite's integrity_check: `["ok"]`."""
    return [str(row["integrity_check"]) for row in home.rows("PRAGMA integrity_check")]


def _run(collector: str, path: str, moment: datetime, notes: str, user: int | None) -> None:
    redirect_output(os.devnull, f"{notes}.err")
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    setattr(job, "datetime", type("Clock", (datetime,), {"now": lambda _zone: moment}))  # noqa: B010  # for mypy
    if sys.platform != "darwin":
        setattr(os, "fdatasync", _noting(os.fdatasync, f"{notes}.kept"))  # noqa: B010  # for mypy
    code = collect.run(collectors.load(collector), ["--config", path])
    Path(f"{notes}.through").write_text(f"{time.monotonic()}")
    raise SystemExit(code)


def _noting(sync: Callable[[int], None], note: str) -> Callable[[int], None]:
    """Wrap fdatasync to record when it was done for the spool."""
    def noted(descriptor: int) -> None:
        sync(descriptor)
        if not os.readlink(f"/proc/self/fd/{descriptor}").endswith("/spool.journal"):
            return
        with open(note, "a") as stream:
            stream.write(f"{time.monotonic()} ")
    return noted
