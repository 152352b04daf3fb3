"""readings.py history: the readings of a device, or their means per step."""

import json
import sys
from collections.abc import Sequence
from datetime import timedelta

import click

from cli.arguments import duration_type
from cli.context import CommandContext
from cli.times import AS_JSON, TIMEZONE, iso, range_of, shown, span, zone_of
from storage.quantities import BY_COLUMN, values_text
from storage.reading import Row

QUANTITY = click.option("--quantity", type=click.Choice(list(BY_COLUMN)), help="Only this one.")
BARS = "▁▂▃▄▅▆▇█"


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
    from storage import past, registry
    zone = zone_of(command, zone_name)
    start, end = range_of(command, zone, since, until)
    assert start is not None  # it has a default
    columns = [quantity] if quantity else list(BY_COLUMN)
    with command.reading() as connection:
        device_id = find_device(device, registry.all_devices(connection)).device_id
        if every is None:
            rows = list(past.device_rows(connection, device_id, start, end or command.now + timedelta(seconds=1)))
        else:
            from storage.statistics import periods, summarize
            means = {period.start: summaries for period, _, summaries in summarize(
                connection, device_id, columns, periods(start, end or command.now, every, zone))}
            rows = [_mean_row(period.start.isoformat(), {
                        column: summary.mean for column, summary in means.get(period.start, {}).items()})
                    for period in periods(start, end or command.now, every, zone)]
    if as_json:
        keys = ("timestamp", *columns, *(() if every else ("is_anomalous",)))
        items = [{key: row.get(key) for key in keys} | {"timestamp": iso(row["timestamp"], zone)} for row in rows]
        click.echo(json.dumps(items, ensure_ascii=False, indent=2))
        return
    for row in rows:
        mark = "⚠️ " if row.get("is_anomalous") else ""
        click.echo(f"{shown(row['timestamp'], zone)}  {mark}{_text(row, columns)}")
    if sys.stdout.isatty() and rows:
        click.echo(sparkline([row.get(columns[0]) for row in rows]))


def sparkline(values: Sequence[object]) -> str:
    """Return a bar per value; a blank where there is none."""
    numbers = [value for value in values if isinstance(value, int | float)]
    low, high = min(numbers, default=0), max(numbers, default=0)
    return "".join(BARS[int((value - low) / ((high - low) or 1) * (len(BARS) - 1))]
                   if isinstance(value, int | float) else " " for value in values)


def _mean_row(timestamp: str, means: dict[str, float]) -> Row:
    return {"timestamp": timestamp, **{column: round(mean, 3) for column, mean in means.items()}}


def _text(row: Row, columns: Sequence[str]) -> str:
    shown_values = {column: row.get(column) for column in columns}
    if len(columns) == 1 and isinstance(value := row.get(columns[0]), int | float):
        return f"{value:.10g} {BY_COLUMN[columns[0]].unit}".rstrip()
    return values_text(shown_values)
