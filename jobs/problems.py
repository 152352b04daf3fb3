"""Prints problems with their remedies on stderr, which cron mails: at first and then once in 24 hours.

On a terminal or with -v, always.
"""

import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from runtime import log as log_file
from runtime.errors import BadAnswer, ConfigurationError, Throttled, describe
from runtime.formats import format_time, parse_time
from runtime.redaction import Redactor, escape_unprintable
from runtime.streams import is_terminal, write_line
from storage.state import State

REPEAT_AFTER = timedelta(hours=24)
VARIABLE = re.compile(r"\d")
LONGEST_KIND = 120  # characters; a server's text may follow
MOST_KINDS = 20  # within 24 hours; then a class counts as one problem, so that no text fills the mailbox


class Problems:
    """stderr of one run. `state` holds when each was printed; without it all are printed."""

    def __init__(self, source: str, now: datetime, redact: Redactor, *, state: State | None = None,
                 always: bool = False) -> None:
        self.has_written = False
        self._source, self._now, self._redact = source, now, redact
        self._state, self._always = state, always
        self._printed: Exception | None = None

    def report(self, error: Exception) -> None:
        """Print an error, unless one of its kind was printed within the last 24 hours."""
        if error is self._printed:
            return
        saved = self._state.get("said") if self._state is not None else None
        printed_at = {kind: time for kind, time in (saved if isinstance(saved, dict) else {}).items()
                      if not self._is_past(time)}
        kind = self._kind(error) if len(printed_at) < MOST_KINDS else type(error).__name__
        if self._is_due(printed_at.get(kind)):
            self.say(describe(error))
            if self._state is not None:
                self._state["said"] = printed_at | {kind: format_time(self._now)}

    def _kind(self, error: Exception) -> str:
        """Return what identifies a problem: its message without the numbers, addresses and times in it."""
        if isinstance(error, ConfigurationError):
            return str(error)
        if isinstance(error, Throttled) and error.__cause__ is None:  # the refusal and the cycles that wait because of it
            return type(error).__name__
        error = error.__cause__ if isinstance(error.__cause__, BadAnswer) else error
        words = self._redact(f"{type(error).__name__}: {error}").split()
        return " ".join("#" if VARIABLE.search(word) else word for word in words)[:LONGEST_KIND]

    def say(self, text: str) -> None:
        self.has_written = True
        write_line(sys.stderr, escape_unprintable(self._redact(f"{self._source}: {text}")))

    def say_daily(self, text: str, key: str) -> None:
        """Print a warning, unless it was printed within the last 24 hours; the state has that time under `key`."""
        if self._is_due(None if self._state is None else self._state.get(key)):
            self.say(text)
            if self._state is not None:
                self._state[key] = format_time(self._now)

    def print_unsaved(self, rows: Sequence[dict[str, Any]], error: Exception) -> None:
        """Print readings that could not be saved anywhere, and why: cron's mail keeps them."""
        self.has_written, self._printed = True, error
        values = [{name: value for name, value in row.items() if value is not None} for row in rows]
        why = escape_unprintable(self._redact(f"{self._source}: {describe(error)}"))
        write_line(sys.stderr, f"{why}; not stored: {redacted_json(values, self._redact)}")

    def print_bug(self, error: Exception) -> None:
        """Print an uncaught exception with its traceback, on one line."""
        from traceback import format_exception
        trace = " | ".join("".join(format_exception(error)).splitlines())
        self.say(f"a fault in the program, please report it: {trace}")

    def settle_log(self, state: State) -> None:
        """Let the log print its own problem when it closes, if due and nothing else was printed."""
        journal = log_file.troubled()
        if journal is None:
            state.pop("said_of_log", None)
        elif self.has_written or not self._is_due(state.get("said_of_log")):
            journal.trouble = None
        else:
            state["said_of_log"] = format_time(self._now)

    def _is_due(self, printed_at: object) -> bool:
        """Return whether a problem last printed then is printed again."""
        return self._always or is_terminal(sys.stderr) or self._is_past(printed_at)

    def _is_past(self, printed_at: object) -> bool:
        """Return whether a time is not within the last 24 hours."""
        try:
            age = self._now - parse_time(str(printed_at))
        except ValueError:
            return True
        return not timedelta(0) <= age < REPEAT_AFTER


def redacted_json(value: object, redact: Redactor) -> str:
    """Redact each text by itself, so that it stays JSON."""
    return json.dumps(_redacted(value, redact), default=str)


def _redacted(value: Any, redact: Redactor) -> Any:
    if isinstance(value, dict):
        return {name: _redacted(member, redact) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(member, redact) for member in value]
    return redact(value) if isinstance(value, str) else value
