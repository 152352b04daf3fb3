"""Thirty days of logging at DEBUG, four cycles a minute of both collectors: does the log ever take more than 60 MB?

345,600 real runs would take days. So both collectors run every two hours, side by side, every twelfth time with the
network away. In between two processes write what 479 runs of each collector would have logged: the lines of the real
run before, through the program's log handler, opened and closed once for each run (tests/soak/writing.py).
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.checkout import CHECKOUT
from tests.soak.account import LOG_LIMIT, Account
from tests.soak.place import Place, furnished
from tests.soak.plan import COLLECTORS, MONTH
from tests.soak.workload import Run, cycle

STEP = timedelta(hours=2)
BETWEEN = int(STEP / timedelta(seconds=15)) - 1  # runs whose lines are written without running them
AWAY = 12  # every so many of the real cycles find no network
LINE = re.compile(r"(\S+) (\w+) (\w+) (\S+) (.*)")

LogLine = tuple[str, str, str]  # level, module and message of a line


def run_month(progress: Callable[[str], None]) -> Account:
    with furnished(MONTH) as place:
        place.home.write_config(logging={"level": "DEBUG"})
        month = _Month(place)
        for turn in range(int(timedelta(hours=MONTH.hours) / STEP)):
            place.be_at(MONTH.start + STEP * turn)
            month.step(is_away=turn % AWAY == AWAY - 1)
            if turn % 30 == 0:
                progress(f"{place.moment:%Y-%m-%d %H:%M}, {month.written} bytes written, {month.most} kept")
        return month.account()


class _Month:
    def __init__(self, place: Place) -> None:
        self.place, self.folder = place, place.home.data / "logs"
        self.runs: list[Run] = []
        self.lines = self.written = self.most = 0

    def step(self, is_away: bool) -> None:
        if is_away:
            for face in ("hue", "discovery", "alexa", "weather"):
                self.place.simulator.faults.add("reset", face=face, start=self.place.moment,
                                                end=self.place.moment + MONTH.every)
        self.runs += [run for run in cycle(self.place, [], look=False) if run.what in COLLECTORS]
        said = {name: json.dumps(self._logged_by(name)) for name in COLLECTORS}
        writers = [self._start_writing(name, lines) for name, lines in said.items()]
        if any(writer.wait() for writer in writers):
            raise RuntimeError("the log was not written")
        self.most = max(self.most, sum(path.stat().st_size for path in self.folder.iterdir()))

    def account(self) -> Account:
        backups = [path for path in self.folder.iterdir() if path.suffix[1:].isdecimal()]
        problems = [f"the log took {self.most} bytes"] if self.most > LOG_LIMIT else []
        if self.written < 2 * LOG_LIMIT:
            problems.append(f"only {self.written} bytes were written, too few to prove anything")
        problems += [f"{run.moment} {run.what} printed {run.said!r}" for run in self.runs if "log" in run.said.lower()]
        counts: dict[str, Any] = {
            "real runs": len(self.runs), "runs whose lines were written": len(self.runs) * BETWEEN,
            "backups": len(backups)}
        measured = {"bytes written": self.written, "lines written": self.lines, "log, bytes": self.most}
        return Account(counts, measured, problems)

    def _start_writing(self, name: str, lines: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tests.soak.writing", str(self.place.home.log_file), name, str(BETWEEN)]
        writer = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, text=True)
        assert writer.stdin is not None
        with writer.stdin as pipe:
            pipe.write(lines)
        return writer

    def _logged_by(self, name: str) -> list[LogLine]:
        """Return the lines that the current run has logged, and count them for it and for the runs that repeat them."""
        since = f"{self.place.moment:%Y-%m-%dT%H:%M}"
        texts = [path.read_text(encoding="utf-8") for path in (Path(f"{self.place.home.log_file}.1"),
                                                               self.place.home.log_file) if path.exists()]
        lines = [line for text in texts for line in text[-65_536:].splitlines() if line.startswith(since)]
        found = [match for match in map(LINE.fullmatch, lines) if match and match[3] == name]
        self.lines += len(found) * (BETWEEN + 1)
        self.written += sum(len(match[0].encode()) + 1 for match in found) * (BETWEEN + 1)
        return [(match[2], match[4], match[5]) for match in found]
