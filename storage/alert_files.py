"""Alert files: one exists in `data/` if and only if a person has to act.

A sentence, then `key: value` lines. Programs that watch the folder never see half a file. On a full disk an empty file
appears instead, as the name is what counts.
"""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from runtime.files import sync, write_or_create
from runtime.formats import one_line, parse_time

VALUE_LIMIT = 1000  # characters: less than fills a screen
MAX_DIGITS = 9  # of occurrences: at one per second that takes 31 years


class Alert(NamedTuple):
    sentence: str
    raised_at: str
    last_seen_at: str
    occurrences: int
    collector: str
    error: str
    remedy: str
    url: str

    def text(self) -> str:
        sentence, *values = (one_line(str(value), VALUE_LIMIT) or "" for value in self)
        lines = (f"{name}: {value}\n" for name, value in zip(self._fields[1:], values))
        return "".join([f"{sentence}\nstatus: active\n", *lines])


def raise_alert(path: Path, alert: Alert) -> bool:
    """Write the alert, or count one more occurrence; return whether it is new. Raise OSError if no file can be created."""
    active = read(path)
    if active is not None:
        count = active.get("occurrences", "")
        alert = alert._replace(occurrences=int(count) + 1 if count.isdecimal() and len(count) <= MAX_DIGITS else 2)
        with suppress(KeyError, ValueError):
            parse_time(active["raised_at"])
            alert = alert._replace(raised_at=active["raised_at"])
    write_or_create(path, alert.text())
    return active is None


def clear(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync(path.parent)
    return True


def read(path: Path) -> dict[str, str] | None:
    """Return an alert's keys and values, {} for a damaged file, None without a file."""
    try:
        return parse(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return None


def parse(text: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in text.splitlines()[1:])
    return {key: value for key, colon, value in pairs if colon}
