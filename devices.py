"""Where human and devices are introduced: `python devices.py --help` tells the commands.

Runs from anywhere. Exit codes are those of the collectors: 0 all is well, 1 something failed that time may mend, 2 a
human is needed.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import click

import collectors
import config
from collectors.kit import log
from collectors.kit.cycle import exit_code, retry_policy
from collectors.kit.errors import CollectorError
from collectors.kit.log import Mask, escaped
from collectors.kit.report import degrees, sentence
from collectors.kit.session import Session
from collectors.kit.stopwatch import Deadline
from config import editing
from storage import StorageError, Unusable, manager, replacement
from storage.files import locked, permit, take_on_owner, write_atomically
from storage.memory import Memory
from storage.reading import Reading

PAIRING_SECONDS = 1800.0  # a person signs in meanwhile, with a second factor perhaps


class Terminal:
    """The person at the terminal; spoken to on stderr, so that stdout stays for results."""

    def __init__(self, secrets: Path, source: str, address: str | None = None) -> None:
        self.address = address
        self._secrets, self._source = secrets, source

    def tell(self, text: str) -> None:
        """Say one line, of which a part may come from a stranger."""
        click.echo(escaped(text), err=True)

    def ask(self, question: str) -> str:
        """Return the line that the person answers with; empty where there is nobody to answer."""
        click.echo(question, err=True, nl=False)
        if sys.stdin.isatty():
            import readline  # noqa: F401  # a terminal without it cuts a pasted address at 1024 characters
            try:
                return input()
            except EOFError:
                return ""
        return sys.stdin.readline()

    def keep(self, values: Mapping[str, str]) -> None:
        """Write secrets.yaml, mode 0600; where that cannot be, show the lines to paste and end."""
        _keep(self._secrets, self._source, values)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config_path", metavar="PATH", help="Default: $HOME_MONITOR_CONFIG, else config/config.yaml.")
@click.pass_context
def main(context: click.Context, config_path: str | None) -> None:
    """Introduce devices and their sources to the home temperature monitor."""
    context.obj = config.find(config_path)


@main.command()
@click.argument("source")
@click.option("--bridge", metavar="HOST", help="The Hue bridge's address, if it is not to be looked up.")
@click.pass_obj
def pair(path: Path, source: str, bridge: str | None) -> None:
    """Introduce us to a SOURCE, such as hue, and keep in secrets.yaml what it gives us."""
    if source not in collectors.names() or not _can_pair(source):
        able = ", ".join(filter(_can_pair, collectors.names()))
        raise click.UsageError(f"{source!r} cannot be paired; what can is: {able}")
    mask = Mask()
    try:
        _pair(path, source, bridge, mask)
    except (CollectorError, StorageError, config.ConfigurationError) as error:
        click.echo(escaped(mask(f"{source}: {sentence(error)}")), err=True)
        raise SystemExit(exit_code(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@main.command()
@click.pass_obj
def accept_new_database(path: Path) -> None:
    """Let a fresh database be made in place of one that is gone or damaged, which is set aside, not deleted."""
    try:
        configuration = config.load(path, dict.fromkeys(collectors.names()))
        take_on_owner(configuration.data)
        database = Path(os.path.realpath(configuration.storage.database_path))
        with locked(manager.lock_path(database), configuration.storage.busy_timeout_ms / 1000):
            is_gone = replacement.is_gone(database)
            moved = replacement.accept(database, configuration.data / replacement.MARKER, f"{_now():%Y%m%dT%H%M%SZ}",
                                       partial(manager.examine, database))
    except (StorageError, config.ConfigurationError) as error:
        click.echo(escaped(sentence(error)), err=True)
        raise SystemExit(exit_code(error)) from None
    except OSError as error:
        click.echo(escaped(f"{error.filename} cannot be set aside: {error.strerror}"), err=True)
        raise SystemExit(2) from None
    for each in moved:
        click.echo(f"Set aside: {each}")
    click.echo("The next cycle makes a new database, with all that waits in the spool." if moved or is_gone else
               f"{database} is in order, and stays.")


def _can_pair(source: str) -> bool:
    return hasattr(collectors.load(source), "pair")


def _pair(path: Path, source: str, bridge: str | None, mask: Mask) -> None:
    module: Any = collectors.load(source)
    configuration = config.load(path, dict.fromkeys(collectors.names()) | {source: module.Settings})
    settings = configuration.collectors[source]
    take_on_owner(configuration.data)
    log.set_up(None, source, mask)
    # Before anybody is asked to press a button: can the file be read, and written?
    _secrets(configuration, module, source)
    if not os.access(configuration.secrets_path.parent, os.W_OK | os.X_OK):
        raise Unusable(f"{configuration.secrets_path} cannot be written", permit(configuration.secrets_path))
    memory = Memory(configuration.data / f"{source}.session.json")
    with Session(Deadline(PAIRING_SECONDS), retry_policy(configuration.retry), mask.learn) as http:
        module.pair(settings, http, memory, Terminal(configuration.secrets_path, source, bridge))
        with suppress(OSError):  # all of it can be found out again
            memory.save()
        secrets = _secrets(configuration, module, source)
        mask.learn(secrets.values)
        found = list(module.collect(settings, secrets.sections[source], http, memory, _now()))
    if not getattr(settings, "enabled", True):
        click.echo(f"Note that collectors.{source}.enabled is false in {configuration.path}: nothing is collected yet.",
                   err=True)
    for each in found:
        if isinstance(each, Reading):
            click.echo(mask(f"{escaped(each.device_id)}  {each.name}  {degrees(each)}"))


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def _secrets(configuration: config.Configuration, module: Any, source: str) -> config.Secrets:
    return config.load_secrets(configuration.secrets_path, {source: getattr(module, "Secrets", None)})


def _keep(path: Path, source: str, values: Mapping[str, str]) -> None:
    """Write the secrets, mode 0600; where the file's form is not ours to edit, show the lines to paste."""
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    edited = editing.with_values(text, source, values)
    trouble = "has a form that is not ours to edit"
    if edited is not None:
        try:
            write_atomically(path, edited)
            click.echo(f"Kept in {path}.", err=True)
            return
        except OSError as error:
            trouble = f"cannot be written ({error.strerror})"
    click.echo(f"{path} {trouble}. Put these lines there yourself, in place of what it has for {source}:", err=True)
    for line in editing.lines(source, values):
        click.echo(line)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
