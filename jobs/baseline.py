"""What a cycle cost before it was made lean, and what it costs now: `python -m jobs.baseline --help`.

`capture` measures cycles that ask in the old way, by the source's `collect_unoptimised`, and keeps what they cost in
`data/performance_baseline.json`; `compare` measures today's and holds both against each other. A measured cycle is a
whole one, from reading the configuration to the commit; only Python is started already, and all modules are imported.
It asks the real source and syncs the real disk, but its readings go into a spool and a database of their own, in a
folder beside the real ones that is removed afterwards: a measurement is no reading.
"""

import argparse
import json
import logging
import math
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import collectors
import config
from collectors import Measurable
from jobs.collect import STORING_SECONDS, clock, exit_code
from jobs.persist import Persister
from jobs.report import Manner, Report
from runtime import log as log_file
from runtime.deadline import Deadline, Stopwatch
from runtime.errors import RemoteError, StorageError, Unusable
from runtime.files import drop_to_owner, write_atomically
from runtime.formats import format_time, one_line, parse_time
from runtime.http_client import HttpClient
from runtime.redaction import Redactor
from runtime.retry import retry_policy
from runtime.signals import interruptible
from storage.reading import Cycle, Reading
from storage.state import State

log = logging.getLogger(__name__)

NAME = "performance_baseline.json"
COLLECT = {"capture": "collect_unoptimised", "compare": "collect"}
PAUSE_SECONDS = 0.3  # a Hue bridge takes two to five requests a second (aiohue, v1/__init__.py)
CYCLES = range(1, 1001)
TARGETS = {"duration_ms": 0.3, "payload_bytes": 0.5}  # by how much less it has to be than it was
LABELS = {"duration_ms": ("cycle, ms", 1), "payload_bytes": ("payload, kB", 1000)}


@dataclass(frozen=True)
class Spread:
    """The median of several measurements, and the lowest and the highest of them."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one value or more."""
        return cls(*(round(each, 1) for each in (median(values), min(values), max(values))))

    def shown(self, unit: int) -> str:
        """Return it for a table, in a unit so many times as large."""
        return f"{self.median / unit:.1f} ({self.lowest / unit:.1f} to {self.highest / unit:.1f})"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What cycles of one collector cost on one machine, with so many sensors answering."""

    collector: str
    captured_at: str
    host: str
    sensors: int
    cycles: int
    duration_ms: Spread
    payload_bytes: Spread


@interruptible()
def main(arguments: Sequence[str] | None = None) -> int:
    """Capture or compare as the command line says. Return 0, 1 for a missed target, else what an error means."""
    options = _options(arguments)
    now = clock()
    report = Report(options.collector, now, Manner(verbose=True), Stopwatch(), log)
    log_file.set_up(None, options.collector, report.mask)
    try:
        bench = _Bench(config.find(options.config), options.collector, options.action, now, report)
        return (_capture if options.action == "capture" else _compare)(bench, options.cycles)
    except (RemoteError, StorageError, config.ConfigurationError) as error:
        report.trouble(error, None)
        return exit_code(error)
    finally:
        log_file.shut_down()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.baseline", description="Measure what a cycle costs, beside what it once did.")
    parser.add_argument("action", choices=COLLECT, help="measure the old way and keep it, or today's and compare")
    parser.add_argument("--collector", required=True, choices=[
        name for name in collectors.names() if isinstance(collectors.load(name), Measurable)])
    parser.add_argument("--cycles", type=int, default=10, metavar="N", help="how many (10)")
    parser.add_argument("--config", metavar="PATH", help="default: $HOME_MONITOR_CONFIG, else config/config.yaml")
    options = parser.parse_args(arguments)
    if options.cycles not in CYCLES:
        parser.error(f"argument --cycles: {options.cycles} is not between {CYCLES[0]} and {CYCLES[-1]}")
    return options


def _capture(bench: "_Bench", cycles: int) -> int:
    found = bench.measure(cycles)
    try:
        write_atomically(bench.kept, json.dumps(asdict(found), indent=2) + "\n", 0o644)
    except OSError as error:
        raise Unusable(f"{bench.kept} cannot be written: {error.strerror}", "see that data/ is yours, and not full")\
            from error
    _say([f"Kept in {bench.kept}: {found.sensors} sensors, medians of {found.cycles} cycles (lowest to highest)",
          *(f"{label:<12} {getattr(found, name).shown(unit)}" for name, (label, unit) in LABELS.items())])
    return 0


def _compare(bench: "_Bench", cycles: int) -> int:
    then = load(bench.kept, bench.name)
    now = bench.measure(cycles)
    if (then.host, then.sensors) != (now.host, now.sensors):
        raise Unusable(f"{bench.kept} is of {then.sensors} sensors on {one_line(then.host)}, and this is {now.host} "
                       f"with {now.sensors}", _again(bench.name))
    lines, is_missed = [], False
    for name, (label, unit) in LABELS.items():
        before, after = getattr(then, name), getattr(now, name)
        less = 1 - after.median / before.median
        is_missed |= less < TARGETS[name]
        verdict = "" if less >= TARGETS[name] else ", missed"
        lines.append(f"{label:<12} {before.shown(unit):<26} {after.shown(unit):<26} {less:>6.1%}  "
                     f"target {TARGETS[name]:.0%}{verdict}")
    _say([f"{now.collector} with {now.sensors} sensors, medians of {now.cycles} cycles (lowest to highest); the "
          f"baseline is of {then.captured_at}", f"{'':<12} {'baseline':<26} {'now':<26} {'less by':>7}", *lines])
    return int(is_missed)


def load(path: Path, collector: str) -> Measurement:
    """Return the baseline that was captured of a collector. Raise Unusable where there is none, or no good one."""
    try:
        told = json.loads(path.read_bytes())
        found = Measurement(**told | {name: Spread(**told[name]) for name in LABELS})
        figures = [*astuple(found.duration_ms), *astuple(found.payload_bytes), found.sensors]
        is_good = all(0 < each < math.inf for each in figures) and parse_time(found.captured_at) is not None
    except FileNotFoundError:
        raise Unusable(f"there is no {path}", _again(collector)) from None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unusable(f"{path} cannot be read as a baseline ({type(error).__name__})", _again(collector)) from None
    if not is_good:
        raise Unusable(f"{path} holds figures that nobody measured", _again(collector))
    if found.collector != collector:
        raise Unusable(f"{path} is of another collector, {one_line(found.collector)}", _again(collector))
    return found


class _Bench:
    """Where the cycles of one collector are measured, in one of its two ways."""

    def __init__(self, path: Path, name: str, action: str, now: datetime, report: Report) -> None:
        self.name, self._path, self._now, self._report = name, path, now, report
        self._module: Any = collectors.load(name)
        self._collect: Callable[..., Iterator[object]] = getattr(self._module, COLLECT[action])
        self.data = self._load()[0].data
        self.kept = self.data / NAME
        drop_to_owner(self.data)

    def measure(self, count: int) -> Measurement:
        """Return what so many cycles cost, after one that is not counted: it makes the files."""
        with self._folder() as folder:
            costs = [self._cycle(folder, number) for number in range(count + 1)][1:]
        return Measurement(
            collector=self.name, captured_at=format_time(self._now), host=socket.gethostname(), sensors=costs[-1][2],
            cycles=count, duration_ms=Spread.of([each[0] for each in costs]),
            payload_bytes=Spread.of([each[1] for each in costs]))

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        try:
            with tempfile.TemporaryDirectory(prefix="measuring-", dir=self.data) as folder:
                (Path(folder) / "data").mkdir()
                yield Path(folder)
        except OSError as error:
            raise Unusable(f"{error.filename} cannot be used: {error.strerror}",
                           "see that data/ is yours, and not full") from error

    def _load(self) -> tuple[config.Configuration, config.Secrets]:
        read = config.load(self._path, dict.fromkeys(collectors.names()) | {self.name: self._module.Settings})
        return read, config.load_secrets(read.secrets_path, {self.name: self._module.Secrets})

    def _cycle(self, folder: Path, number: int) -> tuple[float, int, int]:
        """Run a cycle that stores into a folder; return its milliseconds, its bytes and how many sensors told."""
        time.sleep(PAUSE_SECONDS if number else 0)
        watch, now = Stopwatch(), self._now + timedelta(seconds=number)
        read, secrets = self._load()
        self._report.mask = Redactor(secrets.values, secrets.logins)
        end, retry = Deadline(read.collection.cycle_deadline_seconds), retry_policy(read.retry)
        memory = State(read.data / f"{self.name}.session.json")
        with HttpClient(end.earlier(STORING_SECONDS), retry, self._report.mask.learn) as http:
            found = list(self._collect(read.collectors[self.name], secrets.sections.get(self.name), http, memory, now))
        readings = tuple(each for each in found if isinstance(each, Reading))
        if not readings:
            raise Unusable(f"{self.name} answers, but no sensor has a value: there is nothing to measure",
                           f"python -m collectors.{self.name} --discover tells why")
        trial = read._replace(root=folder, storage=replace(
            read.storage, database_path=folder / "data" / "readings.db"))
        cycle = Cycle(collector=self.name, started_at=now, outcome="ok", readings=readings)
        error = Persister(trial, now=now, retry=retry, deadline=end, stopwatch=watch, recorder=self._report,
                          alarm=self._report.alarm, progress=self._report.progress).store(cycle).error
        if error is not None:
            raise error
        return watch.elapsed_ms(), http.tally.payload_bytes, len(readings)


def _again(collector: str) -> str:
    return f"python -m jobs.baseline capture --collector {collector}"


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
