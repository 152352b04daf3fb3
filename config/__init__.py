"""What the human writes, config.yaml and secrets.yaml, read once at the door and checked into frozen types.

Callers hand in the sections that are not ours: a collector's name and its own `Settings`, or None where its section is
not to be checked now. Nothing here knows a collector, writes a file or asks the network; a wrong file is told of as a
whole, all of its problems in one ConfigurationError.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from config import legacy_config, secrets_file
from config.document import read
from config.problems import ConfigurationError
from config.secrets_file import Email, Secrets
from config.settings import Collection, Configuration, Logging, Retry, Storage
from config.validation import Inspection

if TYPE_CHECKING:
    from config.legacy_devices import NamedDevice

__all__ = ["DEFAULT_PATH", "Collection", "Configuration", "ConfigurationError", "Email", "Logging", "Retry",
           "Secrets", "Storage", "find", "known_devices", "load", "load_secrets", "survey",
           "survey_secrets"]

DEFAULT_PATH = Path(__file__).absolute().with_name("config.yaml")
ENVIRONMENT_VARIABLE = "HOME_MONITOR_CONFIG"
SECTIONS = {"collection": Collection, "retry": Retry, "storage": Storage, "logging": Logging}


def find(argument: str | None) -> Path:
    """Given the value of --config, return the absolute path of config.yaml; it need not exist."""
    return _absolute(argument or os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_PATH)


def load(path: Path, collectors: Mapping[str, type | None]) -> Configuration:
    """Given config.yaml and the known collectors' settings types, return it checked. Raise ConfigurationError."""
    configuration, error = survey(path, collectors)
    if error is not None:
        raise error
    return configuration


def survey(path: Path, collectors: Mapping[str, type | None]) -> tuple[Configuration, ConfigurationError | None]:
    """Return the configuration, with defaults for all that is wrong in it, and all that is wrong.

    Of a file that cannot be read nothing is known, and `collectors` is empty then.
    """
    path = _absolute(path)
    remedy = f"correct {path}; the config/config.yaml of the project shows every key and its range"
    error, document = _read(path, remedy)
    if error is not None:
        collectors = {}
    current, written = legacy_config.translate(document, collectors)
    inspection = Inspection(path.parent.parent, written)
    inspection.note_unknown(current, (*SECTIONS, "collectors"))
    shared = {name: inspection.section(kind, current.get(name), name) for name, kind in SECTIONS.items()}
    own = inspection.mapping(current.get("collectors"), "collectors")
    inspection.note_unknown(own, collectors, "collectors.")
    settings = {name: inspection.section(kind, own.get(name), f"collectors.{name}")
                for name, kind in collectors.items() if kind is not None}
    return Configuration(path=path, root=path.parent.parent, collectors=settings, warnings=tuple(inspection.warnings),
                         **shared), error or inspection.verdict(path, remedy)


def load_secrets(path: Path, sections: Mapping[str, type | None]) -> Secrets:
    """Given secrets.yaml and the known sections' types, return it checked; none at all counts as an empty one.

    Raise ConfigurationError, which never holds a value of the file.
    """
    secrets, error = survey_secrets(path, sections)
    if error is not None:
        raise error
    return secrets


def survey_secrets(path: Path, sections: Mapping[str, type | None]) -> tuple[Secrets, ConfigurationError | None]:
    """Return the secrets, with defaults for all that is wrong in them, and all that is wrong."""
    path = _absolute(path)
    remedy = f"correct {path}; the config/secrets.yaml.example of the project shows its form"
    error: ConfigurationError | None = None
    document: dict[object, object] | None = {}
    try:
        document = read(path, remedy, private=True)
    except ConfigurationError as trouble:
        error = trouble
    given = document or {}
    inspection = Inspection(path.parent.parent, private=True)
    inspection.note_unknown(given, ("email", *sections, *legacy_config.SECRETS))
    checked = {name: inspection.section(kind, given.get(name), name)
               for name, kind in sections.items() if kind is not None}
    email = None if given.get("email") is None else inspection.section(Email, given["email"], "email")
    return Secrets(path=path, found=document is not None, sections=checked, values=secrets_file.values(given),
                   logins=secrets_file.logins(given), email=email,
                   warnings=tuple(inspection.warnings)), error or inspection.verdict(path, remedy)


def known_devices(path: Path) -> "list[NamedDevice]":
    """Given config.yaml's path, return the devices that people named before there was a database (`config.legacy_devices`).

    Raise ConfigurationError for a file that cannot be read.
    """
    from config import legacy_devices
    return legacy_devices.known_devices(path)


def _read(path: Path, remedy: str) -> tuple[ConfigurationError | None, dict[object, object]]:
    try:
        document = read(path, remedy)
    except ConfigurationError as error:
        return error, {}
    if document is None:
        return ConfigurationError(path, ["there is no such file"], "name the right one with --config PATH or in "
                                  f"HOME_MONITOR_CONFIG, or copy the config/config.yaml of the project to {path}"), {}
    return None, document


def _absolute(path: str | Path) -> Path:
    # Not resolve(): a config.yaml that is a link into another folder still belongs where it was found.
    return Path(os.path.abspath(path))
