"""Devices and gaps as tables and lines for people, and as plain values for programs.

All times are UTC, as stored: in local time, one hour of each year would occur twice.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from runtime.formats import format_time, parse_time, pluralize
from runtime.redaction import escape_unprintable
from runtime.tables import aligned, columns
from storage.readings import Newest
from storage.registry import Device

if TYPE_CHECKING:
    from storage.cycle_history import Window
    from storage.gaps import Coverage, Span

HEADINGS = ("id", "name", "location", "type", "last reading (UTC)", "age", "battery", "offset", "active")
# Shown below the row on a narrow terminal; 80 columns are then enough for both sources with their usual names.
BELOW = tuple(map(HEADINGS.index, ("id", "type", "last reading (UTC)")))
AGE_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
Item = dict[str, Any]
Rows = Sequence[Sequence[str]]


def by_room(devices: Iterable[Device], places: Mapping[str, str]) -> list[Device]:
    """Sort devices by place (the configured one, if any) and name, inactive ones last."""
    placed = (device._replace(location=places.get(device.device_id) or device.location) for device in devices)
    return sorted(placed, key=lambda device: (not device.is_active, (device.location or "").casefold(),
                                              (device.device_name or "").casefold(), device.device_id))


def items(devices: Iterable[tuple[Device, Newest | None]], now: datetime) -> list[Item]:
    return [{
        "device_id": device.device_id, "name": device.device_name, "location": device.location,
        "device_type": device.device_type,
        "last_reading": newest.timestamp if newest else None,
        "age_seconds": newest.age_seconds(now.timestamp()) if newest else None,
        "battery_level": newest.battery_level if newest else None,
        "active": device.is_active,
        "temperature_offset": device.temperature_offset,
    } for device, newest in devices]


def show(listed: Iterable[Item]) -> None:
    """Print the list for people, within the terminal's width."""
    print_table(rows(listed), BELOW)


def print_table(table: Rows, below: Sequence[int] = ()) -> None:
    width = None
    if sys.stdout.isatty():
        import shutil  # slow to import
        width = shutil.get_terminal_size().columns
    for line in fitted([[escape_unprintable(cell) for cell in row] for row in table], width, below):
        click.echo(line)


def rows(listed: Iterable[Item]) -> Rows:
    return [HEADINGS, *((
        item["device_id"], item["name"] or "-", item["location"] or "-", item["device_type"] or "-",
        _last_reading(item["last_reading"]), age(item["age_seconds"]),
        "-" if item["battery_level"] is None else f"{item['battery_level']}%",
        f"{item['temperature_offset']:+g}" if item["temperature_offset"] else "-",
        "yes" if item["active"] else "no") for item in listed)]


def age(seconds: int | None) -> str:
    """Return an age in its largest unit, `3 min`; negative for the future."""
    if seconds is None:
        return "-"
    unit, length = next((unit for unit in AGE_UNITS if abs(seconds) >= unit[1]), AGE_UNITS[-1])
    return f"{'-' * (seconds < 0)}{abs(seconds) // length} {unit}"


def fitted(rows: Rows, width: int | None, below: Sequence[int] = ()) -> list[str]:
    """Return a table as lines of at most `width` columns if possible; None sets no limit.

    If needed, the columns `below` move to a second line per row; failing that, each row becomes a paragraph.
    """
    for lines in (aligned(rows), _folded(rows, below)):
        if width is None or max(map(columns, lines)) <= width:
            return lines
    headings, *others = rows
    paragraphs = (["", *aligned(list(zip(headings, row)))] for row in others)
    return [line for paragraph in paragraphs for line in paragraph][1:]


def _folded(rows: Rows, below: Sequence[int]) -> list[str]:
    upper = aligned([[cell for number, cell in enumerate(row) if number not in below] for row in rows])
    lower = [f"    {line}" for line in aligned([[row[number] for number in below] for row in rows])]
    return [line for pair in zip(upper, lower) for line in pair]


def gap_items(coverages: "Iterable[Coverage]", until: datetime) -> list[Item]:
    return [{
        "device_id": coverage.device.device_id, "name": coverage.device.device_name,
        "location": coverage.device.location,
        "since": format_time(coverage.since) if coverage.since else None, "until": format_time(until),
        "expected": coverage.expected, "stored": coverage.stored, "missing": coverage.missing,
        "spans": [{"from": format_time(span.start), "to": format_time(span.end), "cycles": span.cycles,
                   "reason": span.reason, "error": span.error} for span in coverage.spans],
        "note": coverage.note,
    } for coverage in coverages]


def gap_lines(coverages: "Iterable[Coverage]", window: "Window") -> Iterator[str]:
    yield f"From {_minute(window.since)} to {_minute(window.now)} UTC, with a cycle every {window.interval_seconds} s:"
    device = None
    for coverage in coverages:
        device = coverage.device
        yield ""
        yield f"{device.device_name or device.device_id} ({device.device_id})"
        if coverage.since is not None:
            missing = f"{coverage.missing} missing" if coverage.missing else "no gaps"
            since = f"since {_minute(coverage.since)}: " if coverage.since > window.since else ""
            yield f"    {since}{coverage.expected} expected, {coverage.stored} stored, {missing}"
        if coverage.note:
            yield f"    {coverage.note}"
        for line in aligned([_span(span) for span in coverage.spans]):
            yield f"    {line}"
    if device is None:
        yield "There are no devices yet."


def _span(span: "Span") -> tuple[str, ...]:
    end = f" to {_minute(span.end)}" if span.cycles > 1 else ""
    return f"{_minute(span.start)}{end}", pluralize(span.cycles, "cycle"), span.explanation()


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _last_reading(timestamp: str | None) -> str:
    """Return a stored time to the minute; unchanged if an earlier program stored something else."""
    if timestamp is None:
        return "never"
    try:
        return _minute(parse_time(timestamp))
    except ValueError:
        return timestamp
