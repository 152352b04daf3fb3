"""readings.py stats: lowest, mean and highest values of devices by period, and how complete they are."""

import json
from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any

import click

from cli.context import CommandContext
from cli.history import QUANTITY
from cli.times import AS_JSON, TIMEZONE, iso, range_of, shown, span, zone_of
from runtime.formats import parse_time
from storage.quantities import BY_COLUMN
from storage.registry import Device
from storage.statistics import STEPS

Item = dict[str, Any]


@click.command("stats")
@click.argument("devices", metavar="[ID]...", nargs=-1)
@span(None)
@click.option("--by", "step", type=click.Choice(STEPS), default="month", show_default=True,
              help="Local periods; a night is 22:00 to 07:00.")
@QUANTITY
@TIMEZONE
@AS_JSON
@click.pass_obj
def main(command: CommandContext, devices: tuple[str, ...], since: str | None, until: str | None, step: str,
         quantity: str | None, zone_name: str | None, as_json: bool) -> None:
    """Show the lowest, mean and highest values of devices, and how many of the readings due are stored.

    Means are of the stored values, unweighted, anomalous ones included.
    """
    from cli.arguments import find_device
    from cli.listing import by_room, print_table
    from storage import registry
    zone = zone_of(command, zone_name)
    start, end = range_of(command, zone, since, until)
    columns = [quantity] if quantity else list(BY_COLUMN)
    with command.reading() as connection:
        registered = by_room(registry.all_devices(connection), command.places)
        chosen = [find_device(text, registered) for text in devices] or registered
        items = [item for device in chosen for item in _items(command, connection, device, columns, (start, end), step, zone)]
    if as_json:
        click.echo(json.dumps(items, ensure_ascii=False, indent=2))
    elif items:
        print_table([("device", step, "quantity", "lowest", "at", "mean", "highest", "at", "count", "coverage"),
                     *(_row(item, zone) for item in items)], below=(4, 7))
        click.echo("Means are of the stored values, unweighted.", err=True)
    else:
        click.echo("There are no readings in this time.", err=True)


def _items(command: CommandContext, connection: Any, device: Device, columns: list[str],
           between: tuple[datetime | None, datetime | None], step: str, zone: tzinfo) -> Iterator[Item]:
    from storage.readings import oldest
    from storage.statistics import periods, summarize
    first = oldest(connection, device.device_id)
    if first is None:
        return
    interval = command.configuration.collection.interval_seconds
    seen = parse_time(device.first_seen) if device.first_seen else None
    start, end = between[0] or first, between[1] or command.now
    for period, readings, summaries in summarize(connection, device.device_id, columns, periods(start, end, step, zone)):
        due = period.due(seen, command.now, interval) if seen else 0  # of an imported device no reading is due
        for column, summary in summaries.items():
            yield {"device_id": device.device_id, "name": device.device_name, "location": device.location,
                   "period": period.name, "from": iso(period.start.isoformat(), zone),
                   "to": iso(period.end.isoformat(), zone), "quantity": column, "min": summary.low,
                   "min_at": iso(summary.low_at, zone), "mean": summary.mean, "max": summary.high,
                   "max_at": iso(summary.high_at, zone), "count": summary.number,
                   "coverage_percent": round(min(100.0, 100 * readings / due), 1) if due else None}


def _row(item: Item, zone: tzinfo) -> tuple[str, ...]:
    quantity = BY_COLUMN[item["quantity"]]
    coverage = item["coverage_percent"]
    return (item["name"] or item["device_id"], item["period"], f"{quantity.name} {quantity.unit}".rstrip(),
            f"{item['min']:.10g}", shown(item["min_at"], zone), f"{item['mean']:.2f}", f"{item['max']:.10g}",
            shown(item["max_at"], zone), str(item["count"]), "-" if coverage is None else f"{coverage:g}%")
