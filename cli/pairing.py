"""How a human introduces us to a source: the conversation, and what is kept of it in secrets.yaml."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import click

import collectors
import config
from cli import arguments
from collectors import Pairable
from config import editing
from jobs.console import value_text
from runtime import log
from runtime.deadline import Deadline
from runtime.errors import Unusable
from runtime.files import chown_file_command, drop_to_owner, is_closed, write_atomically
from runtime.http_client import HttpClient
from runtime.log import Redactor, escape_unprintable
from runtime.retry import retry_policy
from storage.reading import Reading
from storage.state import State

PAIRING_SECONDS = 1800.0  # a person signs in meanwhile, with a second factor perhaps


class Terminal:
    """The person at the terminal; spoken to on stderr, so that stdout stays for results."""

    def __init__(self, secrets: Path, source: str, address: str | None = None) -> None:
        self.address = address
        self._secrets, self._source = secrets, source

    def tell(self, text: str) -> None:
        """Say one line, of which a part may come from a stranger."""
        click.echo(escape_unprintable(text), err=True)

    def ask(self, question: str) -> str:
        """Return the line that the person answers with; empty where there is nobody to answer."""
        return arguments.ask(question)

    def keep(self, values: Mapping[str, str]) -> None:
        """Write secrets.yaml, mode 0600; where that cannot be, show the lines to paste and end."""
        _keep(self._secrets, self._source, values)


def can_pair(source: str) -> bool:
    """Tell whether the source is one that a human has to introduce us to."""
    return source in collectors.names() and isinstance(collectors.load(source), Pairable)


def pair(path: Path, source: str, address: str | None, clock: Callable[[], datetime], mask: Redactor) -> None:
    """Given config.yaml, introduce us to the source and show what it tells. Raise what stands in the way."""
    module: Any = collectors.load(source)
    configuration = config.load(path, dict.fromkeys(collectors.names()) | {source: module.Settings})
    settings = configuration.collectors[source]
    drop_to_owner(configuration.data)
    log.set_up(None, source, mask)
    # Before anybody is asked to press a button: can the file be read, and written?
    _secrets(configuration, module, source)
    if is_closed(configuration.secrets_path.parent):
        raise Unusable(f"{configuration.secrets_path} cannot be written", chown_file_command(configuration.secrets_path))
    memory = State(configuration.data / f"{source}.session.json")
    with HttpClient(Deadline(PAIRING_SECONDS), retry_policy(configuration.retry), mask.learn) as http:
        module.pair(settings, http, memory, Terminal(configuration.secrets_path, source, address))
        with suppress(OSError):  # all of it can be found out again
            memory.save()
        secrets = _secrets(configuration, module, source)
        mask.learn(secrets.values)
        found = list(module.collect(settings, secrets.sections[source], http, memory, clock()))
    if not settings.enabled:
        click.echo(f"Note that collectors.{source}.enabled is false in {configuration.path}: nothing is collected yet.",
                   err=True)
    for each in found:
        if isinstance(each, Reading):
            click.echo(mask(f"{escape_unprintable(each.device_id)}  {each.name}  {value_text(each)}"))


def _secrets(configuration: config.Configuration, module: Any, source: str) -> config.Secrets:
    return config.load_secrets(configuration.secrets_path, {source: module.Secrets})


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
