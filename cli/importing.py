"""readings.py import: readings from a CSV file, another database of this program, or a Home Assistant's recorder."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import CommandContext
from cli.times import TIMEZONE, zone_of
from runtime.errors import Unusable
from runtime.formats import format_time, pluralize
from storage.past import COLUMNS
from storage.reading import Row

if TYPE_CHECKING:
    from cli.home_assistant import Place

PATH = click.argument("path", type=click.Path(path_type=Path))
DRY_RUN = click.option("--dry-run", is_flag=True, help="Read and check everything, store nothing.")


@click.group("import")
def main() -> None:
    """Add readings from elsewhere. Stored ones stay as they are, so it may be repeated."""


@main.command("csv")
@PATH
@click.option("--map", "names", multiple=True, metavar="COLUMN=FIELD", help="What a column of another program is.")
@TIMEZONE
@DRY_RUN
@click.pass_obj
def from_csv(command: CommandContext, path: Path, names: tuple[str, ...], zone_name: str | None, dry_run: bool) -> None:
    """Add the readings of a CSV file that `export` wrote, or of another table with --map.

    A FIELD is a column that `export` writes; at least timestamp, device_id and a quantity. Other columns are left out.
    """
    from cli import csv_reading
    from storage import registry
    _begin(command)
    with command.reading() as connection:
        devices = registry.all_devices(connection)
    zone, created = zone_of(command, zone_name), format_time(command.now)
    table = csv_reading.Table(path, csv_reading.mapping(names), zone, devices, created)
    total = sum(1 for _ in table.rows())  # all of it is valid, or nothing is stored
    if table.left_out:
        command.say(f"Not imported: {', '.join(table.left_out)}.")
    _store(command, path, table.rows(), total, dry_run)


@main.command("database")
@PATH
@DRY_RUN
@click.pass_obj
def from_database(command: CommandContext, path: Path, dry_run: bool) -> None:
    """Add the readings of another database of this program, of any age, or of its predecessor."""
    from storage import importing, past
    own = command.configuration.storage.database_path
    if os.path.realpath(path) == os.path.realpath(own):
        raise Unusable(f"{path} is the database itself", "name another one")
    _begin(command)
    with importing.another_database(path.absolute(), Path(os.path.realpath(own)).parent) as source:
        total, _, _ = past.extent(source)
        if rejected := importing.count_rejected(source):
            command.say(f"{pluralize(rejected, 'reading')} not imported, as others have the same device and time.")
        batches = past.batches(source, COLUMNS, (), None, None)
        rows = (dict(zip(COLUMNS, values)) for batch in batches for values in batch)
        _store(command, path, rows, total, dry_run)  # type: ignore[arg-type] # the columns are those of a Row


@main.command("homeassistant")
@PATH
@click.option("--registry", type=click.Path(path_type=Path), metavar="FOLDER", help="Default: .storage beside the file.")
@click.option("--map", "targets", multiple=True, metavar="ENTITY=ID", help="Give an entity's values to this device.")
@DRY_RUN
@click.pass_obj
def from_home_assistant(command: CommandContext, path: Path, registry: Path | None, targets: tuple[str, ...],
                        dry_run: bool) -> None:
    """Add what a Home Assistant recorded: its home-assistant_v2.db, also while it runs.

    Hours without states get their mean, which Home Assistant never deletes.
    """
    from cli import home_assistant as source
    from storage import home_assistant
    _begin(command)
    folder = registry or path.parent / ".storage"
    is_grouped = registry is not None or folder.is_dir()
    with home_assistant.opened(path.absolute()) as connection:
        places = _places(command, path, home_assistant.entities(connection), targets)
        recording = source.Recording(connection, source.Registries(folder if is_grouped else None), places, command.now)
        total = sum(1 for _ in recording.rows())
        if not is_grouped:
            command.say(f"there is no folder {folder}: each entity is a device of its own. Remedy: name it with --registry",
                        is_answer=False)
        if skipped := source.skipped_text(recording.skipped):
            command.say(skipped)
        _store(command, path, recording.rows(), total, dry_run)


def _places(command: CommandContext, path: Path, entities: set[str], targets: tuple[str, ...]) -> "dict[str, Place]":
    from cli.home_assistant import Place
    places, editor = {}, command.editor()
    for target in targets:
        entity, _, text = target.partition("=")
        if not text:
            raise Unusable(f"--map {target} names no device", "write --map ENTITY=ID, such as sensor.hall=hue:…")
        if entity not in entities:
            raise Unusable(f"{path} has no entity {entity!r}", "write it as Home Assistant does: sensor.hall_temperature")
        device = editor.find(text)
        places[entity] = Place(device.device_id, device.device_name, device.location)
    return places


def _begin(command: CommandContext) -> None:
    """Make the database if nothing was ever stored. Raise Missing if it is gone."""
    command.editor()
    if not os.path.exists(command.configuration.storage.database_path):
        from jobs.persist import writer
        from runtime.streams import show_progress
        with writer(command.configuration, command.witness, show_progress)():
            pass


def _store(command: CommandContext, path: Path, rows: Iterator[Row], total: int, dry_run: bool) -> None:
    if dry_run:
        command.say(f"{path} has {pluralize(total, 'reading')}; nothing was stored.")
        return
    from storage.importing import Import
    from storage.witness import renew_or_log
    with command.reading() as connection:
        renew_or_log(command.witness, connection, command.configuration.storage.database_path, format_time(command.now))
    work = Import(rows, total)
    command.editor().run(work, "Importing")
    command.say(f"{path}: {pluralize(total, 'reading')}, {work.added} of them new.")
