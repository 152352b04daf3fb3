"""Commands about the database file."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

from cli.context import CommandContext
from runtime.errors import Unusable
from runtime.formats import format_time


@click.command()
@click.pass_obj
def accept_new_database(command: CommandContext) -> None:
    """Allow a new database in place of one that is gone or damaged, which is set aside, not deleted."""
    from jobs.persist import writer
    from runtime.files import drop_to_owner, locked
    from runtime.streams import show_progress
    from storage import lost_database, manager, witness
    from storage import record as identity
    settings, record, configured = command.configuration, command.witness, command.configuration.storage.database_path
    drop_to_owner(settings.data)
    database = Path(os.path.realpath(configured))
    try:
        with locked(manager.lock_path(database), settings.storage.busy_timeout_ms / 1000):
            is_gone, had_data = lost_database.is_gone(database), witness.has_record(record, configured)
            moved = lost_database.set_aside(database, f"{command.now:%Y%m%dT%H%M%SZ}", lambda: manager.examine(database))
            if moved or is_gone:
                line = record.line(configured)
                witness.forget(record, configured)
        if not (moved or is_gone):
            with manager.reading(database) as connection:
                witness.renew(record, connection, configured, format_time(command.now))
    except OSError as error:
        raise Unusable(f"{error.filename} cannot be changed: {error.strerror}") from error
    for path in moved:
        click.echo(f"Set aside: {path}")
    if not (moved or is_gone):
        click.echo(f"{database} is in order and was left as it is.")
        return
    if line is not None:
        with writer(settings, record, show_progress)() as connection:
            identity.continue_lost(connection, line.record_id)
    click.echo("The next cycle stores the readings that wait in the spool.")
    if moved or had_data:
        _explain_losses(command, map(lost_database.registry_query, lost_database.older_databases(database)))


def _explain_losses(command: CommandContext, queries: Iterable[str]) -> None:
    from config import legacy
    click.echo("Names, places and offsets that were set with devices.py were in the old one: set them again.")
    if command.places:
        click.echo(f"Places in {command.path} still apply.")
    if (names := command.path.with_name(legacy.DEVICES)).exists():
        click.echo(f"Names and places in {names} will be read again.")
    for query in queries:
        click.echo(f"To look them up: {query}")


@click.command()
@click.pass_obj
def migrate(command: CommandContext) -> None:
    """Bring a database of an earlier version up to date; the next cycle would do the same."""
    copies, state = command.editor().migrate(), "was already up to date"
    if copies is not None:
        state = f"is now up to date{f'; {copies[-1]} is a copy of the old one' if copies else ''}"
    command.say(f"{command.configuration.storage.database_path} {state}.")


COMMANDS: tuple[click.Command, ...] = (accept_new_database, migrate)
