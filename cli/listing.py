"""What is told of devices, and of what is missing of them: rows and lines for people, plain values for programs.

All times are UTC, as they are stored: in local time one hour of each year would be two.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from runtime.formats import format_time, parse_time, pluralize
from runtime.tables import aligned
from storage import gaps
from storage.cycle_history import Window
from storage.gaps import Coverage, Span
from storage.readings import Newest
from storage.registry import Device

HEADINGS = ("id", "name", "location", "type", "last reading (UTC)", "age", "battery", "offset", "active")
# Where the terminal is not wide enough for all: 80 columns do for both sources, called as they call themselves.
BELOW = tuple(map(HEADINGS.index, ("id", "type", "last reading (UTC)")))
LENGTHS = (("d", 86_400), ("h", 3_600), ("min", 60))
# What people are told of a reason, where its name alone would say more than is known.
REASONS = {
    gaps.NOTHING_RAN: "computer off, or the run was killed: no collector left a trace",
    gaps.OTHERS_RAN: "not started, or killed: others left a trace",
    gaps.DELETED: "deleted since: the cycle had stored it",
    gaps.NOT_KNOWN: "not known: some readings of the cycle were deleted since",
}
Item = dict[str, Any]


def items(devices: Iterable[tuple[Device, Newest | None]], now: datetime) -> list[Item]:
    """Return what programs are told of each device, given with its newest reading."""
    return [{
        "device_id": device.device_id,
        "name": device.device_name,
        "location": device.location,
        "device_type": device.device_type,
        "last_reading": newest.timestamp if newest else None,
        "age_seconds": newest.age_seconds(now.timestamp()) if newest else None,
        "battery_level": newest.battery_level if newest else None,
        "active": device.is_active,
        "temperature_offset": device.temperature_offset,
    } for device, newest in devices]


def rows(listed: Iterable[Item]) -> list[tuple[str, ...]]:
    """Return the same as a table for people, with its headings."""
    return [HEADINGS, *((
        each["device_id"], each["name"] or "-", each["location"] or "-", each["device_type"] or "-",
        _shown(each["last_reading"]), age(each["age_seconds"]),
        "-" if each["battery_level"] is None else f"{each['battery_level']}%",
        offset(each["temperature_offset"]), "yes" if each["active"] else "no") for each in listed)]


def offset(kelvin: float) -> str:
    """Return a correction with its sign."""
    return f"{kelvin:+g}" if kelvin else "-"


def age(seconds: int | None) -> str:
    """Return how long ago something was, as people say it: `3 min`. What is yet to come has a minus."""
    if seconds is None:
        return "-"
    unit, length = next((each for each in LENGTHS if abs(seconds) >= each[1]), ("s", 1))
    return f"{'-' * (seconds < 0)}{abs(seconds) // length} {unit}"


def gap_items(coverages: Iterable[Coverage], until: datetime) -> list[Item]:
    """Return what programs are told of the gaps."""
    return [{
        "device_id": each.device.device_id,
        "name": each.device.device_name,
        "location": each.device.location,
        "since": format_time(each.since) if each.since else None,
        "until": format_time(until),
        "expected": each.expected,
        "stored": each.stored,
        "missing": each.missing,
        "spans": [{"from": format_time(span.start), "to": format_time(span.end), "cycles": span.cycles, "reason": span.reason,
                   "error": span.error} for span in each.spans],
        "note": each.note,
    } for each in coverages]


def gap_lines(coverages: Iterable[Coverage], window: Window) -> Iterator[str]:
    """Yield the same as lines for people."""
    yield f"From {_moment(window.since)} to {_moment(window.now)} UTC, with a cycle every {window.interval_seconds} s:"
    for each in coverages:
        yield ""
        device = each.device
        yield f"{device.device_name or device.device_id} ({device.device_id})"
        if each.since is not None:
            missing = f"{each.missing} missing" if each.missing else "no gaps"
            since = f"since {_moment(each.since)}: " if each.since > window.since else ""
            yield f"    {since}{each.expected} expected, {each.stored} stored, {missing}"
        if each.note:
            yield f"    {each.note}"
        for line in aligned([_span(span) for span in each.spans]):
            yield f"    {line}"


def _span(span: Span) -> tuple[str, ...]:
    end = f" to {_moment(span.end)}" if span.cycles > 1 else ""
    reason = REASONS.get(span.reason) or span.reason.replace("_", " ")
    told = f"{reason}: {span.error}" if span.error else reason
    return f"{_moment(span.start)}{end}", pluralize(span.cycles, "cycle"), told


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _shown(timestamp: str | None) -> str:
    """Return a stored time to the minute; as it is where an earlier program stored what is no time."""
    if timestamp is None:
        return "never"
    try:
        return _moment(parse_time(timestamp))
    except ValueError:
        return timestamp
