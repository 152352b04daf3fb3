"""The installation to be checked: its configuration, secrets and plug-ins, and the problems in them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TypeVar

import collectors
import config
import publishers
from health import COMPONENTS, guard
from health.finding import attempt
from runtime import files
from runtime.commands import command
from runtime.deadline import Deadline
from runtime.plugins import ROOT, settings_types
from runtime.redaction import Redactor

Plugin = TypeVar("Plugin")
Problem = config.ConfigurationError | None
ROOMS = ("collectors", "config", "health", "jobs", "notifiers", "publishers", "runtime", "storage")
OF_PYTHON = ("encodings.unicode_escape", "email.parser")


class Request(NamedTuple):
    """What the command line asks for, and when it was asked; checks end by the deadline.

    A careful check imports nothing that crashes.
    """

    path: Path
    only: Collection[str]
    skip: Collection[str]
    is_offline: bool
    now: datetime
    deadline: Deadline
    is_deep: bool = False
    is_careful: bool = False

    def attempt(self, work: Callable[[], object]) -> str:
        """Do some work; return what went wrong, if anything did."""
        return (guard.crash(work, self.deadline) if self.is_careful else "") or attempt(work)


class Plugins(NamedTuple):
    """The modules by name; `faults` are the reasons why others cannot be imported."""

    collectors: Mapping[str, collectors.Collector]
    publishers: Mapping[str, publishers.Publisher]
    faults: Mapping[str, str]


class Installation(NamedTuple):
    request: Request
    configuration: config.Configuration
    error: Problem
    secrets: config.Secrets
    secrets_error: Problem
    plugins: Plugins
    redact: Redactor

    @property
    def enabled(self) -> "dict[str, collectors.Collector]":
        settings = self.configuration.collectors
        return {name: module for name, module in self.plugins.collectors.items()
                if name in settings and settings[name].enabled}

    @property
    def components(self) -> list[str]:
        """The names of all components, in the order of the output."""
        collecting, publishing = self.configuration.collectors, self.configuration.publishers
        sources = [name for name in self.plugins.collectors
                   if name not in collecting or collecting[name].enabled or name in self.request.only]
        destinations = [name for name, settings in publishing.items() if settings.enabled or name in self.request.only]
        return [*COMPONENTS, *sorted([*self.plugins.faults, *sources]), *sorted(destinations)]

    @property
    def collect_command(self) -> str:
        name = next(iter(self.enabled), None)
        return command(f"collectors.{name}") if name else "enable a collector in config.yaml"

    def problems(self, key: str) -> list[str]:
        problems = self.error.problems if self.error else ()
        return [problem for problem in problems if problem.startswith((f"{key}.", f"{key}:"))]


def read(request: Request) -> Installation:
    """Read the installation; run by root, become the owner of its data first, who may be permitted less."""
    plugins, notifiers = _load_plugins(request), settings_types("notifiers")
    if request.is_careful:
        notifiers = {name: load for name, load in notifiers.items() if not guard.crash(load, request.deadline)}
    configuration, error = _survey(request, plugins)
    folders = (configuration.storage.database_path.parent, configuration.data)
    owned = next((folder for folder in folders if folder.is_dir()), configuration.data)
    if files.owned_by_other(owned):
        for name in (*OF_PYTHON, *_our_modules()):
            # Now, since Python and the program may be readable for root alone; whatever then lacks a module reports it.
            request.attempt(partial(import_module, name))
        files.drop_to_owner(owned)
        configuration, error = _survey(request, plugins)
    sections = ({name: module.Secrets for name, module in plugins.collectors.items()}
                | {name: module.Secrets for name, module in plugins.publishers.items()} | dict.fromkeys(plugins.faults))
    secrets, secrets_error = config.survey_secrets(
        configuration.secrets_path, sections, lambda: notifiers)
    return Installation(request, configuration, error, secrets, secrets_error, plugins,
                        Redactor(secrets.values, secrets.logins))


def _our_modules() -> Iterator[str]:
    for room in ROOMS:
        for path in sorted(Path(ROOT, room).rglob("[!_]*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _load_plugins(request: Request) -> Plugins:
    faults: dict[str, str] = {}

    def load_all(names: Iterable[str], load: Callable[[str], Plugin]) -> dict[str, Plugin]:
        modules: dict[str, Plugin] = {}
        for name in names:
            if fault := request.attempt(lambda: modules.setdefault(name, load(name))):
                faults[name] = fault
        return modules

    return Plugins(load_all(collectors.names(), collectors.load), load_all(publishers.names(), publishers.load), faults)


def _survey(request: Request, plugins: Plugins) -> tuple[config.Configuration, Problem]:
    unchecked = dict.fromkeys(plugins.faults)
    return config.survey(request.path, {name: module.Settings for name, module in plugins.collectors.items()} | unchecked,
                         {name: module.Settings for name, module in plugins.publishers.items()} | unchecked)
