"""Times as people type and read them, in the time zone of `--tz`, else of config.yaml, else of the machine."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

import click

from cli.context import CommandContext
from runtime import time_zones
from runtime.errors import Unusable
from runtime.formats import parse_time

TIMEZONE = click.option("--tz", "zone_name", metavar="ZONE", help="A time zone such as Europe/London.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
FIRST_YEAR, LAST_YEAR = 1970, 2999
FORMS = "24h, 7d, yesterday, 2026-11-01 or 2026-11-01T06:00"


def span(default: str | None) -> Callable[[Any], Any]:
    """Add the options --since and --until."""
    def add(command: Any) -> Any:
        since = click.option("--since", default=default, show_default=default is not None, metavar="TIME", help=f"{FORMS}.")
        until = click.option("--until", metavar="TIME", help="Likewise; a day is included. Default: now.")
        return since(until(command))
    return add


def zone_of(command: CommandContext, name: str | None) -> tzinfo:
    return time_zones.find_zone(name or command.configuration.display.time_zone)


def range_of(command: CommandContext, zone: tzinfo, since: str | None,
             until: str | None) -> tuple[datetime | None, datetime | None]:
    """Return both ends as aware UTC, None where none is given. Raise Unusable if there is nothing between them."""
    start = moment(since, command.now, zone) if since else None
    end = moment(until, command.now, zone, is_end=True) if until else None
    if start and start >= (end or command.now):
        raise Unusable(f"--since {since} is not before {f'--until {until}' if until else 'now'}", "exchange them")
    return start, end


def moment(text: str, now: datetime, zone: tzinfo, is_end: bool = False) -> datetime:
    from cli.arguments import duration_type
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, tzinfo=None)
    if text in ("today", "yesterday"):
        return _local(today + timedelta(days=is_end - (text == "yesterday")), zone)
    if text[-1:] in "mhdw" and text[:1].isdigit():
        return now - duration_type(text)
    try:
        local = datetime.fromisoformat(text)
        if not FIRST_YEAR <= local.year <= LAST_YEAR:
            raise ValueError(text)
        if "T" not in text and " " not in text:
            return _local(local + timedelta(days=is_end), zone)
        return local.astimezone(timezone.utc) if local.tzinfo else from_local(local, zone, text)
    except (ValueError, OverflowError):
        raise Unusable(f"{text!r} is not a time of the years {FIRST_YEAR} to {LAST_YEAR}", f"write it as {FORMS}") from None


def shown(stored: object, zone: tzinfo) -> str:
    """Return a stored time in local time, to the minute; unchanged if it is not a time."""
    try:
        return parse_time(str(stored)).astimezone(zone).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return str(stored)


def iso(stored: object, zone: tzinfo) -> str | None:
    """Return a stored time with the local offset, None for none; unchanged if it is not a time."""
    try:
        return None if stored is None else parse_time(str(stored)).astimezone(zone).isoformat()
    except (ValueError, OverflowError):
        return str(stored)


def from_local(local: datetime, zone: tzinfo, text: str) -> datetime:
    """Return a local time as UTC. Raise Unusable if there was none."""
    utc = _local(local, zone)
    if utc.astimezone(zone).replace(tzinfo=None) != local:
        raise Unusable(f"{text} was skipped when the clocks went forward in {zone}",
                       "give a time an hour earlier or later, or one with its offset, such as +01:00")
    return utc


def _local(local: datetime, zone: tzinfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(timezone.utc)
