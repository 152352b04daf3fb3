"""Formats and validates text, numbers and timestamps from untrusted sources."""

import math
from datetime import datetime, timezone

TEXT_LIMIT = 120


def one_line(text: object, limit: int = TEXT_LIMIT) -> str | None:
    """Return a name as one printable line, or None if it is none; control characters become spaces."""
    if not isinstance(text, str):
        return None
    line = text[:limit * 4]
    if not line.isprintable():
        import unicodedata  # a megabyte of tables, needed only for unusual names
        line = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in line)
    return " ".join(line.split())[:limit].rstrip() or None


def pluralize(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 reading`, `2 readings`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def finite_number(value: object) -> float | None:
    """Return a JSON value as a finite float, or None. True and False are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def parse_time(text: str) -> datetime:
    """Return a stored time as aware UTC; without an offset it is UTC. Raise ValueError if it is not a time."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError(f"{text} is beyond the calendar") from error


def format_time(moment: datetime) -> str:
    """Return an aware time as it is stored: UTC, whole seconds, `2026-11-22T00:55:00+00:00`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
