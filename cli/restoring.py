"""readings.py restore: a backup takes the place of the database."""

import os
from pathlib import Path

import click

from cli.context import CommandContext
from runtime.errors import Unusable
from runtime.files import drop_to_owner, locked
from runtime.formats import pluralize
from runtime.streams import show_progress
from storage import manager, restoring


@click.command("restore")
@click.argument("file", metavar="FILE")
@click.pass_obj
def main(command: CommandContext, file: str) -> None:
    """Put the backup FILE in the place of the database, which is set aside, not deleted. Collectors may go on."""
    settings, configured = command.configuration, command.configuration.storage.database_path
    source, database = Path(os.path.realpath(file)), Path(os.path.realpath(configured))
    drop_to_owner(settings.data)
    if not database.parent.is_dir():
        raise Unusable(f"there is no folder {database.parent}", "mount its disk, or make it: mkdir -p, with its path")
    try:
        with locked(manager.lock_path(database), settings.storage.busy_timeout_ms / 1000):
            restored = restoring.restore(source, configured, command.witness, command.now, show_progress)
    except OSError as error:
        raise Unusable(f"{error.filename} cannot be changed: {error.strerror}") from error
    newest = f", the newest of {restored.newest}" if restored.newest else ""
    command.say(f"Restored {source}: {pluralize(restored.readings, 'reading')}{newest}.")
    for path in restored.set_aside:
        command.say(f"Set aside: {path}")
    if restored.only_old is None:
        command.say("The database that was set aside cannot be read.", is_answer=False)
    elif restored.only_old:
        command.say(f"{pluralize(restored.only_old, 'reading')} that it does not have: only in {restored.set_aside[0]}",
                    is_answer=False)
