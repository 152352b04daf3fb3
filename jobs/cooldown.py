"""Until when a source is left alone: it asked for patience, or it refuses us and only a human can change that.

Kept in the collector's memory. A pause because of a refusal ends at once when one of the files that humans write
has changed: then a human has acted. One that reaches further than any pause may (the clock was set back) is none.
"""

from datetime import datetime, timedelta
from pathlib import Path

from runtime.errors import CannotReach, NotAuthorised, RemoteError, Throttled
from runtime.formats import format_time, parse_time
from storage.state import State

PATIENCE = timedelta(hours=4)  # the most that a source may ask for
REFUSAL = timedelta(hours=24)  # after a refusal, one request a day


def standing(memory: State, now: datetime, *written: Path) -> RemoteError | None:
    """Return, as the error it is for this cycle too, why the source is not to be asked now; None if it may be."""
    match memory.get("pause"):
        case {"until": str(text), "error": str(error), "remedy": str(remedy), "refused": bool(refused),
              "written": mark}:
            until = _moment(text)
        case _:
            return None
    if until is None or not now < until <= now + (REFUSAL if refused else PATIENCE):
        return None
    if refused:
        return NotAuthorised(error, remedy) if mark == _mark(written) else None
    return Throttled(f"left alone until {format_time(until)}, as it asked ({error})", remedy)


def remember(memory: State, error: Exception | None, now: datetime, *written: Path) -> None:
    """Keep the pause that an error asks for; forget an earlier one, for the source has been asked again."""
    memory.pop("pause", None)
    if isinstance(error, CannotReach | Throttled | NotAuthorised) and error.retry_after is not None and error.retry_after > 0:
        refused = isinstance(error, NotAuthorised)
        longest = REFUSAL if refused else PATIENCE
        until = now + timedelta(seconds=min(error.retry_after, longest.total_seconds()))
        memory["pause"] = {"until": format_time(until), "error": str(error), "remedy": error.remedy, "refused": refused,
                           "written": _mark(written)}


def _mark(written: tuple[Path, ...]) -> list[int]:
    """Return what changes whenever one of the files that humans write is changed: its time of change in nanoseconds."""
    return [_changed_at(path) for path in written]


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _moment(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        return None
