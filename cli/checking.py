"""readings.py check: whether a database, or a backup of one, is sound."""

from pathlib import Path

import click

from cli.context import CommandContext
from runtime.errors import Unusable


@click.command("check")
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--deep", is_flag=True, help="Also compare the indexes with their tables; minutes for a large database.")
@click.pass_obj
def main(command: CommandContext, file: Path | None, deep: bool) -> None:
    """Check the database, or a backup FILE: its pages, its form, and what it holds."""
    from runtime.formats import pluralize
    from storage import manager, past
    path = file.absolute() if file else command.configuration.storage.database_path
    try:
        manager.check_soundness(path, deep)
    except Unusable as error:
        if file is None:
            raise
        raise type(error)(str(error), "take another backup") from error
    with manager.reading(path) as connection:
        count, first, last = past.extent(connection)
    command.say(f"{path} is sound: {pluralize(count, 'reading')}" + (f", from {first} to {last}." if count else "."))
