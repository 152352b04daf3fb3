"""Unpairing from a source: its credentials are revoked there, then removed from secrets.yaml."""

from pathlib import Path
from typing import Any

import click

import collectors
import config
from collectors import Unpairable
from config import document, editing
from runtime import log
from runtime.deadline import Deadline
from runtime.errors import Unusable
from runtime.files import drop_to_owner, write_atomically
from runtime.http_client import HttpClient
from runtime.redaction import Redactor, escape_unprintable
from runtime.retry import retry_policy
from storage.state import State

UNPAIRING_SECONDS = 60.0


def unpairable() -> list[str]:
    return list(filter(can_unpair, collectors.names()))


def can_unpair(source: str) -> bool:
    return source in collectors.names() and isinstance(collectors.load(source), Unpairable)


def unpair(path: Path, source: str, redact: Redactor) -> None:
    """Unpair from the source, given the path of config.yaml. Raise HomeMonitorError."""
    module: Any = collectors.load(source)
    configuration = config.load(path, dict.fromkeys(collectors.names()) | {source: module.Settings})
    drop_to_owner(configuration.data)
    log.set_up(None, source, redact)
    secrets = config.load_secrets(configuration.secrets_path, {source: module.Secrets})
    redact.learn(secrets.values)
    if missing := secrets.sections[source].missing():
        click.echo(f"There is no {source}.{missing} in {secrets.path}: nothing to unpair.")
        return
    session = configuration.data / f"{source}.session.json"
    with HttpClient(Deadline(UNPAIRING_SECONDS), retry_policy(configuration.retry), redact.learn) as http:
        result = module.unpair(configuration.collectors[source], secrets.sections[source], http, State(session))
    click.echo(escape_unprintable(redact(result)))
    session.unlink(missing_ok=True)
    _remove(secrets.path, source)
    if configuration.collectors[source].enabled:
        click.echo(f"Next: set collectors.{source}.enabled to false in {path}, or pair again.")


def _remove(path: Path, source: str) -> None:
    """Set the values of the source's section to null. Raise Unusable if the file cannot be edited."""
    text = path.read_text(encoding="utf-8-sig")
    section = document.parse(text, document.PRIVATE).get(source)
    names = [str(name) for name, value in section.items() if value is not None] if isinstance(section, dict) else []
    edited = editing.with_values(text, source, dict.fromkeys(names))
    remedy = f"remove the section {source} yourself"
    if edited is None:
        raise Unusable(f"{path} has a form that this program does not edit", remedy)
    try:
        write_atomically(path, edited)
    except OSError as error:
        raise Unusable(f"{path} cannot be written ({error.strerror})", remedy) from error
    click.echo(f"The credentials were removed from {path}.")
