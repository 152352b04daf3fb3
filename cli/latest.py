"""readings.py latest: the newest reading of each device."""

import json
from datetime import tzinfo
from typing import Any

import click

from cli.context import CommandContext
from cli.times import AS_JSON, TIMEZONE, iso, shown, zone_of
from runtime.redaction import escape_unprintable
from storage.reading import Row
from storage.registry import Device

STALE_INTERVALS = 3
Item = dict[str, Any]


@click.command("latest")
@click.argument("device", metavar="[ID]", required=False)
@TIMEZONE
@AS_JSON
@click.pass_obj
def main(command: CommandContext, device: str | None, zone_name: str | None, as_json: bool) -> None:
    """Show the newest reading of each device, or of one. The exit code is 0 also if it is old."""
    from cli.arguments import find_device
    from cli.listing import by_room
    from storage import past, registry
    zone = zone_of(command, zone_name)
    with command.reading() as connection:
        devices = by_room(registry.all_devices(connection), command.places)
        active = [each for each in devices if each.is_active] or devices  # after an import none may be
        devices = [find_device(device, devices)] if device else active
        newest = [(each, past.newest_row(connection, each.device_id)) for each in devices]
    if as_json:
        items = [_item(command, each, row, zone) for each, row in newest]
        click.echo(json.dumps(items[0] if device else items, indent=2, ensure_ascii=False))
    elif newest:
        _show(command, newest, zone)
    else:
        from runtime.commands import command as run_command
        click.echo(f"There are no readings yet: run a collector, such as {run_command('collectors.hue')}", err=True)


def _item(command: CommandContext, device: Device, row: Row | None, zone: tzinfo) -> Item:
    from storage.quantities import BY_COLUMN
    age = _age(command, row)
    limit = STALE_INTERVALS * command.configuration.collection.interval_seconds
    values = {column: row[column] if row else None for column in BY_COLUMN}
    return {"device_id": device.device_id, "name": device.device_name, "location": device.location, **values,
            "is_anomalous": bool(row and row["is_anomalous"]), "timestamp": iso(row["timestamp"], zone) if row else None,
            "measured_at": iso(row["measured_at"], zone) if row else None,
            "age_seconds": age, "is_stale": age is None or abs(age) > limit}


def _show(command: CommandContext, newest: list[tuple[Device, Row | None]], zone: tzinfo) -> None:
    from cli.listing import age, print_table
    from storage.quantities import values_text
    rows = [("room", "name", "values", "time", "age")]
    for device, row in newest:
        values = f"{'⚠️ ' if row['is_anomalous'] else ''}{values_text(row)}" if row else "-"
        rows.append((device.location or "-", device.device_name or device.device_id, values,
                     shown(row["timestamp"], zone) if row else "never", age(_age(command, row))))
    print_table(rows, below=(2,))
    if any(row and row["is_anomalous"] for _, row in newest):
        click.echo(escape_unprintable("⚠️  outside the range that is plausible for the device"))


def _age(command: CommandContext, row: Row | None) -> int | None:
    from storage.readings import seconds
    at = seconds(str(row["timestamp"])) if row else None
    return None if at is None else round(command.now.timestamp()) - at
