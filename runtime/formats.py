"""How texts, numbers and times are written down, whoever told them."""

import math
from datetime import datetime, timezone

TEXT_LIMIT = 120


def one_line(text: object, limit: int = TEXT_LIMIT) -> str | None:
    """Given anything a source calls a name, return one printable line of at most `limit` characters, or None.

    Control characters, line breaks, direction marks and lone surrogates become spaces: names travel on into logs,
    terminals and SQL.
    """
    if not isinstance(text, str):
        return None
    kept = text[:limit * 4]
    if not kept.isprintable():
        import unicodedata  # a megabyte of tables, for those alone that are told a strange name
        kept = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in kept)
    return " ".join(kept.split())[:limit].rstrip() or None


def pluralize(number: int, what: str, plural: str | None = None) -> str:
    """Return so many of something as people say it: `1 reading`, `2 readings`."""
    return f"{number} {what if number == 1 else plural or f'{what}s'}"


def finite_number(value: object) -> float | None:
    """Given anything JSON may hold, return it as a finite float, or None. True and False are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if math.isfinite(converted) else None


def parse_time(text: str) -> datetime:
    """Given a stored time, return it as aware UTC, without an offset read as UTC. Raise ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError(f"{text} is beyond the calendar") from error


def format_time(moment: datetime) -> str:
    """Given an aware time, return it as it is stored: UTC, whole seconds, `2026-11-22T00:55:00+00:00`."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")
