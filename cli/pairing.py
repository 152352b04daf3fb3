"""Pairing with a source; the credentials are kept in secrets.yaml."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

import collectors
import config
from cli import arguments
from collectors import Pairable
from config import editing
from jobs.console import reading_text
from runtime import log
from runtime.deadline import Deadline
from runtime.errors import Unusable
from runtime.files import chown_file_command, drop_to_owner, is_closed, write_atomically
from runtime.http_client import HttpClient
from runtime.redaction import Redactor, escape_unprintable
from runtime.retry import retry_policy
from storage.reading import Reading
from storage.state import State

PAIRING_SECONDS = 1800.0  # a person has to sign in, perhaps with a second factor


class Terminal:
    """The person at the terminal (`collectors.Human`). Talks on stderr; stdout is for results."""

    def __init__(self, secrets: Path, source: str, address: str | None = None) -> None:
        self.address, self._secrets, self._source = address, secrets, source

    def tell(self, text: str) -> None:
        click.echo(escape_unprintable(text), err=True)

    def ask(self, question: str) -> str:
        return arguments.ask(question)

    def keep(self, values: Mapping[str, str]) -> None:
        """Write secrets.yaml, mode 0600, or print the lines to paste and exit."""
        text = self._secrets.read_text(encoding="utf-8-sig") if self._secrets.exists() else ""
        edited = editing.with_values(text, self._source, values)
        problem = "has a form that this program does not edit"
        if edited is not None:
            try:
                write_atomically(self._secrets, edited)
                self.tell(f"Kept in {self._secrets}.")
                return
            except OSError as error:
                problem = f"cannot be written ({error.strerror})"
        self.tell(f"{self._secrets} {problem}. Put these lines there yourself, in place of its section {self._source}:")
        for line in editing.lines(self._source, values):
            click.echo(line)
        raise SystemExit(2)


def pairable() -> list[str]:
    return list(filter(can_pair, collectors.names()))


def can_pair(source: str) -> bool:
    return source in collectors.names() and isinstance(collectors.load(source), Pairable)


def pair(path: Path, source: str, address: str | None, clock: Callable[[], datetime], redact: Redactor) -> None:
    """Pair with the source, given the path of config.yaml, and print its readings. Raise HomeMonitorError."""
    module: Any = collectors.load(source)
    configuration = config.load(path, dict.fromkeys(collectors.names()) | {source: module.Settings})
    settings = configuration.collectors[source]
    drop_to_owner(configuration.data)
    log.set_up(None, source, redact)
    # Before anyone is asked to press a button: can the file be read, and written?
    load_secrets = partial(config.load_secrets, configuration.secrets_path, {source: module.Secrets})
    secrets = load_secrets()
    if is_closed(configuration.secrets_path.parent):
        raise Unusable(f"{configuration.secrets_path} cannot be written",
                       chown_file_command(configuration.secrets_path))
    state = State(configuration.data / f"{source}.session.json")
    with HttpClient(Deadline(PAIRING_SECONDS), retry_policy(configuration.retry), redact.learn) as http:
        module.pair(settings, secrets.sections[source], http, state, Terminal(configuration.secrets_path, source, address))
        with suppress(OSError):  # all of it can be found again
            state.save()
        secrets = load_secrets()
        redact.learn(secrets.values)
        items = list(module.collect(settings, secrets.sections[source], http, state, clock()))
    if not settings.enabled:
        click.echo(f"Note: collectors.{source}.enabled is false in {configuration.path}, so nothing is collected yet.",
                   err=True)
    for item in items:
        if isinstance(item, Reading):
            click.echo(redact(f"{escape_unprintable(item.device_id)}  {item.name}  {reading_text(item)}"))
