"""Commands that set the program up and take it away again."""

import click

import collectors
import config
import publishers
from cli.context import CommandContext
from runtime.files import drop_to_owner


@click.command()
@click.argument("folder", required=False)
@click.pass_obj
def init(command: CommandContext, folder: str | None) -> None:
    """Make config/config.yaml, config/secrets.yaml and data, here or in FOLDER. Existing files are left alone."""
    from cli import initial
    initial.make(initial.path_in(folder) if folder else command.path)


@click.command()
@click.option("--install", "action", flag_value="install", help="Put the lines into this account's crontab.")
@click.option("--remove", "action", flag_value="remove", help="Take them out again.")
@click.pass_obj
def crontab(command: CommandContext, action: str | None) -> None:
    """Print the lines for cron: the enabled collectors, the publishers, the daily check. Other lines are left alone."""
    from cli import crontab as account
    configuration = config.load(
        command.path, {name: collectors.load(name).Settings for name in collectors.names()},
        {name: publishers.load(name).Settings for name in publishers.names()})
    if action is None:
        click.echo("\n".join(account.lines(configuration)))
        return
    drop_to_owner(configuration.data)
    if action == "install":
        doubled = account.install(configuration)
        click.echo("Installed; crontab -l shows it.")
        for line in doubled:
            click.echo(f"This line of yours may do the same twice; if so, remove it with crontab -e: {line}", err=True)
    else:
        click.echo("Removed from the crontab." if account.remove(configuration) else "The crontab has no lines of this home.")


@click.command()
@click.argument("source")
@click.pass_obj
def unpair(command: CommandContext, source: str) -> None:
    """Revoke our credentials at a SOURCE, such as hue, and remove them from secrets.yaml."""
    from cli import unpairing
    if not unpairing.can_unpair(source):
        raise click.UsageError(f"{source!r} cannot be unpaired; these can: {', '.join(unpairing.unpairable())}")
    command.speak_as(source)
    unpairing.unpair(command.path, source, command.redact)


COMMANDS: tuple[click.Command, ...] = (init, crontab, unpair)
