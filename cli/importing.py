"""readings.py import: readings from a CSV file, another database of this program, or a Home Assistant's recorder."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.context import CommandContext
from runtime.errors import Unusable
from runtime.formats import finite_number, format_time, parse_time, pluralize
from storage.past import COLUMNS
from storage.reading import Row

if TYPE_CHECKING:
    from cli.home_assistant import Place

PATH = click.argument("path", type=click.Path(path_type=Path))
DRY_RUN = click.option("--dry-run", is_flag=True, help="Read and check everything, store nothing.")
TIMES = ("timestamp", "measured_at", "created_at")
WHOLE = ("battery_level", "signal_strength", "is_anomalous")
NEEDED = ("timestamp", "device_id", "device_type")


@click.group("import")
def main() -> None:
    """Add readings from elsewhere. Stored ones stay as they are, so it may be repeated."""


@main.command("csv")
@PATH
@DRY_RUN
@click.pass_obj
def from_csv(command: CommandContext, path: Path, dry_run: bool) -> None:
    """Add the readings of a CSV file that `export` wrote."""
    total = sum(1 for _ in _csv_rows(command, path))  # all of it is valid, or nothing is stored
    _store(command, path, _csv_rows(command, path), total, dry_run)


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
    with command.reading() as connection:  # raises if there is no record yet
        past.extent(connection)
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


def _store(command: CommandContext, path: Path, rows: Iterator[Row], total: int, dry_run: bool) -> None:
    if dry_run:
        command.say(f"{path} has {pluralize(total, 'reading')}; nothing was stored.")
        return
    from storage.importing import Import
    work = Import(rows, total)
    command.editor().run(work, "Importing")
    command.say(f"{path}: {pluralize(total, 'reading')}, {work.added} of them new.")


def _csv_rows(command: CommandContext, path: Path) -> Iterator[Row]:
    created = format_time(command.now)
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream, delimiter=";" if ";" in stream.readline() else ",")
            stream.seek(0)
            columns = next(lines, [])
            _check_columns(path, columns)
            for cells in lines:
                yield _row(f"line {lines.line_num} of {path}", columns, cells, created)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}", "name a CSV file") from error
    except UnicodeDecodeError as error:
        raise Unusable(f"{path} is not UTF-8", "save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise Unusable(f"{path} is not CSV: {error}", "name a file that readings.py export wrote") from error


def _check_columns(path: Path, columns: list[str]) -> None:
    problems = [f"no column {name!r}" for name in NEEDED if name not in columns]
    problems += [f"an unknown column {name[:40]!r}" for name in columns if name not in COLUMNS]
    if problems:
        raise Unusable(f"{path} has {problems[0]}", f"its first line has to name columns of {', '.join(COLUMNS)}")


def _row(where: str, columns: list[str], cells: list[str], created: str) -> Row:
    if len(cells) != len(columns):
        raise Unusable(f"{where} has {len(cells)} cells in place of {len(columns)}; nothing was stored", "correct it")
    row: Row = dict.fromkeys(COLUMNS) | {"is_anomalous": 0, "created_at": created}
    for column, cell in zip(columns, cells):
        try:
            if cell:
                row[column] = _value(column, cell)
        except (ValueError, OverflowError):
            raise Unusable(f"{where} has {cell[:40]!r} as {column}; nothing was stored", "correct it") from None
    if not row["timestamp"] or not row["device_id"] or not row["device_type"]:
        raise Unusable(f"{where} lacks a time, a device or its type; nothing was stored", "correct it")
    return row


def _value(column: str, cell: str) -> str | float | int:
    from cli.formats import TEXT_COLUMNS, plain
    if column in TEXT_COLUMNS:
        return plain(cell)
    if column in TIMES:
        return parse_time(cell).isoformat()
    if column in WHOLE:
        return int(cell)
    number = finite_number(float(cell.replace(",", ".")))
    if number is None:
        raise ValueError(cell)
    return number
