"""Pauses before a source is asked again, because it is rate-limiting us or refuses us.

A refusal's pause ends at once when config.yaml or secrets.yaml changes: a human has acted. A pause that ends too far in
the future is ignored: the clock was set back.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from runtime.errors import BadAnswer, CannotReach, NotAuthorised, RemoteError, Throttled
from runtime.formats import format_time, parse_time
from storage.state import State

LONGEST_WAIT = timedelta(hours=4)  # that a source can request
LONGEST_REFUSAL = timedelta(hours=24)


class Cooldown(NamedTuple):
    """A pause and its error; `modified` holds the files' modification times then, in nanoseconds (0: no file)."""

    until: datetime
    error: str
    remedy: str
    is_refusal: bool
    modified: object
    is_throttling: bool = True

    @classmethod
    def load(cls, state: State) -> "Cooldown | None":
        match state.get("pause"):
            case {"until": str(until), "error": str(error), "remedy": str(remedy), "refused": bool(is_refusal),
                  "written": modified, **rest}:
                try:
                    return cls(parse_time(until), error, remedy, is_refusal, modified, rest.get("throttled") is not False)
                except (ValueError, OverflowError):
                    return None
        return None


def active(state: State, now: datetime, *files: Path) -> RemoteError | None:
    """Return the error for this cycle if the source must not be asked now, else None; its cause is a server error."""
    pause = Cooldown.load(state)
    if pause is None or not now < pause.until <= now + (LONGEST_REFUSAL if pause.is_refusal else LONGEST_WAIT):
        return None
    if pause.is_refusal:
        return NotAuthorised(pause.error, pause.remedy) if pause.modified == _modified(files) else None
    waiting = Throttled(f"not asked until {format_time(pause.until)} ({pause.error})", pause.remedy)
    waiting.__cause__ = None if pause.is_throttling else BadAnswer(pause.error)
    return waiting


def record(state: State, error: Exception | None, now: datetime, *files: Path) -> None:
    """Keep the pause that the error asks for, in place of an earlier one."""
    state.pop("pause", None)
    if isinstance(error, CannotReach | Throttled | NotAuthorised) and error.retry_after and error.retry_after > 0:
        is_refusal = isinstance(error, NotAuthorised)
        longest = LONGEST_REFUSAL if is_refusal else LONGEST_WAIT
        until = now + timedelta(seconds=min(error.retry_after, longest.total_seconds()))
        state["pause"] = {"until": format_time(until), "error": str(error), "remedy": error.remedy,
                          "refused": is_refusal, "written": _modified(files), "throttled": isinstance(error, Throttled)}


def _modified(files: tuple[Path, ...]) -> list[int]:
    times = dict.fromkeys(files, 0)
    for path in files:
        with suppress(OSError):
            times[path] = path.stat().st_mtime_ns
    return list(times.values())
