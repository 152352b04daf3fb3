"""The commands of devices.py that set the program up and take it away again: init, crontab, unpair."""

import click

from cli.context import CommandContext


@click.command()
@click.argument("folder", required=False)
@click.pass_obj
def init(command: CommandContext, folder: str | None) -> None:
    """Make config/config.yaml, config/secrets.yaml and data, here or in FOLDER. Existing files are left alone."""
    from cli import initial
    initial.make(initial.path_in(folder) if folder else command.path)


COMMANDS: tuple[click.Command, ...] = (init,)
