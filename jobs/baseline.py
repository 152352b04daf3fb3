"""Compares the cost of a cycle with the predecessor's: `capture` measures its way of asking the source, `compare` today's.

From reading the configuration to the commit, without Python's start and imports. The source and the disk are real, but a
temporary folder takes the readings.
"""

import argparse
import json
import logging
import math
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import collectors
import config
from collectors import Measurable
from jobs.job import RESERVED_SECONDS, clock
from jobs.persist import Persister, RetryRecorder
from jobs.problems import Problems
from runtime import VERSION, plugins
from runtime import log as log_file
from runtime.commands import command
from runtime.deadline import Deadline, Stopwatch
from runtime.errors import HomeMonitorError, Unusable
from runtime.files import drop_to_owner, write_atomically
from runtime.formats import format_time, one_line, parse_time
from runtime.http_client import HttpClient
from runtime.redaction import Redactor
from runtime.retry import retry_policy
from runtime.startup import interruptible
from runtime.streams import show_progress
from storage.reading import Cycle, Reading
from storage.state import State, Witness

log = logging.getLogger(__name__)

FILE_NAME = "performance_baseline.json"
PAUSE_SECONDS = 0.3  # a Hue bridge takes two to five requests a second (aiohue, v1/__init__.py)
CYCLES = range(1, 1001)
KEYS = ("median", "lowest", "highest")
# A label, the divisor for its unit, and the reduction to reach (SC-005, SC-006).
FIGURES = {"duration_ms": ("cycle, ms", 1, 0.3), "payload_bytes": ("payload, kB", 1000, 0.5)}

Measurement = dict[str, Any]  # collector, captured_at, host, sensors, cycles, and the spread of each of FIGURES


@interruptible()
def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0, 1 for a missed target, or the exit code of an error."""
    options = _options(arguments)
    bench = _Bench(options.collector, config.find(options.config), in_full=options.action == "capture")
    log_file.set_up(None, options.collector, bench.redact)
    try:
        return (_capture if options.action == "capture" else _compare)(bench, options.cycles)
    except OSError as error:
        failure = Unusable(f"{error.filename} cannot be written: {error.strerror}", "see that data/ is yours, and not full")
        return bench.report(failure)
    except HomeMonitorError as error:
        return bench.report(error)
    finally:
        log_file.shut_down()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.baseline", description="Measure the cost of a cycle, now and as it once was.")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("action", choices=["capture", "compare"],
                        help="measure the old way and keep the result, or measure today's and compare")
    parser.add_argument("--collector", required=True, choices=[
        name for name in collectors.names() if isinstance(collectors.load(name), Measurable)])
    parser.add_argument("--cycles", type=int, default=10, metavar="N", help="how many (10)")
    parser.add_argument("--config", metavar="PATH", help="default: $HOME_MONITOR_CONFIG, else config/config.yaml")
    options = parser.parse_args(arguments)
    if options.cycles not in CYCLES:
        parser.error(f"argument --cycles: {options.cycles} is not between {CYCLES[0]} and {CYCLES[-1]}")
    return options


def _capture(bench: "_Bench", cycles: int) -> int:
    measured = bench.measure(cycles)
    write_atomically(bench.path, json.dumps(measured, indent=2) + "\n", 0o644)
    sys.stdout.write(f"Kept in {bench.path}: {measured['sensors']} sensors, medians of {cycles} cycles (lowest to "
                     "highest)\n")
    for name, (label, divisor, _) in FIGURES.items():
        sys.stdout.write(f"{label:<12} {_text(measured[name], divisor)}\n")
    return 0


def _compare(bench: "_Bench", cycles: int) -> int:
    old, new = _load(bench), bench.measure(cycles)
    if (old["host"], old["sensors"]) != (new["host"], new["sensors"]):
        raise Unusable(f"{bench.path} is of {old['sensors']} sensors on {one_line(old['host'])}, this is {new['host']} "
                       f"with {new['sensors']}", bench.capture_command)
    sys.stdout.write(f"{bench.name} with {new['sensors']} sensors, medians of {cycles} cycles (lowest to highest); the "
                     f"baseline is of {old['captured_at']}\n{'':<12} {'baseline':<26} {'now':<26} {'less by':>7}\n")
    is_missed = False
    for name, (label, divisor, target) in FIGURES.items():
        reduction = 1 - new[name]["median"] / old[name]["median"]
        is_missed |= reduction < target
        sys.stdout.write(f"{label:<12} {_text(old[name], divisor):<26} {_text(new[name], divisor):<26} {reduction:>6.1%}"
                         f"  target {target:.0%}{', missed' if reduction < target else ''}\n")
    return int(is_missed)


def _load(bench: "_Bench") -> Measurement:
    """Return the baseline. Raise Unusable without a valid one of this collector."""
    try:
        old: Measurement = json.loads(bench.path.read_bytes())
        parse_time(old["captured_at"])
        figures = [old["sensors"], *(old[name][key] for name in FIGURES for key in KEYS)]
        if not all(0 < figure < math.inf for figure in figures) or not isinstance(old["host"], str):
            raise ValueError
    except FileNotFoundError:
        raise Unusable(f"there is no baseline {bench.path} yet", bench.capture_command) from None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unusable(f"{bench.path} is not a baseline ({type(error).__name__})", bench.capture_command) from None
    if old["collector"] != bench.name:
        raise Unusable(f"{bench.path} is of another collector, {one_line(old['collector'])}", bench.capture_command)
    return old


class _Bench:
    """Runs cycles of one collector in a temporary folder, the old way (`in_full`) or today's."""

    def __init__(self, name: str, path: Path, *, in_full: bool) -> None:
        self.name, self.data, self.now = name, path.parent.parent / "data", clock()
        self.redact, self.path = Redactor(), self.data / FILE_NAME
        self.capture_command = command("jobs.baseline", "capture", "--collector", name)
        self._config = path
        self._module: Any = plugins.load("collectors", name)
        self._collect = self._module.collect_unoptimised if in_full else self._module.collect

    def report(self, error: HomeMonitorError) -> int:
        Problems(self.name, self.now, self.redact, always=True).report(error)
        return error.exit_code

    def measure(self, count: int) -> Measurement:
        """Return the cost of that many cycles, after one that does not count: it creates the files."""
        self._configure()
        drop_to_owner(self.data)
        with tempfile.TemporaryDirectory(prefix="measuring-", dir=self.data) as folder:
            (Path(folder) / "data").mkdir()
            costs = [self._cycle(Path(folder), self.now + timedelta(seconds=number)) for number in range(count + 1)][1:]
        durations, sizes, sensors = zip(*costs)
        return {"collector": self.name, "captured_at": format_time(self.now), "host": socket.gethostname(),
                "sensors": sensors[-1], "cycles": count, "duration_ms": _spread(durations),
                "payload_bytes": _spread(sizes)}

    def _configure(self) -> tuple[config.Configuration, config.Secrets]:
        configuration = config.load(self._config, {self.name: self._module.Settings})
        return configuration, config.load_secrets(configuration.secrets_path, {self.name: self._module.Secrets})

    def _cycle(self, folder: Path, now: datetime) -> tuple[float, int, int]:
        """Run a cycle; return its milliseconds, bytes and number of sensors."""
        time.sleep(PAUSE_SECONDS if now > self.now else 0)
        stopwatch = Stopwatch()
        configuration, secrets = self._configure()
        redact = self.redact = Redactor(secrets.values, secrets.logins)
        deadline = Deadline(configuration.collection.cycle_deadline_seconds)
        retry = retry_policy(configuration.retry)
        state = State(self.data / f"{self.name}.session.json")
        with HttpClient(deadline.earlier(RESERVED_SECONDS), retry, redact.learn) as http:
            items = list(self._collect(configuration.collectors[self.name], secrets.sections.get(self.name), http,
                                       state, now))
        readings = tuple(item for item in items if isinstance(item, Reading))
        if not readings:
            raise Unusable(f"{self.name} answers, but no sensor has a value: there is nothing to measure",
                           f"see {command(f'collectors.{self.name}', '--discover')}")
        storage = replace(configuration.storage, database_path=folder / "data" / "readings.db")
        path = folder / "config" / "config.yaml"
        path.parent.mkdir(exist_ok=True)
        persisted = Persister(
            configuration._replace(root=folder, path=path, storage=storage), Witness(path), retry=retry,
            deadline=deadline, recorder=RetryRecorder(self.name, now, stopwatch, redact), alarm=log.critical,
            progress=show_progress).store(Cycle(collector=self.name, started_at=now, outcome="ok", readings=readings))
        if persisted.error is not None:
            raise persisted.error
        return stopwatch.elapsed_ms(), http.tally.payload_bytes, len(readings)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(median(values), 1), "lowest": round(min(values), 1), "highest": round(max(values), 1)}


def _text(spread: dict[str, float], divisor: int) -> str:
    middle, lowest, highest = (spread[key] / divisor for key in KEYS)
    return f"{middle:.1f} ({lowest:.1f} to {highest:.1f})"


if __name__ == "__main__":
    raise SystemExit(main())
