"""config.yaml and secrets.yaml: read once at the start and validated into frozen types.

Callers pass the plug-ins' sections: a name and its `Settings` or `Secrets`, or None for a section that is not to be
checked now. All problems of a file come together in one ConfigurationError.
"""

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.document import PRIVATE, read
from config.settings import Collection, Configuration, Logging, Retry, Secrets, Storage, login_pairs, secret_texts
from config.validation import Section, Sections, Validator
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from config.legacy_devices import NamedDevice

__all__ = ["DEFAULT_PATH", "EXAMPLE_PATH", "Collection", "Configuration", "ConfigurationError", "Logging", "Retry",
           "Secrets", "Sections", "Storage", "find", "is_checkout", "known_devices", "load", "load_secrets", "survey",
           "survey_secrets"]

DEFAULT_PATH = Path(__file__).absolute().with_name("config.yaml")
EXAMPLE_PATH = DEFAULT_PATH.with_name("config.example.yaml")
HERE = os.path.join("config", "config.yaml")
ENVIRONMENT_VARIABLE = "HOME_MONITOR_CONFIG"
SHARED: Mapping[str, type[Section]] = {
    "collection": Collection, "retry": Retry, "storage": Storage, "logging": Logging}
# The predecessor's secrets.yaml holds these, whichever of their sources this version reads.
LEGACY_SECRETS = ("hue", "amazon_aqm", "nest", "weather")

Notifiers = Mapping[str, Callable[[], type[Section]]]


def find(argument: str | None) -> Path:
    """Given the value of --config, return the absolute path of config.yaml; it need not exist.

    Without it: $HOME_MONITOR_CONFIG, else config/config.yaml of the current folder if there is one, else the checkout's.
    """
    given = argument or os.environ.get(ENVIRONMENT_VARIABLE)
    if not given and (os.path.isfile(HERE) or not is_checkout()):
        given = HERE
    return _absolute(given) if given else DEFAULT_PATH


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
    path = _absolute(path)
    remedy = f"correct {path}; the config/config.example.yaml of the project shows every key and its range"
    validator = Validator(path.parent.parent)
    try:
        document = read(path, remedy)
        if document is None:
            make_it = f"python devices.py --config {shlex.quote(str(path))} init"
            raise ConfigurationError(path, ["there is no such file"], "name the right one with --config PATH or in "
                                     f"HOME_MONITOR_CONFIG, or make it: {make_it}")
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
    """Return secrets.yaml, validated; a missing file counts as empty. Raise ConfigurationError without any value of it.

    `notifiers` maps names to functions that return `Settings`, called only for sections in the file; without it these
    sections are ignored.
    """
    secrets, error = survey_secrets(path, sections, notifiers)
    if error is None:
        return secrets
    raise error


def survey_secrets(path: Path, sections: Sections,
                   notifiers: Notifiers | None = None) -> tuple[Secrets, ConfigurationError | None]:
    """Return secrets.yaml, with defaults for whatever is wrong, and the error."""
    path = _absolute(path)
    remedy = f"correct {path}; the config/secrets.yaml.example of the project shows its form"
    document: dict[object, object] | None
    try:
        document, error = read(path, remedy, PRIVATE), None
    except ConfigurationError as unreadable:
        document, error = {}, unreadable
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
    """Return the devices in the predecessor's file beside config.yaml, given its path. Raise ConfigurationError."""
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
    """Return the settings of each notifier; a section under `notify` may also be a list."""
    given = validator.mapping(document.get("notify"), "notify")
    validator.note_unknown(given, notifiers.keys() - {"email"}, "notify.")
    settings: dict[str, tuple[Any, ...]] = {}
    for name, kind in notifiers.items():
        where = name if name == "email" else f"notify.{name}"
        section = document.get(name) if name == "email" else given.get(name)
        if isinstance(section, list) and name != "email":
            settings[name] = tuple(validator.section(kind(), item, f"{where}[{number}]")
                                   for number, item in enumerate(section, 1))
        elif section is not None:
            settings[name] = (validator.section(kind(), section, where),)
    return settings


def _absolute(path: str | Path) -> Path:
    # Not resolve(): a config.yaml that is a link into another folder still belongs to the folder of the link.
    return Path(os.path.abspath(path))
