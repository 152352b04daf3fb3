"""What the page's script draws from, as JSON: axes, lines, and the gaps with their reasons."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import groupby, pairwise

from publishers.page.content import COLUMNS, LOOKS, Device, Page, scale
from publishers.page.series import ALPHABET, Axis, Line, local_time
from runtime.time_zones import zone_name
from storage.quantities import BY_COLUMN

HOURS = (0, 6, 12, 18)
DETAILED = timedelta(days=2)
MERGED = 3600  # seconds: the finest step of charts that show more than DETAILED


def chart_id(device: int, column: str) -> str:
    """Return the id of a chart's element; devices are numbered, as their names may be anything."""
    return f"c{device}-{column}"


def encode_charts(page: Page) -> str:
    """Return the JSON, fit to stand in a script element."""
    reasons: dict[str, int] = {}
    since = page.now - timedelta(days=page.gap_days)
    text = json.dumps({
        "alphabet": ALPHABET,
        "zone": zone_name(page.zone),
        "axes": {axis.name: _axis(axis, page.zone) for axis in page.axes},
        "now": int(page.now.timestamp()),
        "oldAfter": int(page.old_after.total_seconds()),
        "since": int(since.timestamp()),
        "gaps": [[*_gaps(device, page, reasons)] for device in page.devices],
        "reasons": [*reasons],
        "charts": [_chart(number, device, column) for column in COLUMNS for number, device in enumerate(page.devices)
                   if device.has(column)],
    }, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _axis(axis: Axis, zone: tzinfo) -> dict[str, object]:
    """`at` are the middles of the steps: the first, then [difference, repetitions]."""
    middles = [int((period.start + (period.end - period.start) / 2).timestamp()) for period in axis.periods]
    runs = [[step, len([*same])] for step, same in groupby(later - earlier for earlier, later in pairwise(middles))]
    return {"title": axis.title, "at": [middles[0], *runs], "start": int(axis.periods[0].start.timestamp()),
            "end": int(axis.periods[-1].end.timestamp()), "ticks": [int(tick.timestamp()) for tick in _ticks(axis, zone)]}


def _ticks(axis: Axis, zone: tzinfo) -> Iterator[datetime]:
    """Yield the round local times, from the last midnight before the axis begins: hours, days, or months."""
    start, end = axis.periods[0].start, axis.periods[-1].end
    for number in range((end - start).days + 2):
        midnight = local_time(start, zone, number)
        if axis.name == "days":
            yield from (local_time(start, zone, number, hour) for hour in HOURS)
        elif axis.name == "month" or midnight.astimezone(zone).day == 1:
            yield midnight


def _chart(number: int, device: Device, column: str) -> dict[str, object]:
    quantity, look = BY_COLUMN[column], LOOKS[column]
    lines = {name: _parts(columns[column]) for name, columns in device.lines.items() if column in columns}
    return {"id": chart_id(number, column), "device": number, "unit": quantity.unit, "decimals": look.decimals,
            "color": look.color, "least": look.least, "floor": look.floor, "since": device.first_seen(),
            "scale": scale(column), "lines": lines}


def _parts(line: Line) -> Sequence[str]:
    """Leave the lowest and highest values out where they equal the means."""
    return [line.means] if not line.is_band else [line.means, line.lows, line.highs]


def _gaps(device: Device, page: Page, reasons: dict[str, int]) -> Iterator[int]:
    """Yield start, length, and number of the reason of each gap, in minutes since `page.since`."""
    half, origin = page.interval.total_seconds() / 2, page.now.timestamp() - page.gap_days * 86_400
    for start, end, reason in _merged(device, (page.now - DETAILED).timestamp()):
        yield round((start - half - origin) / 60)
        yield max(1, round((end - start + 2 * half) / 60))
        yield reasons.setdefault(reason, len(reasons))


def _merged(device: Device, detailed: float) -> Iterable[tuple[float, float, str]]:
    coverage = device.overview.coverage
    spans: list[tuple[float, float, str]] = []
    for span in coverage.spans if coverage else ():
        start, end = span.start.timestamp(), span.end.timestamp()
        if spans and spans[-1][2] == span.text() and start - spans[-1][1] <= MERGED and start < detailed:
            spans[-1] = (spans[-1][0], end, span.text())
        else:
            spans.append((start, end, span.text()))
    return spans
