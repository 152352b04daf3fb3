"""The files that ask for a human: one exists in `data/` if and only if a human is needed, and says what to do.

Plain text: a sentence, then `key: value` lines. Whoever watches the folder sees a whole file or none: it is written
beside and renamed. Where the disk has no room for that, an empty file of the name appears all the same, for it is the
name that counts.
"""

import os
from pathlib import Path
from typing import NamedTuple

from runtime.files import sync, write_atomically
from runtime.formats import one_line, parse_time

VALUE_LIMIT = 1000  # characters: more than any sentence of ours has, less than fills a screen
DIGITS = 9  # of a number of occurrences: one more in every second would take 31 years


class Alert(NamedTuple):
    """Why a human is needed. Times are as stored ones are; `remedy` is the exact command or the thing to do."""

    sentence: str
    raised_at: str
    last_seen_at: str
    occurrences: int
    collector: str
    error: str
    remedy: str
    url: str

    def text(self) -> str:
        """Return what the file says."""
        return "\n".join([_line(self.sentence), "status: active", *(
            f"{name}: {_line(str(value))}" for name, value in self._asdict().items() if name != "sentence")]) + "\n"


def raise_alert(path: Path, alert: Alert) -> bool:
    """Write the alert; return whether it is a new one. One that stands keeps its `raised_at` and counts on.

    Raise OSError where not even an empty file can be made.
    """
    known = read(path)
    if known is not None:
        raised_at, count = known.get("raised_at", ""), known.get("occurrences", "")
        alert = alert._replace(
            raised_at=raised_at if _is_time(raised_at) else alert.raised_at,
            occurrences=int(count) + 1 if count.isdecimal() and len(count) <= DIGITS else 2)
    try:
        write_atomically(path, alert.text(), 0o644)
    except OSError:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    return known is None


def clear(path: Path) -> bool:
    """Remove the alert; return whether there was one."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync(path.parent)
    return True


def read(path: Path) -> dict[str, str] | None:
    """Return the keys and values of an alert, none of them for an empty or damaged file; None where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    pairs = (line.partition(": ") for line in lines[1:])
    return {key: value for key, colon, value in pairs if colon}


def _line(text: str) -> str:
    return one_line(text, VALUE_LIMIT) or ""


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except (ValueError, OverflowError):
        return False
    return True
