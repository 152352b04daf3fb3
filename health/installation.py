"""The installation to be checked: its configuration, its secrets and its plug-ins, and what is wrong with them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import config
from collectors import Collector, load, names
from health import COMPONENTS
from health.finding import attempt
from runtime import files
from runtime.deadline import Deadline
from runtime.redaction import Redactor


class Request(NamedTuple):
    """What the command line asks for, and when it was asked; checks end by the deadline."""

    path: Path
    only: Collection[str]
    skip: Collection[str]
    is_offline: bool
    now: datetime
    deadline: Deadline


class Installation(NamedTuple):
    """What there is to check. `faults` are the plug-ins that cannot be imported, and why."""

    request: Request
    configuration: config.Configuration
    error: config.ConfigurationError | None
    secrets: config.Secrets
    secrets_error: config.ConfigurationError | None
    collectors: Mapping[str, Collector]
    faults: Mapping[str, str]
    redact: Redactor

    @property
    def enabled(self) -> dict[str, Collector]:
        """The collectors that are switched on."""
        settings = self.configuration.collectors
        return {name: module for name, module in self.collectors.items() if name in settings and settings[name].enabled}

    @property
    def components(self) -> list[str]:
        """The names of all components, in the order of the output."""
        settings = self.configuration.collectors
        sources = [name for name in self.collectors
                   if name not in settings or settings[name].enabled or name in self.request.only]
        return [*COMPONENTS, *sorted([*self.faults, *sources])]

    @property
    def collect_command(self) -> str:
        """The command that runs a cycle of one of the collectors."""
        name = next(iter(self.enabled), None)
        return f"python -m collectors.{name}" if name else "enable a collector in config.yaml"

    def problems(self, key: str) -> list[str]:
        """Return what is wrong with a key or a section of config.yaml."""
        problems = self.error.problems if self.error else ()
        return [problem for problem in problems if problem.startswith((f"{key}.", f"{key}:"))]


def read(request: Request) -> Installation:
    """Read the installation; run by root, become the owner of its data first, who may be permitted less."""
    faults, modules = {}, dict[str, Collector]()
    for name in names():
        if fault := attempt(lambda: modules.setdefault(name, load(name))):
            faults[name] = fault
    kinds = {name: module.Settings for name, module in modules.items()} | dict.fromkeys(faults)
    configuration, error = config.survey(request.path, kinds)
    folders = (configuration.storage.database_path.parent, configuration.data)
    owned = next((folder for folder in folders if folder.is_dir()), configuration.data)
    _import_checks(request.is_offline)
    if files.owned_by_other(owned):
        files.drop_to_owner(owned)
        configuration, error = config.survey(request.path, kinds)
    sections = {name: module.Secrets for name, module in modules.items()} | dict.fromkeys(faults)
    secrets, secrets_error = config.survey_secrets(configuration.secrets_path, sections,
                                                    {"email": lambda: config.Email})
    return Installation(request, configuration, error, secrets, secrets_error, modules, faults,
                        Redactor(secrets.values, secrets.logins))


def _import_checks(is_offline: bool) -> None:
    """Import the checks once for all their processes, and before root is given up: Python may be readable for it alone."""
    for name in ("encodings.unicode_escape", *(f"health.{name}" for name in COMPONENTS),
                 *(() if is_offline else ("health.source",))):
        attempt(lambda: import_module(name))  # the check's own process will report it
