"""Where human and devices are introduced: `python devices.py --help` tells the commands.

Runs from anywhere. Exit codes are those of the collectors: 0 all is well, 1 something failed that time may mend, 2 a
human is needed.
"""

import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

import collectors
import config
from collectors.kit.cycle import exit_code, retry_policy
from collectors.kit.errors import CollectorError
from collectors.kit.log import Mask
from collectors.kit.report import sentence
from collectors.kit.session import Session
from collectors.kit.stopwatch import Deadline
from config import editing
from storage.files import write_atomically
from storage.memory import Memory
from storage.reading import Reading

PAIRING_SECONDS = 120.0


class Terminal:
    """The person at the terminal; spoken to on stderr, so that stdout stays for results."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address

    def tell(self, text: str) -> None:
        """Say one line."""
        click.echo(text, err=True)

    def ask(self, question: str) -> str:
        """Return the line that the person answers with; empty where there is nobody to answer."""
        click.echo(question, err=True, nl=False)
        return sys.stdin.readline()


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
    able = [name for name in collectors.names() if hasattr(collectors.load(name), "pair")]
    if source not in able:
        raise click.UsageError(f"{source!r} cannot be paired; what can is: {', '.join(able)}")
    try:
        _pair(path, source, bridge)
    except (CollectorError, config.ConfigurationError, OSError) as error:
        click.echo(f"{source}: {sentence(error)}", err=True)
        raise SystemExit(exit_code(error)) from None


def _pair(path: Path, source: str, bridge: str | None) -> None:
    module: Any = collectors.load(source)
    configuration = config.load(path, dict.fromkeys(collectors.names()) | {source: module.Settings})
    settings = configuration.collectors[source]
    _secrets(configuration, module, source)  # before anybody is asked to press a button: can they be read at all?
    memory = Memory(configuration.data / f"{source}.session.json")
    with Session(Deadline(PAIRING_SECONDS), retry_policy(configuration.retry)) as http:
        values = module.pair(settings, http, memory, Terminal(bridge))
        memory.save()
        _keep(configuration.secrets_path, source, values)
        secrets = _secrets(configuration, module, source)
        mask = Mask(secrets.values, secrets.logins)
        now = datetime.now(timezone.utc).replace(microsecond=0)
        found = list(module.collect(settings, secrets.sections[source], http, memory, now))
    for each in found:
        if isinstance(each, Reading):
            click.echo(mask(f"{each.device_id}  {each.name}  {each.temperature_celsius}°C"))


def _secrets(configuration: config.Configuration, module: Any, source: str) -> config.Secrets:
    return config.load_secrets(configuration.secrets_path, {source: getattr(module, "Secrets", None)})


def _keep(path: Path, source: str, values: Mapping[str, str]) -> None:
    """Write the secrets, mode 0600; where the file's form is not ours to edit, show the lines to paste."""
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    edited = editing.with_values(text, source, values)
    if edited is not None:
        write_atomically(path, edited)
        click.echo(f"Kept in {path}.", err=True)
        return
    click.echo(f"{path} has a form that is not ours to edit. Put these lines there yourself:", err=True)
    for line in editing.lines(source, values):
        click.echo(line)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
