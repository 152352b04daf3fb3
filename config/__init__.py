"""What people write, config.yaml and secrets.yaml: read once at the start and validated into frozen types.

Callers pass the sections of the plug-ins: a name and that plug-in's own `Settings` or `Secrets`, or None if its section
is not to be checked now. Nothing here knows a plug-in, writes a file or uses the network. All problems of a file come
together, in one ConfigurationError.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.document import PRIVATE, read
from config.settings import Collection, Configuration, Logging, Retry, Secrets, Storage, login_pairs, secret_texts
from config.validation import Section, Sections, Validator
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from config.legacy_devices import NamedDevice

__all__ = ["DEFAULT_PATH", "Collection", "Configuration", "ConfigurationError", "Logging", "Retry",
           "Secrets", "Sections", "Storage", "find", "known_devices", "load", "load_secrets", "survey", "survey_secrets"]

DEFAULT_PATH = Path(__file__).absolute().with_name("config.yaml")
ENVIRONMENT_VARIABLE = "HOME_MONITOR_CONFIG"
SHARED: Mapping[str, type[Section]] = {
    "collection": Collection, "retry": Retry, "storage": Storage, "logging": Logging}
# The predecessor's secrets.yaml holds these, whichever of their sources this version reads.
LEGACY_SECRETS = ("hue", "amazon_aqm", "nest", "weather")

Notifiers = Mapping[str, Callable[[], type[Section]]]


def find(argument: str | None) -> Path:
    """Given the value of --config, return the absolute path of config.yaml; it need not exist."""
    return _absolute(argument or os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_PATH)


def load(path: Path, collectors: Sections, publishers: Sections | None = None) -> Configuration:
    """Given the path of config.yaml, return it validated. Without `publishers` their sections are not looked at.

    Raise ConfigurationError.
    """
    configuration, error = survey(path, collectors, publishers)
    if error is not None:
        raise error
    return configuration


def survey(path: Path, collectors: Sections,
           publishers: Sections | None = None) -> tuple[Configuration, ConfigurationError | None]:
    """Return the configuration, with defaults for everything that is wrong in it, and the error.

    If the file cannot be read, there are no collectors and no publishers.
    """
    path = _absolute(path)
    remedy = f"correct {path}; the config/config.yaml of the project shows every key and its range"
    validator = Validator(path.parent.parent)
    try:
        document = read(path, remedy)
        if document is None:
            raise ConfigurationError(path, ["there is no such file"], "name the right one with --config PATH or in "
                                     f"HOME_MONITOR_CONFIG, or copy the config/config.yaml of the project to {path}")
    except ConfigurationError as error:
        return _configuration(path, {}, validator, {}, {}), error
    configuration = _configuration(path, document, validator, collectors, publishers)
    if validator.unknown:  # perhaps the predecessor's
        from config import legacy_config
        current, written = legacy_config.translate(document, collectors)
        validator = Validator(path.parent.parent, written=written)
        configuration = _configuration(path, current, validator, collectors, publishers)
        configuration = configuration._replace(warnings=validator.warnings())
    return configuration, validator.error(path, remedy)


def load_secrets(path: Path, sections: Sections, notifiers: Notifiers | None = None) -> Secrets:
    """Given the path of secrets.yaml, return it validated; a missing file counts as an empty one.

    `notifiers` maps a name to a function that returns its `Settings`, called only if the file has such a section;
    without it these sections are not looked at. Raise ConfigurationError, which never holds a value of the file.
    """
    secrets, error = survey_secrets(path, sections, notifiers)
    if error is not None:
        raise error
    return secrets


def survey_secrets(path: Path, sections: Sections,
                   notifiers: Notifiers | None = None) -> tuple[Secrets, ConfigurationError | None]:
    """Return the secrets, with defaults for everything that is wrong in them, and the error."""
    path = _absolute(path)
    remedy = f"correct {path}; the config/secrets.yaml.example of the project shows its form"
    error: ConfigurationError | None = None
    document: dict[object, object] | None = {}
    try:
        document = read(path, remedy, PRIVATE)
    except ConfigurationError as unreadable:
        error = unreadable
    given = document or {}
    validator = Validator(path.parent.parent, PRIVATE)
    validator.note_unknown(given, ("email", "notify", *sections, *LEGACY_SECRETS))
    secrets = Secrets(
        path=path, found=document is not None,
        sections={name: validator.section(kind, given.get(name), name)
                  for name, kind in sections.items() if kind is not None},
        notifiers={} if notifiers is None else _notifiers(given, validator, notifiers),
        values=secret_texts(given), logins=login_pairs(given), warnings=validator.warnings())
    return secrets, error or validator.error(path, remedy)


def known_devices(path: Path) -> "list[NamedDevice]":
    """Given the path of config.yaml, return the devices that the predecessor's device_registry.yaml names.

    Raise ConfigurationError for a file that cannot be read.
    """
    from config import legacy_devices
    return legacy_devices.known_devices(path)


def _configuration(path: Path, document: dict[object, object], validator: Validator, collectors: Sections,
                   publishers: Sections | None) -> Configuration:
    validator.note_unknown(document, (*SHARED, "collectors", "publishers"))
    shared: dict[str, Any] = {
        name: validator.section(kind, document.get(name), name) for name, kind in SHARED.items()}
    for name, kinds in (("collectors", collectors), ("publishers", publishers)):
        shared[name] = {} if kinds is None else validator.group(kinds, document.get(name), name)
    return Configuration(path=path, root=path.parent.parent, **shared)


def _notifiers(document: dict[object, object], validator: Validator,
               notifiers: Notifiers) -> dict[str, tuple[Any, ...]]:
    """Return the settings of each notifier; under `notify` a section may also be a list of them."""
    given = validator.mapping(document.get("notify"), "notify")
    validator.note_unknown(given, notifiers.keys() - {"email"}, "notify.")
    settings: dict[str, tuple[Any, ...]] = {}
    for name, kind in notifiers.items():
        section, where = (document.get(name), name) if name == "email" else (given.get(name), f"notify.{name}")
        if isinstance(section, list) and name != "email":
            sections = [(item, f"{where}[{number}]") for number, item in enumerate(section, 1)]
        else:
            sections = [] if section is None else [(section, where)]
        if sections:
            settings[name] = tuple(validator.section(kind(), item, place) for item, place in sections)
    return settings


def _absolute(path: str | Path) -> Path:
    # Not resolve(): a config.yaml that is a link into another folder still belongs to the folder of the link.
    return Path(os.path.abspath(path))
