"""Pair, list, name and correct devices: see `python devices.py --help`.

Exit codes are the collectors': 0 all is well, 1 something failed that a later run may fix, 2 a human is needed.
"""

import errno
import json
import os
import sys
from datetime import datetime, timedelta, timezone
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import config
from cli.arguments import ask, duration_type, offset_type, text_type
from cli.context import CommandContext
from runtime import log as log_file
from runtime.errors import HomeMonitorError, Unavailable, Unusable
from runtime.formats import pluralize
from runtime.log import escape_unprintable
from runtime.signals import interruptible

if TYPE_CHECKING:
    from cli.editor import DeviceEditor
    from storage.registry import Device

WITH_HISTORY = click.option("--recursive", is_flag=True, help="Also rewrite its past readings. Collectors go on.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for programs.")


class Commands(click.Group):
    """Commands whose errors become a line on stderr and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a terminal need not have every character
                stream.reconfigure(errors="replace")
        try:
            with interruptible():
                return super().invoke(context)
        except HomeMonitorError as error:
            context.obj.problems.report(error)
            raise SystemExit(error.exit_code) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader has closed the pipe; click ends silently
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries again when it exits, and complains
            what = error.filename or "the answer cannot be written"
            context.obj.problems.report(Unavailable(f"{what}: {error.strerror}"))
            raise SystemExit(1) from None
        finally:
            log_file.shut_down()


def _clock() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", metavar="PATH", help="Default: $HOME_MONITOR_CONFIG, else config/config.yaml.")
@click.pass_context
def main(context: click.Context, config_path: str | None) -> None:
    """Pair, list, name and correct the devices of the home temperature monitor.

    A device may be given as any part of its id or name that no other device has.
    """
    context.obj = CommandContext(config.find(config_path), _clock)


@main.command()
@click.argument("source")
@click.option("--bridge", metavar="HOST", help="The Hue bridge's address; without it the bridge is looked up.")
@click.pass_obj
def pair(command: CommandContext, source: str, bridge: str | None) -> None:
    """Pair with a SOURCE, such as hue, and keep its credentials in secrets.yaml."""
    from cli import pairing
    if not pairing.can_pair(source):
        raise click.UsageError(f"{source!r} cannot be paired; these can: {', '.join(pairing.pairable())}")
    command.speak_as(source)
    pairing.pair(command.path, source, bridge, command.clock, command.redact)


@main.command()
@click.pass_obj
def accept_new_database(command: CommandContext) -> None:
    """Allow a new database in place of one that is gone or damaged, which is set aside, not deleted."""
    from runtime.files import drop_to_owner, exists, locked
    from storage import lost_database, manager
    storage = command.configuration.storage
    drop_to_owner(command.configuration.data)
    database = Path(os.path.realpath(storage.database_path))
    try:
        with locked(manager.lock_path(database), storage.busy_timeout_ms / 1000):
            is_gone, had_data = lost_database.is_gone(database), exists(command.marker)
            moved = lost_database.set_aside(database, command.marker, f"{command.now:%Y%m%dT%H%M%SZ}",
                                         lambda: manager.examine(database))
    except OSError as error:
        raise Unusable(f"{error.filename} cannot be set aside: {error.strerror}") from error
    for path in moved:
        click.echo(f"Set aside: {path}")
    if not (moved or is_gone):
        click.echo(f"{database} is in order and was left as it is.")
        return
    click.echo("The next cycle makes a new database and stores the readings that wait in the spool.")
    if moved or had_data:
        older = lost_database.older_databases(database)
        _explain_losses(command, [lost_database.registry_query(copy) for copy in older])


def _explain_losses(command: CommandContext, queries: list[str]) -> None:
    """Print what the new database lacks, and the commands that look it up in older ones."""
    from config import legacy_devices
    click.echo("Names, places and offsets that were set with devices.py were in the old one: set them again.")
    if command.places:
        click.echo(f"Places in {command.path} still apply.")
    if (names := command.path.with_name(legacy_devices.FILE_NAME)).exists():
        click.echo(f"Names and places in {names} will be read again.")
    for query in queries:
        click.echo(f"To look them up: {query}")


@main.command("list")
@click.option("--type", "device_type", metavar="TYPE", help="Only devices of this type, such as hue_sensor.")
@AS_JSON
@click.pass_obj
def show(command: CommandContext, device_type: str | None, as_json: bool) -> None:
    """List the devices with names, places and last readings."""
    from cli import listing, table
    from storage import readings, registry
    with command.reading() as connection:
        devices = listing.by_room(registry.all_devices(connection), command.places)
        listed = [device for device in devices if device_type in (None, device.device_type)]
        newest = [readings.newest(connection, device.device_id) for device in listed]
    items = listing.items(zip(listed, newest), command.now)
    if as_json:
        click.echo(json.dumps(items, indent=2))
    elif items:
        table.show(listing.rows(items), listing.BELOW)
    elif types := sorted({device.device_type for device in devices if device.device_type}):
        click.echo(f"There are no devices of this type; the types are {', '.join(types)}.", err=True)
    else:
        click.echo("There are no devices yet: run a collector, such as python -m collectors.hue.", err=True)


@main.command("set-name")
@click.argument("device", metavar="ID")
@click.argument("name", type=text_type)
@click.pass_obj
def set_name(command: CommandContext, device: str, name: str) -> None:
    """Give a device a NAME.

    To name a device before it is seen, give its full ID, hue:... or alexa:..., as --discover shows it.
    """
    editor = command.editor()
    _rename(command, editor, editor.find_or_new(device), name)


@main.command("amend-name")
@click.argument("device", metavar="ID")
@click.argument("name", type=text_type)
@WITH_HISTORY
@click.pass_obj
def amend_name(command: CommandContext, device: str, name: str, recursive: bool) -> None:
    """Correct the NAME of a known device."""
    editor = command.editor()
    renamed = _rename(command, editor, editor.find(device), name)
    if recursive:
        _rewrite(command, editor, renamed.device_id, "name", name)


def _rename(command: CommandContext, editor: "DeviceEditor", device: "Device", name: str) -> "Device":
    from cli.lookup import label
    renamed = editor.change(device.device_id, lambda current: current.named(name))
    command.say(f"{label(device)} is now called {name}.")
    if device.device_type is None and device.collector is None:
        command.say("It has not been seen yet; its first reading will have this name.")
    return renamed


def _rewrite(command: CommandContext, editor: "DeviceEditor", device_id: str, column: str, text: str) -> None:
    from storage.readings import Rewriting
    command.say(f"Past readings rewritten: {editor.run(Rewriting(device_id, column, text), 'Rewriting its history')}.")


@main.command("set-location")
@click.argument("device", metavar="ID")
@click.argument("place", type=text_type)
@WITH_HISTORY
@click.pass_obj
def set_location(command: CommandContext, device: str, place: str, recursive: bool) -> None:
    """Set the PLACE of a device."""
    from cli.lookup import label
    editor = command.editor()
    placed = editor.find(device)
    editor.change(placed.device_id, lambda current: current.placed(place))
    command.say(f"The place of {label(placed)} is now {place}.")
    configured = command.places.get(placed.device_id, place)
    if configured != place:
        command.say(f"But in {command.path} it is {configured}, which takes precedence: remove that line.",
                    is_answer=False)
    if recursive:
        _rewrite(command, editor, placed.device_id, "location", place)


# A negative number looks like an option, of which this command has none.
@main.command("set-offset", context_settings={"ignore_unknown_options": True})
@click.argument("device", metavar="ID")
@click.argument("kelvin", metavar="DEGREES", type=offset_type)
@click.pass_obj
def set_offset(command: CommandContext, device: str, kelvin: float) -> None:
    """Add DEGREES, such as -1.5, to a device's later temperatures; 0 ends it. The raw value is stored beside them."""
    from cli.lookup import label
    editor = command.editor()
    corrected = editor.find(device)
    editor.change(corrected.device_id, lambda current: current._replace(temperature_offset=kelvin))
    command.say(f"{kelvin:+g} °C will be added to the temperatures of {label(corrected)}.")


@main.command()
@click.argument("device", metavar="ID")
@click.option("--delete-history", is_flag=True, help="Also delete its readings, after you have typed its whole id.")
@click.pass_obj
def forget(command: CommandContext, device: str, delete_history: bool) -> None:
    """Stop expecting readings of a device. Its history stays; it becomes active again when its source reports it."""
    from cli.lookup import label
    from storage.readings import Deletion
    editor = command.editor()
    forgotten = editor.find(device)
    newest = editor.newest(forgotten) if delete_history else None
    deletion = Deletion(forgotten.device_id, newest.timestamp) if newest else None
    if deletion:
        count = pluralize(editor.count(deletion), "reading")
        if ask(f"To delete its {count} permanently, type {forgotten.device_id}: ").strip() != forgotten.device_id:
            click.echo("That is not its id; nothing was changed.", err=True)
            raise SystemExit(2)
    editor.change(forgotten.device_id, lambda current: current._replace(is_active=False))
    command.say(f"{label(forgotten)} is now inactive, until its source reports it again.")
    if deletion:
        command.say(f"Past readings deleted: {editor.run(deletion, 'Deleting its history')}.")


@main.command()
@click.option("--since", type=duration_type, default="7d", show_default=True, help="How far back: 90m, 24h, 7d, 2w.")
@AS_JSON
@click.pass_obj
def gaps(command: CommandContext, since: timedelta, as_json: bool) -> None:
    """Show for each device which readings are missing, and why. The exit code is 0 with or without gaps."""
    from cli import listing
    from storage import gaps as gap_report
    from storage import registry
    from storage.cycle_history import Window
    settings = command.configuration
    stopped = [name for name, section in settings.collectors.items() if not section.enabled]
    window = Window(command.now - since, command.now, settings.collection.interval_seconds,
                    settings.storage.keep_cycles_days, stopped)
    pending = command.pending_cycles()  # before the database: what is stored in between counts once, not never
    with command.reading() as connection:
        devices = listing.by_room(registry.all_devices(connection), command.places)
        coverages = gap_report.report(connection, devices, window, pending)
    if as_json:
        click.echo(json.dumps(listing.gap_items(coverages, window.now), indent=2))
    else:
        for line in listing.gap_lines(coverages, window):
            click.echo(escape_unprintable(line))


@main.command()
@click.pass_obj
def migrate(command: CommandContext) -> None:
    """Bring a database of an earlier version up to date; the next cycle would do the same."""
    path = command.configuration.storage.database_path
    copies = command.editor().migrate()
    if copies is None:
        command.say(f"{path} was already up to date.")
    else:
        command.say(f"{path} is now up to date{f'; {copies[-1]} is a copy of the old one' if copies else ''}.")


if __name__ == "__main__":
    main()
