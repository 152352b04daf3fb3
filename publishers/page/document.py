"""Makes the page's HTML: what stands in it as text. What JavaScript draws is in charts.py."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import runtime
from publishers.page.charts import chart_id, encode_charts
from publishers.page.content import COLUMNS, LOOKS, Device, Page
from publishers.page.template import Values, render
from runtime.commands import command
from runtime.formats import format_time, parse_time, pluralize
from runtime.time_zones import zone_name
from storage.quantities import BY_COLUMN

if TYPE_CHECKING:
    from storage.gaps import Span

FOLDER = Path(__file__).parent
GAP_ROWS = 50
SPARK_WIDTH, SPARK_HEIGHT = 96, 24


def compose(page: Page, title: str) -> str:
    """Return the HTML. Its Content-Security-Policy allows only its own scripts and style, and no network."""
    texts = {name: (FOLDER / path).read_text(encoding="utf-8") for name, path in
             {"library": "uplot/uPlot.iife.min.js", "script": "page.js", "css": "page.css",
              "uplot_css": "uplot/uPlot.min.css"}.items()}
    style = texts.pop("uplot_css") + texts.pop("css")
    embedded = {**texts, "style": style}
    hashes = {f"{name}_hash": _hash(text) for name, text in embedded.items()}
    return render((FOLDER / "template.html").read_text(encoding="utf-8"), {
        **embedded, **hashes, **_header(page), **_tables(page), "title": title, "data": encode_charts(page),
        "tiles": [_tile(device, page) for device in page.devices if device.overview.device.is_active],
        "axes": [{"name": axis.name, "title": axis.title, "checked": "" if number else "yes"}
                 for number, axis in enumerate(page.axes)],
        "quantities": [*_quantities(page)], "version": runtime.VERSION,
        "zone": zone_name(page.zone) or "the local time of the monitor",
        "has_weather": "yes" if any(device.overview.device.device_type == "weather_api" for device in page.devices) else "",
    })


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _header(page: Page) -> Values:
    silent = [device.label for device in page.devices if device.overview.device.is_active and not device.is_fresh]
    status = "All is well"
    if page.alerts:
        status = f"{pluralize(len(page.alerts), 'alert')}: see below"
    elif silent:
        status = f"No new reading of {', '.join(silent[:3])}{f' and {len(silent) - 3} more' if len(silent) > 3 else ''}"
    return {"status": status, "status_class": "bad" if page.alerts else "warn" if silent else "good",
            "now": format_time(page.now), "now_text": _moment(page.now, page),
            "alerts": [{"sentence": alert["sentence"], "remedy": alert.get("remedy", ""),
                        "since": _stored(alert.get("raised_at"), page)} for alert in page.alerts]}


def _tile(device: Device, page: Page) -> Values:
    newest = device.overview.newest or {}
    values = [column for column in COLUMNS if isinstance(newest.get(column), int | float)]
    first = values[0] if values else None
    rest = [{"name": _name(column), "value": _value(column, newest[column])} for column in values[1:]]
    if conditions := newest.get("weather_conditions"):
        rest.append({"name": "Weather", "value": str(conditions).replace("|", ", ")})
    at = device.overview.newest_at
    kinds = ("" if device.is_fresh else " old") + (" wide" if len(rest) > 2 else "")
    return {"place": device.place, "detail": device.detail, "class": kinds, "has_values": "yes" if rest else "",
            "warning": _warning(device),
            "value": _number(first, newest[first]) if first else "–", "unit": BY_COLUMN[first].unit if first else "",
            "spark": _spark(device.spark) if first == "temperature_celsius" else "", "values": rest,
            "time": format_time(datetime.fromtimestamp(at, page.now.tzinfo)) if at else "",
            "time_text": _moment(datetime.fromtimestamp(at, page.now.tzinfo), page) if at else ""}


def _warning(device: Device) -> str:
    if device.overview.newest is None:
        return "No reading yet"
    if not device.is_fresh:
        return "No new reading"
    return "Out of its plausible range" if device.overview.newest.get("is_anomalous") else ""


def _spark(values: Sequence[float | None]) -> str:
    """Return the path of a line without axes, broken at gaps."""
    present = [value for value in values if value is not None]
    if len(present) < 2:
        return ""
    low, high = min(present), max(present)
    room, middle = max(high - low, 2), (high + low) / 2
    path, pen = "", "M"
    for number, value in enumerate(values):
        if value is not None:
            x = number / (len(values) - 1) * SPARK_WIDTH
            path += f"{pen}{x:.1f} {SPARK_HEIGHT / 2 - (value - middle) / room * (SPARK_HEIGHT - 4):.1f}"
        pen = "M" if value is None else "L"
    return path


def _quantities(page: Page) -> Iterator[Values]:
    for column in COLUMNS:
        having = [(number, device) for number, device in enumerate(page.devices)
                  if device.has(column)]
        if having:
            name, unit = _name(column), BY_COLUMN[column].unit
            yield {"id": column, "name": name, "class": " many" if len(having) > 1 else "",
                   "unit": unit, "spans": [{"title": axis.title} for axis in page.axes],
                   "charts": [{"id": chart_id(number, column), "place": device.place,
                               "detail": device.detail, "label": f"{name}, {device.label}"} for number, device in having],
                   "rows": [_row(device, column) for _, device in having]}


def _row(device: Device, column: str) -> Values:
    newest = (device.overview.newest or {}).get(column)
    lines = [columns.get(column) for columns in device.lines.values()]
    cells = [_number(column, value) for line in lines
             for value in ((line.low, line.mean, line.high) if line else (None, None, None))]
    return {"place": device.label, "now": _number(column, newest), "cells": [{"text": cell} for cell in cells]}


def _tables(page: Page) -> Values:
    gaps = sorted(_gaps(page), key=lambda gap: (gap[0].end, gap[0].start), reverse=True)
    more = len(gaps) - GAP_ROWS
    return {"gap_days": str(page.gap_days), "coverages": [*_coverages(page)], "has_gaps": "yes" if gaps else "",
            "gaps": [{"from": _moment(span.start, page), "to": _moment(span.end, page), "rooms": ", ".join(rooms),
                      "count": str(span.cycles * len(rooms)), "reason": span.explanation()}
                     for span, rooms in gaps[:GAP_ROWS]],
            "more_gaps": f"{pluralize(more, 'older gap')}: {command('devices.py', 'gaps')}" if more > 0 else ""}


def _gaps(page: Page) -> Sequence["tuple[Span, list[str]]"]:
    """Return gaps with the rooms that have them; those of one cause often begin and end together."""
    rooms: dict[Span, list[str]] = {}
    for device in page.devices:
        for span in device.overview.coverage.spans if device.overview.coverage else ():
            rooms.setdefault(span, []).append(device.label)
    return [*rooms.items()]


def _coverages(page: Page) -> Iterator[Values]:
    for device in page.devices:
        coverage = device.overview.coverage
        if coverage:
            percent = 100 * coverage.stored / coverage.expected if coverage.expected else None
            yield {"place": device.label, "percent": "" if percent is None else _percent(percent),
                   "due": f"{coverage.expected:,}", "stored": f"{coverage.stored:,}", "missing": f"{coverage.missing:,}",
                   "since": _moment(coverage.since, page) if coverage.since else "", "note": coverage.note or ""}


def _percent(percent: float) -> str:
    """Never round up to 100, or down to 0."""
    return f"{percent:.0f}" if percent in (0, 100) else f"{min(max(percent, 0.1), 99.9):.1f}"


def _name(column: str) -> str:
    name = BY_COLUMN[column].name
    return name[0].upper() + name[1:]


def _value(column: str, value: object) -> str:
    return f"{_number(column, value)} {BY_COLUMN[column].unit}".rstrip()


def _number(column: str, value: object) -> str:
    """Return a number as people write it, with a real minus sign; a dash for none."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.{LOOKS[column].decimals}f}".replace("-", "−")


def _moment(moment: datetime, page: Page) -> str:
    local = moment.astimezone(page.zone)
    year = "" if local.year == page.now.astimezone(page.zone).year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year}, {local:%H:%M}"


def _stored(text: str | None, page: Page) -> str:
    try:
        return _moment(parse_time(text), page) if text else ""
    except ValueError:
        return ""
