"""Alert files: one exists in `data/` if and only if a person has to act.

A sentence, then `key: value` lines. Other programs watch the folder and must never see half a file, so it is written
under another name and renamed. On a full disk an empty file appears instead, as the name is what counts.
"""

import os
from pathlib import Path
from typing import NamedTuple

from runtime.files import sync, write_atomically
from runtime.formats import one_line, parse_time

VALUE_LIMIT = 1000  # characters: less than fills a screen
MAX_DIGITS = 9  # of occurrences: at one per second that takes 31 years


class Alert(NamedTuple):
    """Why a person has to act, and the exact command or action: `remedy`."""

    sentence: str
    raised_at: str
    last_seen_at: str
    occurrences: int
    collector: str
    error: str
    remedy: str
    url: str

    def text(self) -> str:
        return "\n".join([_line(self.sentence), "status: active", *(
            f"{name}: {_line(str(value))}" for name, value in self._asdict().items() if name != "sentence")]) + "\n"


def raise_alert(path: Path, alert: Alert) -> bool:
    """Write the alert; return whether it is new. An active one keeps its `raised_at` and counts occurrences.

    Raise OSError if not even an empty file can be created.
    """
    active = read(path)
    if active is not None:
        raised_at, count = active.get("raised_at", ""), active.get("occurrences", "")
        alert = alert._replace(
            raised_at=raised_at if _is_time(raised_at) else alert.raised_at,
            occurrences=int(count) + 1 if count.isdecimal() and len(count) <= MAX_DIGITS else 2)
    try:
        write_atomically(path, alert.text(), 0o644)
    except OSError:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
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
