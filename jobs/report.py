"""What one run says, and to whom: lines for a person at a terminal, JSON for programs, stderr and the log for trouble.

Under cron stdout is no terminal, and nothing is printed on success, for cron mails whatever is printed. A trouble that
goes on is told on stderr at its first cycle and then once in 24 hours; exit code, log and the cycle's row tell it every
time. Everything passes the mask on its way out.
"""

import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, NamedTuple, TextIO

from config import ConfigurationError
from runtime import log as log_file
from runtime.deadline import Stopwatch
from runtime.errors import Busy, describe
from runtime.formats import format_time, one_line, parse_time, pluralize
from runtime.log import Redactor, escaped
from runtime.retry import Attempt
from storage.reading import Cycle, Reading, Retry, Sighting
from storage.state import State

SAY_AGAIN_AFTER = timedelta(hours=24)
ERROR_LIMIT = 500  # characters of an error kept in the database


class Manner(NamedTuple):
    """How the person who started the run wants to hear of it."""

    verbose: bool = False
    quiet: bool = False
    as_json: bool = False
    always: bool = False  # on a pipe too: a dry run what it finds, devices.py its warnings
    table: bool = False  # every device the source offers, not only those with a value


class Result(NamedTuple):
    """What a cycle came to."""

    cycle: Cycle
    stored: int
    duration_ms: float
    spooled: int = 0


class Report:
    """The voice of one run, which knows whose it is, when it began and how long it has been running.

    `retries` are the attempts that failed so far, as the database takes them.
    """

    def __init__(self, collector: str, now: datetime, manner: Manner, watch: Stopwatch, log: logging.Logger) -> None:
        self.mask = Redactor()
        self.retries: list[Retry] = []
        self.has_spoken = False
        self._printed: Exception | None = None
        self.collector, self.now, self._manner, self.watch, self._log = collector, now, manner, watch, log

    def record(self, attempt: Attempt) -> None:
        """Note a failed attempt, or the recovery from one: a line in the log and a row of `retry_events`."""
        error = self.short(attempt.error)
        self.retries.append(Retry(
            at=self.now + timedelta(seconds=attempt.at_seconds - self.watch.started), operation=attempt.operation,
            endpoint=attempt.endpoint, attempt=attempt.attempt, delay_seconds=attempt.delay_seconds,
            error_type=attempt.error_type, error=error, outcome=attempt.outcome))
        what = f"{attempt.operation} at {attempt.endpoint or self.collector}"
        if attempt.outcome == "recovered":
            self._log.info("%s succeeded at attempt %d", what, attempt.attempt)
        elif attempt.outcome == "retrying":
            self._log.warning("%s failed (attempt %d, next in %.1f s): %s: %s", what, attempt.attempt,
                              attempt.delay_seconds, attempt.error_type, error)
        else:
            level = logging.CRITICAL if attempt.error_type == Busy.__name__ else logging.ERROR
            self._log.log(level, "%s given up after %s in %.1f s: %s: %s", what, pluralize(attempt.attempt, "attempt"),
                          attempt.elapsed_seconds, attempt.error_type, error)

    def short(self, text: str) -> str:
        """Return a text as the database takes it: masked, on one line, and not at length."""
        return one_line(self.mask(text), ERROR_LIMIT) or ""

    def log(self, result: Result, error: Exception | None, code: int) -> None:
        """Say in one line of the log how the cycle went."""
        cycle = result.cycle
        cost = (f"{pluralize(result.stored, 'reading')} in {result.duration_ms:.0f} ms "
                f"({cycle.payload_bytes / 1000:.1f} kB, {pluralize(cycle.tried_again(), 'retry', 'retries')})"
                f"{complaints(cycle.seen())}")
        if error is None:
            self._log.info("stored %s", cost)
        else:
            level = logging.CRITICAL if code == 2 else logging.ERROR
            self._log.log(level, "%s: %s; stored %s", cycle.outcome, describe(error), cost)

    def result(self, result: Result) -> None:
        """Print what the cycle brought home, in the form asked for, to whoever is there to see it."""
        manner = self._manner
        if manner.as_json:
            _put(sys.stdout, self._json(self._summary(result)))
        elif self._is_heard():
            lines = _table(result.cycle) if manner.table else _lines(result.cycle)
            if result.cycle.outcome == "ok" and not result.cycle.seen():
                lines = [f"{self.collector}: the source answers, but knows no device"]
            for line in lines:
                self._write(sys.stdout, line)

    def trouble(self, error: Exception, memory: State | None) -> None:
        """Tell stderr of an error and its remedy, unless it was told of this kind of error within the last 24 hours."""
        kind = str(error) if isinstance(error, ConfigurationError) else type(error).__name__
        said = memory.get("said") if memory is not None else None
        known: dict[str, Any] = dict(said) if isinstance(said, dict) else {}
        if self._is_due(known.get(kind)) and error is not self._printed:
            self.has_spoken = True
            self._write(sys.stderr, f"{self.collector}: {describe(error)}")
            known[kind] = format_time(self.now)
            if memory is not None:
                memory["said"] = known

    def last_resort(self, readings: Sequence[Reading], error: Exception) -> None:
        """Print readings that found no place anywhere, and why, so that at least cron's mail keeps them."""
        if readings:
            self.has_spoken, self._printed = True, error
            known = [{name: value for name, value in each.row().items() if value is not None} for each in readings]
            why = escaped(self.mask(describe(error)))
            _put(sys.stderr, f"{self.collector}: {why}; not stored: {self._json(known)}")

    def idle(self, why: str, told: bool = False) -> None:
        """Tell whoever is there why this run does nothing: a program, or a person not `told` in another way."""
        if self._manner.as_json:
            self.result(Result(Cycle(collector=self.collector, started_at=self.now, outcome="skipped", error=why), 0,
                               self.watch.elapsed_ms()))
        elif not told and self._is_heard():
            self._write(sys.stdout, f"{self.collector}: {why}")

    def alarm(self, text: str) -> None:
        """Tell the log, and stderr in any case, of something that no later cycle will tell again."""
        self._log.critical("%s", text)
        self.has_spoken = True
        self._write(sys.stderr, f"{self.collector}: {text}")

    def warn(self, text: str) -> None:
        """Tell the log, and a person who tries things out, of something odd that stops nobody."""
        self._log.warning("%s", text)
        if self._manner.always or _is_terminal(sys.stderr):
            self._write(sys.stderr, f"{self.collector}: {text}")

    def fault(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        """Print what Python would print of an exception that nobody caught, masked, as one line."""
        from traceback import format_exception
        trace = " | ".join("".join(format_exception(kind, error, traceback)).splitlines())
        self._write(sys.stderr, f"{self.collector}: a fault in the program, please report it: {trace}")

    def progress(self, step: str, done: int, total: int) -> None:
        """Show a person at the terminal how far a long piece of work is."""
        if _is_terminal(sys.stderr) and not self._manner.quiet:
            sys.stderr.write(f"\r{step}: {done} of {total}" + ("\n" if done >= total else ""))
            sys.stderr.flush()

    def _is_heard(self) -> bool:
        """Tell whether there is somebody to print for on stdout: under cron there is not."""
        manner = self._manner
        return not manner.quiet and (manner.always or manner.verbose or _is_terminal(sys.stdout))

    def settle_log(self, memory: State) -> None:
        """See to it that stderr is told of the log's own trouble when it is due, by a run that says nothing else."""
        journal = log_file.troubled()
        if journal is None:
            memory.pop("said_of_log", None)
        elif self.has_spoken or not self._is_due(memory.get("said_of_log")):
            journal.trouble = None
        else:
            memory["said_of_log"] = format_time(self.now)

    def remember(self, memory: State | None) -> None:
        """Keep what the next run is to know, such as what stderr has been told."""
        if memory is None:
            return
        self.settle_log(memory)
        try:
            memory.save()
        except OSError as error:  # what it holds is found out, or told, again at the next cycle
            self._log.warning("cannot remember what was found: %s", error)

    def _is_due(self, said_at: object) -> bool:
        """Tell whether stderr is to be told of something that it was told of then."""
        return self._manner.verbose or _is_terminal(sys.stderr) or not self._is_recent(said_at)

    def _is_recent(self, said_at: object) -> bool:
        try:
            age = self.now - parse_time(str(said_at))
        except ValueError:
            return False
        return timedelta(0) <= age < SAY_AGAIN_AFTER

    def _summary(self, result: Result) -> dict[str, object]:
        cycle = result.cycle
        summary: dict[str, object] = {
            "collector": self.collector,
            "started_at": format_time(self.now),
            "outcome": cycle.outcome,
            "readings": [reading.row() for reading in cycle.readings],
            "stored": result.stored,
            "spooled": result.spooled,
            "duration_ms": round(result.duration_ms, 1),
            "payload_bytes": cycle.payload_bytes,
            "requests": cycle.requests,
            "retries": cycle.tried_again(),
            "error": cycle.error,
        }
        if self._manner.table:
            summary["devices"] = [sighting._asdict() for sighting in cycle.seen()]
        return summary

    def _write(self, stream: TextIO | None, text: str) -> None:
        """Write one line, masked and without control characters."""
        _put(stream, escaped(self.mask(text)))

    def _json(self, value: object) -> str:
        """Return a document with every text in it masked: masked as a whole it might be no JSON any more."""
        return json.dumps(_masked(value, self.mask))


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _put(stream: TextIO | None, line: str) -> None:
    """Write one line. A stream that is closed, full or read by nobody changes nothing else."""
    if stream is not None and not stream.closed:
        encoding = stream.encoding or "utf-8"
        try:
            stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            stream.flush()
        except OSError:
            # Or Python tries once more at its end, and ends with an exit code of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _masked(value: Any, mask: Redactor) -> Any:
    if isinstance(value, dict):
        return {name: _masked(each, mask) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each, mask) for each in value]
    return mask(value) if isinstance(value, str) else value


def complaints(sightings: Iterable[Sighting]) -> str:
    """Return the devices without a fresh value, and why, as the end of a sentence; empty if there are none."""
    troubled = [f"{each.name or each.device_id} ({each.trouble})" for each in sightings if each.trouble]
    return f"; no fresh value: {', '.join(troubled)}" if troubled else ""


def _lines(cycle: Cycle) -> list[str]:
    places = [reading.location or reading.name or reading.device_id for reading in cycle.readings]
    lines = []
    for reading, label in zip(cycle.readings, places):
        if places.count(label) > 1:
            label = f"{label}, {reading.name or reading.device_id}"
        battery = "" if reading.battery_level is None else f" [Battery: {reading.battery_level}%]"
        lines.append(f"{'⚠️' if reading.is_anomalous else '✅'} {label}: {degrees(reading)}{battery}")
    return lines + [f"⚠️ {each.name or each.device_id}: {each.trouble}" for each in cycle.seen() if each.trouble]


def degrees(reading: Reading | None) -> str:
    """Return a reading's temperature as people read it; a dash where there is none."""
    if reading is None or reading.temperature_celsius is None:
        return "-"
    return f"{reading.temperature_celsius:.2f}°C"


def _table(cycle: Cycle) -> list[str]:
    values = {reading.device_id: reading for reading in cycle.readings}
    rows = [("id", "name", "location", "model", "value")]
    for sighting in cycle.seen():
        value = sighting.trouble or degrees(values.get(sighting.device_id))
        rows.append((sighting.device_id, sighting.name or "-", sighting.location or "-", sighting.model_info or "-",
                     value))
    widths = [max(len(row[column]) for row in rows) for column in range(4)] + [0]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
