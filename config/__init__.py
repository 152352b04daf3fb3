"""config.yaml and secrets.yaml: read once at the start and validated into frozen types.

Callers pass absolute paths and the sections to check: a plug-in's name and its `Settings` or `Secrets`. All problems of
a file come together in one ConfigurationError.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from config.document import PRIVATE, read
from config.settings import (
    Collection,
    Configuration,
    Display,
    Logging,
    Retry,
    Secrets,
    Storage,
    login_pairs,
    secret_texts,
)
from config.validation import Sections, Validator
from runtime import plugins
from runtime.commands import command
from runtime.errors import ConfigurationError
from runtime.plugins import Section

__all__ = ["DEFAULT_PATH", "EXAMPLE_PATH", "Collection", "Configuration", "ConfigurationError", "Display",
           "Logging", "Retry", "Secrets", "Sections", "Storage", "find", "is_checkout", "load", "load_secrets", "survey",
           "survey_secrets"]

DEFAULT_PATH = Path(__file__).absolute().with_name("config.yaml")
EXAMPLE_PATH = DEFAULT_PATH.with_name("config.example.yaml")
HERE = os.path.join("config", "config.yaml")
ENVIRONMENT_VARIABLE = "HOME_MONITOR_CONFIG"
SHARED: Sections = {"collection": Collection, "retry": Retry, "storage": Storage, "logging": Logging,
                    "display": Display}
# The predecessor's secrets.yaml holds these, whichever of their sources this version reads.
LEGACY_SECRETS = ("hue", "amazon_aqm", "nest", "weather")
PLUGINS, NOTIFIERS = ("collectors", "publishers"), ("email", "notify")

Notifiers = Callable[[], Mapping[str, Callable[[], type[Section]]]]


def find(argument: str | None) -> Path:
    """Return the absolute path of config.yaml; it need not exist.

    The value of --config, else $HOME_MONITOR_CONFIG, else config/config.yaml of the current folder if there is one, else
    the checkout's.
    """
    given = argument or os.environ.get(ENVIRONMENT_VARIABLE)
    if not given and (os.path.isfile(HERE) or not is_checkout()):
        given = HERE
    # Not resolve(): a config.yaml that is a link into another folder still belongs to the folder of the link.
    path = os.path.abspath(given or DEFAULT_PATH)
    os.environ[ENVIRONMENT_VARIABLE] = path  # for the commands that messages print (runtime/commands.py)
    return Path(path)


def is_checkout() -> bool:
    """Return whether the program runs from its own folder, not from a package installed among others."""
    return DEFAULT_PATH.parent.parent.name not in ("site-packages", "dist-packages")


def load(path: Path, collectors: Sections, publishers: Sections | None = None) -> Configuration:
    """Return config.yaml, validated; without `publishers` their sections are ignored. Raise ConfigurationError."""
    configuration, error = survey(path, collectors, publishers)
    if error is None:
        return configuration
    raise error


def survey(path: Path, collectors: Sections,
           publishers: Sections | None = None) -> tuple[Configuration, ConfigurationError | None]:
    """Return config.yaml, with defaults for whatever is wrong, and the error. An unreadable file has no plug-ins."""
    remedy = f"correct {path}; the config/config.example.yaml of the project shows every key and its range"
    validator = Validator(path.parent.parent)
    try:
        document = read(path, remedy)
        if document is None:
            raise ConfigurationError(path, ["there is no such file"], "name the right one with --config PATH or in "
                                     f"HOME_MONITOR_CONFIG, or make it: {command('devices.py', 'init')}")
    except ConfigurationError as error:
        return _configuration(path, {}, validator, {}, {}), error
    configuration = _configuration(path, document, validator, collectors, publishers)
    if validator.unknown:  # perhaps the predecessor's
        from config import legacy
        validator = Validator(path.parent.parent, written=legacy.translate(document, collectors))
        configuration = _configuration(path, document, validator, collectors, publishers)
        validator.refuse_unknown_sections(
            {name: [field.name for field in dataclasses.fields(kind)]
             for name, kind in zip(SHARED, (Collection, Retry, Storage, Logging))}
            | {name: plugins.names(name) for name in PLUGINS}, NOTIFIERS)
        configuration = configuration._replace(warnings=validator.warnings())
    return configuration, validator.error(path, remedy)


def load_secrets(path: Path, sections: Sections, notifiers: Notifiers | None = None) -> Secrets:
    """Return secrets.yaml, validated; a missing file counts as empty. Raise ConfigurationError without any value of it.

    `notifiers` returns a mapping of names to functions that return `Settings`, each called only for sections in the
    file; without it these sections are ignored. Wrong ones are in `notifier_error`: collecting goes on without them.
    """
    secrets, error = survey_secrets(path, sections, notifiers)
    if error is None:
        return secrets
    raise error


def survey_secrets(path: Path, sections: Sections,
                   notifiers: Notifiers | None = None) -> tuple[Secrets, ConfigurationError | None]:
    remedy = f"correct {path}; the config/secrets.yaml.example of the project shows its form"
    try:
        document, error = read(path, remedy, PRIVATE) or {}, None
    except ConfigurationError as unreadable:
        document, error = {}, unreadable
    validator, of_notifiers = (Validator(path.parent.parent, PRIVATE) for _ in range(2))
    secrets = Secrets(
        path, sections=validator.sections(sections, document, others=_other_secrets),
        notifiers=_notifiers(document, of_notifiers, notifiers()) if notifiers and document.keys() & NOTIFIERS else {},
        values=secret_texts(document), logins=login_pairs(document),
        warnings=validator.warnings() + of_notifiers.warnings(), notifier_error=of_notifiers.error(path, remedy))
    return secrets, error or validator.error(path, remedy)


def _configuration(path: Path, document: dict[object, object], validator: Validator, collectors: Sections,
                   publishers: Sections | None) -> Configuration:
    sections = validator.sections(SHARED, document, others=lambda: PLUGINS)
    for name, kinds in zip(PLUGINS, (collectors, publishers)):
        sections[name] = {} if kinds is None else validator.sections(
            kinds, validator.mapping(document.get(name), name), f"{name}.", partial(plugins.names, name))
    return Configuration(path, path.parent.parent, **sections)


def _other_secrets() -> set[str]:
    return {*NOTIFIERS, *LEGACY_SECRETS, *plugins.names("collectors"), *plugins.names("publishers")}


def _notifiers(document: dict[object, object], validator: Validator,
               notifiers: Mapping[str, Callable[[], type[Section]]]) -> dict[str, tuple[Any, ...]]:
    """Return the sections without problems, by notifier."""
    given = validator.mapping(document.get("notify"), "notify")
    validator.note_unknown(given, notifiers.keys() - {"email"}, "notify.")
    settings: dict[str, tuple[Any, ...]] = {}
    for name, kind in notifiers.items():
        section, where = (document.get(name), name) if name == "email" else (given.get(name), f"notify.{name}")
        items = {where: section} if section is not None else {}
        if isinstance(section, list) and name != "email":
            items = {f"{where}[{number}]": item for number, item in enumerate(section, 1)}
        sections = [_right_section(validator, kind(), item, where) for where, item in items.items()]
        if any(sections):
            settings[name] = tuple(filter(None, sections))
    return settings


def _right_section(validator: Validator, kind: type[Section], given: object, where: str) -> Any:
    count = len(validator.problems)
    section = validator.section(kind, given, where)
    return section if len(validator.problems) == count else None
