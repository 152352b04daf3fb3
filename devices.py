"""Pair, list, name and correct devices: see `python devices.py --help`.

Exit codes are the collectors': 0 all is well, 1 a later run may succeed, 2 a human is needed.
"""

import runtime.interpreter  # noqa: F401 - first: it changes to another Python if this one cannot run the rest

# isort: split
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Literal

import click

import config
from cli import databases, installing
from cli.arguments import ask, duration_type, offset_type, text_type
from cli.context import CommandContext
from cli.former_options import FormerOptions
from runtime import VERSION
from runtime.commands import command as run_command
from runtime.formats import pluralize
from runtime.redaction import escape_unprintable

if TYPE_CHECKING:
    from cli.editor import DeviceEditor
    from storage.registry import Device

ID = click.argument("device", metavar="ID")
WITH_HISTORY = click.option("--recursive", is_flag=True, help="Also rewrite its past readings. Collectors go on.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for programs.")


@click.group(cls=FormerOptions, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, message="%(version)s")
@click.option("--config", "config_path", metavar="PATH", help="Default: $HOME_MONITOR_CONFIG, else config/config.yaml.")
@click.pass_context
def main(context: click.Context, config_path: str | None) -> None:
    """Pair, list, name and correct the devices of the home temperature monitor.

    A device may be given as any part of its id or name that no other device has.
    """
    context.obj = CommandContext(config.find(config_path), lambda: datetime.now(timezone.utc).replace(microsecond=0))


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
@click.option("--test", "is_test", is_flag=True, help="Send a test message by each notifier.")
@click.pass_obj
def alert(command: CommandContext, is_test: bool) -> None:
    """Test whether alerts reach you. The exit code is 1 if a message was not sent, 2 if no notifier is configured."""
    from cli import alerting
    if not is_test:
        raise click.UsageError(f"to send a test message: {run_command('devices.py', 'alert', '--test')}")
    raise SystemExit(alerting.send_test(command))


@main.command("list")
@click.option("--type", "device_type", metavar="TYPE", help="Only devices of this type, such as hue_sensor.")
@AS_JSON
@click.pass_obj
def show(command: CommandContext, device_type: str | None, as_json: bool) -> None:
    """List the devices with names, places and last readings."""
    from cli import listing
    from storage import readings, registry
    with command.reading() as connection:
        devices = listing.by_room(registry.all_devices(connection), command.places)
        listed = [device for device in devices if device_type in (None, device.device_type)]
        newest = [readings.newest(connection, device.device_id) for device in listed]
    items = listing.items(zip(listed, newest), command.now)
    if as_json:
        click.echo(json.dumps(items, indent=2))
    elif items:
        listing.show(items)
    elif types := sorted({device.device_type for device in devices if device.device_type}):
        click.echo(f"There are no devices of this type; the types are {', '.join(types)}.", err=True)
    else:
        click.echo(f"There are no devices yet: run a collector, such as {run_command('collectors.hue')}", err=True)


@main.command("set-name")
@ID
@click.argument("name", type=text_type)
@click.pass_obj
def set_name(command: CommandContext, device: str, name: str) -> None:
    """Give a device a NAME.

    To name a device before it is seen, give its full ID, hue:... or alexa:..., as --discover shows it.
    """
    editor = command.editor()
    _rename(command, editor, editor.find(device, may_be_new=True), name)


@main.command("amend-name")
@ID
@click.argument("name", type=text_type)
@WITH_HISTORY
@click.pass_obj
def amend_name(command: CommandContext, device: str, name: str, recursive: bool) -> None:
    """Correct the NAME of a known device."""
    editor = command.editor()
    renamed = editor.find(device)
    _rename(command, editor, renamed, name)
    if recursive:
        _rewrite(command, editor, renamed, "name", name)


def _rename(command: CommandContext, editor: "DeviceEditor", device: "Device", name: str) -> None:
    editor.change(device, lambda current: current.named(name))
    command.say(f"{device.label()} is now called {name}.")
    if device.device_type is None and device.collector is None:
        command.say("It has not been seen yet; its first reading will have this name.")


def _rewrite(command: CommandContext, editor: "DeviceEditor", device: "Device", column: Literal["name", "location"],
             text: str) -> None:
    from storage.readings import rewriting
    count = editor.run(rewriting(device.device_id, column, text), "Rewriting its history")
    command.say(f"Past readings rewritten: {count}.")


@main.command("set-location")
@ID
@click.argument("place", type=text_type)
@WITH_HISTORY
@click.pass_obj
def set_location(command: CommandContext, device: str, place: str, recursive: bool) -> None:
    """Set the PLACE of a device."""
    editor = command.editor()
    placed = editor.find(device)
    editor.change(placed, lambda current: current.placed(place))
    command.say(f"The place of {placed.label()} is now {place}.")
    configured = command.places.get(placed.device_id, place)
    if configured != place:
        command.say(f"But in {command.path} it is {configured}, which takes precedence: remove that line.",
                    is_answer=False)
    if recursive:
        _rewrite(command, editor, placed, "location", place)


# A negative number looks like an option, of which this command has none.
@main.command("set-offset", context_settings={"ignore_unknown_options": True})
@ID
@click.argument("kelvin", metavar="DEGREES", type=offset_type)
@click.pass_obj
def set_offset(command: CommandContext, device: str, kelvin: float) -> None:
    """Add DEGREES, such as -1.5, to a device's later temperatures; 0 ends it. The raw value is stored beside them."""
    editor = command.editor()
    corrected = editor.find(device)
    editor.change(corrected, lambda current: current._replace(temperature_offset=kelvin))
    command.say(f"{kelvin:+g} °C will be added to the temperatures of {corrected.label()}.")


@main.command()
@ID
@click.option("--delete-history", is_flag=True, help="Also delete its readings, after you have typed its whole id.")
@click.pass_obj
def forget(command: CommandContext, device: str, delete_history: bool) -> None:
    """Stop expecting readings of a device. Its history stays; it becomes active again when its source reports it."""
    from storage.readings import deletion
    editor = command.editor()
    forgotten = editor.find(device)
    newest = editor.newest(forgotten) if delete_history else None
    work = deletion(forgotten.device_id, newest.timestamp) if newest else None
    if work:
        count = pluralize(editor.count(work), "reading")
        if ask(f"To delete its {count} permanently, type {forgotten.device_id}: ").strip() != forgotten.device_id:
            click.echo("That is not its id; nothing was changed.", err=True)
            raise SystemExit(2)
    if not work and editor.remove_unseen(forgotten):
        command.say(f"{forgotten.label()} was never seen, and is removed.")
        return
    editor.change(forgotten, lambda current: current._replace(is_active=False))
    command.say(f"{forgotten.label()} is now inactive, until its source reports it again.")
    if work:
        command.say(f"Past readings deleted: {editor.run(work, 'Deleting its history')}.")


@main.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.pass_obj
def replace(command: CommandContext, old: str, new: str) -> None:
    """Let device NEW take the name and place of OLD, which becomes inactive; the history of both stays."""
    editor = command.editor()
    retired, successor = editor.find(old), editor.find(new, may_be_new=True)
    editor.replace(retired, successor)
    command.say(f"{successor.device_id} now has the name and place of {retired.label()}, which is inactive.")
    if configured := [key for key in (retired.device_id, successor.device_id) if key in command.places]:
        command.say(f"{command.path} has places for {', '.join(configured)}, which take precedence: correct them.",
                    is_answer=False)


@main.command()
@click.option("--since", type=duration_type, metavar="DURATION", default="7d", show_default=True,
              help="How far back: 90m, 24h, 7d, 2w.")
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
    pending = command.pending_cycles()  # before the database: a cycle stored in between counts once, not never
    with command.reading() as connection:
        devices = listing.by_room(registry.all_devices(connection), command.places)
        coverages = gap_report.report(connection, devices, window, pending)
    if as_json:
        click.echo(json.dumps(listing.gap_items(coverages, window.now), indent=2))
    else:
        for line in listing.gap_lines(coverages, window):
            click.echo(escape_unprintable(line))


for further in (*databases.COMMANDS, *installing.COMMANDS):
    main.add_command(further)

if __name__ == "__main__":
    main()
