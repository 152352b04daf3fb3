"""readings.py history: the readings of a device, or their means per step."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

import click

from cli.arguments import duration_type
from cli.context import CommandContext
from cli.times import AS_JSON, TIMEZONE, iso, range_of, shown, span, zone_of
from runtime.errors import Unusable
from runtime.formats import finite_number
from storage.manager import Connection
from storage.quantities import BY_COLUMN, values_text
from storage.reading import Row
from storage.readings import seconds
from storage.statistics import Period, periods, summarize

QUANTITY = click.option("--quantity", type=click.Choice(list(BY_COLUMN)), help="Only this one.")
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 72  # characters of the sparkline
SECOND, MONTH = timedelta(seconds=1), timedelta(days=31)


@click.command("history")
@click.argument("device", metavar="ID")
@span("24h")
@QUANTITY
@click.option("--every", type=duration_type, metavar="STEP", help="Means per step, such as 1h, in place of readings.")
@TIMEZONE
@AS_JSON
@click.pass_obj
def main(command: CommandContext, device: str, since: str, until: str | None, quantity: str | None,
         every: timedelta | None, zone_name: str | None, as_json: bool) -> None:
    """Show the readings of a device. Anomalous ones are marked; a gap is a blank in the sparkline."""
    from cli.arguments import find_device
    from storage import registry
    zone = zone_of(command, zone_name)
    start, end = range_of(command, zone, since, until)
    assert start is not None  # it has a default
    columns = [quantity] if quantity else list(BY_COLUMN)
    with command.reading() as connection:
        device_id = find_device(device, registry.all_devices(connection)).device_id
        rows = _readings(connection, device_id, start, end or command.now + SECOND) if every is None else _means(
            connection, device_id, columns, periods(start, end or command.now, _checked(every), zone))
        if as_json:
            keys = ("timestamp", *columns, *(() if every else ("is_anomalous",)))
            _print_json({key: _plain(row.get(key)) for key in keys} | {"timestamp": iso(row["timestamp"], zone)}
                        for row in rows)
            return
        points = [_print_row(row, columns, zone) for row in rows]
    if sys.stdout.isatty() and points:
        click.echo(sparkline(points, start, end or command.now))


def _checked(every: timedelta) -> timedelta:
    if every > timedelta(days=1):
        raise Unusable(f"a step of {every.days} days is too long", "choose at most 24h, or: readings.py stats --by week")
    return every


def _readings(connection: Connection, device_id: str, start: datetime, end: datetime) -> Iterator[Row]:
    """Yield rows, a month at a time: there may be millions, and no query should last while they are printed."""
    from storage import past, readings
    oldest = readings.oldest(connection, device_id)
    at = max(start, oldest) if oldest else end
    while at < end:
        until = min(at + MONTH, end)
        yield from list(past.device_rows(connection, device_id, at, until))
        at = until


def _means(connection: Connection, device_id: str, columns: Sequence[str], steps: Iterable[Period]) -> Iterator[Row]:
    steps = list(steps)
    found = {period.start: summaries for period, _, summaries in summarize(connection, device_id, columns, steps)}
    for step in steps:
        row: Row = {column: round(summary.mean, 3) for column, summary in found.get(step.start, {}).items()}
        yield {"timestamp": step.start.isoformat(), **row}


def _print_row(row: Row, columns: Sequence[str], zone: tzinfo) -> tuple[str, float | None]:
    """Print a row; return its point in the sparkline."""
    mark = "⚠️ " if row.get("is_anomalous") else ""
    click.echo(f"{shown(row['timestamp'], zone)}  {mark}{_text(row, columns)}")
    return str(row["timestamp"]), finite_number(row.get(columns[0]))


def _print_json(items: "Iterable[Mapping[str, object]]") -> None:
    """Print a list, an item at a time: there may be millions."""
    between = "[\n"
    for item in items:
        click.echo(between + json.dumps(item, ensure_ascii=False), nl=False)
        between = ",\n"
    click.echo("[]" if between == "[\n" else "\n]")


def _plain(value: object) -> object:
    """Return the value, None for a number that JSON does not have."""
    return finite_number(value) if isinstance(value, float) else value


def sparkline(points: Iterable[tuple[str, float | None]], since: datetime, until: datetime) -> str:
    """Return a bar for each part of the time; a blank where there is no value."""
    import shutil  # slow to import
    width = min(WIDTH, shutil.get_terminal_size().columns)
    parts: list[list[float]] = [[] for _ in range(width)]
    for timestamp, value in points:
        at = seconds(timestamp)
        if value is not None and at is not None:
            share = (at - since.timestamp()) / max(1, (until - since).total_seconds())
            parts[min(max(int(share * width), 0), width - 1)].append(value)
    means = [sum(part) / len(part) if part else None for part in parts]
    numbers = [mean for mean in means if mean is not None]
    low, high = min(numbers, default=0), max(numbers, default=0)
    return "".join(" " if mean is None else BARS[int((mean - low) / ((high - low) or 1) * (len(BARS) - 1))]
                   for mean in means).rstrip()


def _text(row: Row, columns: Sequence[str]) -> str:
    shown_values = {column: row.get(column) for column in columns}
    if len(columns) == 1 and isinstance(value := row.get(columns[0]), int | float):
        return f"{value:.10g} {BY_COLUMN[columns[0]].unit}".rstrip()
    return values_text(shown_values)
