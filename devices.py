"""Where human and devices are introduced: `python devices.py --help` tells the commands.

Runs from anywhere. Exit codes are those of the collectors: 0 all is well, 1 something failed that time may mend, 2 a
human is needed.
"""

import errno
import json
import os
import sys
from datetime import datetime, timedelta, timezone
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

import collectors
import config
from cli import listing, table
from cli.arguments import ask, degrees, span, words
from cli.context import CommandContext
from cli.registry import Registry, label
from runtime import log as log_file
from runtime.errors import RemoteError, StorageError, Unavailable, Unusable
from runtime.files import drop_to_owner, locked
from runtime.log import escape_unprintable
from runtime.signals import interruptible
from storage import lost_database, manager
from storage.cycle_history import Window
from storage.readings import Deletion, Rewriting
from storage.registry import Device


class Commands(click.Group):
    """Commands whose troubles become a line on stderr and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command that was asked for."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a letter that a terminal does not know is no reason to fail
                stream.reconfigure(errors="replace")
        try:
            with interruptible():
                return super().invoke(context)
        except (RemoteError, StorageError, config.ConfigurationError) as error:
            context.obj.problems.report(error)
            raise SystemExit(error.exit_code) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever was reading has read enough; click ends in silence then
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python tries once more at its end, and complains
            context.obj.problems.report(Unavailable(f"{error.filename or 'the answer cannot be written'}: "
                                                   f"{error.strerror}"))
            raise SystemExit(1) from None
        finally:
            log_file.shut_down()


def _clock() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", metavar="PATH", help="Default: $HOME_MONITOR_CONFIG, else config/config.yaml.")
@click.pass_context
def main(context: click.Context, config_path: str | None) -> None:
    """Introduce devices and their sources to the home temperature monitor.

    A device may be named by any part of its id or name that no other device has.
    """
    context.obj = CommandContext(config.find(config_path), _clock)


@main.command()
@click.argument("source")
@click.option("--bridge", metavar="HOST", help="The Hue bridge's address, if it is not to be looked up.")
@click.pass_obj
def pair(visit: CommandContext, source: str, bridge: str | None) -> None:
    """Introduce us to a SOURCE, such as hue, and keep in secrets.yaml what it gives us."""
    from cli import pairing  # slow to import, for requests is
    if not pairing.can_pair(source):
        able = ", ".join(filter(pairing.can_pair, collectors.names()))
        raise click.UsageError(f"{source!r} cannot be paired; what can is: {able}")
    visit.speak_as(source)
    pairing.pair(visit.path, source, bridge, visit.clock, visit.redact)


@main.command()
@click.pass_obj
def accept_new_database(visit: CommandContext) -> None:
    """Let a fresh database be made in place of one that is gone or damaged, which is set aside, not deleted."""
    configuration = visit.configuration
    drop_to_owner(configuration.data)
    database, marker = Path(os.path.realpath(configuration.storage.database_path)), visit.marker
    try:
        with locked(manager.lock_path(database), configuration.storage.busy_timeout_ms / 1000):
            is_gone, were_stored = lost_database.is_gone(database), marker.exists()
            moved = lost_database.accept(database, marker, f"{visit.now:%Y%m%dT%H%M%SZ}",
                                       partial(manager.examine, database))
    except OSError as error:
        raise Unusable(f"{error.filename} cannot be set aside: {error.strerror}") from error
    for each in moved:
        click.echo(f"Set aside: {each}")
    if not (moved or is_gone):
        click.echo(f"{database} is in order, and stays.")
        return
    click.echo("The next cycle makes a new database, with all that waits in the spool.")
    if moved or were_stored:
        visit.tell_what_is_lost(lost_database.kept(database))


@main.command("list")
@click.option("--type", "device_type", metavar="TYPE", help="Only devices of this type, such as hue_sensor.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for programs.")
@click.pass_obj
def show(visit: CommandContext, device_type: str | None, as_json: bool) -> None:
    """Show all devices: what they are called, where they stand, when they last told anything."""
    registry = visit.registry(changing=False)
    known = visit.devices(registry)
    listed = [each for each in known if device_type in (None, each.device_type)]
    items = listing.items(zip(listed, registry.newest(listed)), visit.now)
    if as_json:
        click.echo(json.dumps(items, indent=2))
    elif items:
        table.show(listing.rows(items), listing.BELOW)
    else:
        types = ", ".join(sorted({each.device_type for each in known if each.device_type}))
        why = f"of this type; there are {types}" if types else "yet: run a collector, such as python -m collectors.hue"
        click.echo(f"There are no devices {why}.", err=True)


@main.command("set-name")
@click.argument("device", metavar="ID")
@click.argument("name", type=words)
@click.pass_obj
def set_name(visit: CommandContext, device: str, name: str) -> None:
    """Call a device NAME from now on.

    Also one that was never seen: then its full ID is needed, hue:... or alexa:..., as --discover shows it.
    """
    registry = visit.registry()
    _call(visit, registry, registry.one_or_new(device), name)


@main.command("amend-name")
@click.argument("device", metavar="ID")
@click.argument("name", type=words)
@click.option("--recursive", is_flag=True, help="Rewrite the readings of its past, too. Collectors go on meanwhile.")
@click.pass_obj
def amend_name(visit: CommandContext, device: str, name: str, recursive: bool) -> None:
    """Correct the NAME of a device that is known."""
    registry = visit.registry()
    changed = _call(visit, registry, registry.one(device), name)
    if recursive:
        count = visit.work_through(registry, Rewriting(changed.device_id, "name", name), "Rewriting its past")
        visit.say(f"Readings of its past that were rewritten: {count}.")


def _call(visit: CommandContext, registry: Registry, device: Device, name: str) -> Device:
    changed = registry.change(device.device_id, lambda known: known.named(name))
    visit.say(f"{label(device)} is called {name} from now on.")
    if device.device_type is None and device.collector is None:
        visit.say("Nobody has seen it yet; the name waits for its first reading.")
    return changed


@main.command("set-location")
@click.argument("device", metavar="ID")
@click.argument("place", type=words)
@click.option("--recursive", is_flag=True, help="Rewrite the readings of its past, too. Collectors go on meanwhile.")
@click.pass_obj
def set_location(visit: CommandContext, device: str, place: str, recursive: bool) -> None:
    """Say at which PLACE a device stands from now on."""
    registry = visit.registry()
    changed = registry.one(device)
    registry.change(changed.device_id, lambda known: known.placed(place))
    visit.say(f"{label(changed)} stands at {place} from now on.")
    configured = visit.places.get(changed.device_id, place)
    if configured != place:
        visit.say(f"But {visit.path} has it at {configured}, which goes before: take that line out.", err=True)
    if recursive:
        count = visit.work_through(registry, Rewriting(changed.device_id, "location", place), "Rewriting its past")
        visit.say(f"Readings of its past that were rewritten: {count}.")


# A negative number looks like an option, which this command has none of.
@main.command("set-offset", context_settings={"ignore_unknown_options": True})
@click.argument("device", metavar="ID")
@click.argument("kelvin", metavar="DEGREES", type=degrees)
@click.pass_obj
def set_offset(visit: CommandContext, device: str, kelvin: float) -> None:
    """Add DEGREES to what a device measures from now on: -1.5, say; 0 ends it. The raw value is stored beside it."""
    registry = visit.registry()
    changed = registry.one(device)
    registry.change(changed.device_id, lambda known: known._replace(temperature_offset=kelvin))
    visit.say(f"{kelvin:+g} °C is added to what {label(changed)} measures from now on.")


@main.command()
@click.argument("device", metavar="ID")
@click.option("--delete-history", is_flag=True, help="Delete its readings, too, after you have typed its whole id.")
@click.pass_obj
def forget(visit: CommandContext, device: str, delete_history: bool) -> None:
    """Expect nothing of a device any more. Its readings stay, and it comes back when its source tells of it again."""
    registry = visit.registry()
    known = registry.one(device)
    newest, = registry.newest([known])
    if delete_history and newest:
        work = Deletion(known.device_id, newest.timestamp)
        question = f"To delete its readings for ever ({registry.count(work)}), type {known.device_id}: "
        if ask(question).strip() != known.device_id:
            click.echo("That is not its id; nothing was changed.", err=True)
            raise SystemExit(2)
    registry.change(known.device_id, lambda device: device._replace(is_active=False))
    visit.say(f"{label(known)} is inactive; it comes back when its source tells of it again.")
    if delete_history and newest:
        visit.say(f"Readings that were deleted: {visit.work_through(registry, work, 'Deleting its past')}.")


@main.command()
@click.option("--since", type=span, default="7d", show_default=True, help="How far back: 90m, 24h, 7d, 2w.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, for programs.")
@click.pass_obj
def gaps(visit: CommandContext, since: timedelta, as_json: bool) -> None:
    """Show for each device which readings are missing, and why. The exit code is 0, gaps or not."""
    settings = visit.configuration
    stopped = [name for name, section in settings.collectors.items() if not section.enabled]
    window = Window(visit.now - since, visit.now, settings.collection.interval_seconds,
                    settings.storage.keep_cycles_days, stopped)
    registry, waiting = visit.registry(changing=False), visit.waiting()
    found = registry.coverage(visit.devices(registry), window, waiting)
    if as_json:
        click.echo(json.dumps(listing.gap_items(found, window.now), indent=2))
    else:
        for line in listing.gap_lines(found, window):
            click.echo(escape_unprintable(line))


@main.command()
@click.pass_obj
def migrate(visit: CommandContext) -> None:
    """Bring a database of an earlier version up to date; the next cycle would do it, too."""
    path = visit.configuration.storage.database_path
    copies = visit.registry().migrate()
    if copies is None:
        visit.say(f"{path} was up to date already.")
    else:
        visit.say(f"{path} is up to date now{f'; as it was, it is kept in {copies[-1]}' if copies else ''}.")


if __name__ == "__main__":
    main()
