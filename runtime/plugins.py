"""Plug-ins, the modules in `collectors`, `publishers` and `notifiers`: what their sections share, and how they load."""

import importlib
import os
from collections.abc import Callable, Iterable
from functools import cache, partial
from types import ModuleType
from typing import Any, ClassVar

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

Problems = Iterable[tuple[str, str]]


class Section:
    """Base of every section of config.yaml and secrets.yaml, a frozen dataclass."""

    def problems(self) -> Problems:
        """Yield wrong fields with a sentence each, which must not quote a value of secrets.yaml."""
        return ()


class JobSettings(Section):
    """Base of the `Settings` of what cron runs. `alert` is the name of its alert file and a helpful URL."""

    enabled: bool
    alert: ClassVar[tuple[str, str] | None] = None

    def time_limit_seconds(self, cycle_seconds: float) -> float:
        """Return how long a run may take, by default as long as a collection cycle."""
        return cycle_seconds


class NoSecrets(Section):
    """Base of a plug-in's `Secrets`; itself for one that needs none."""

    def missing(self) -> str | None:
        """Return the required key that is absent, if any."""
        return None


@cache  # root may have become an account that may not read the folder
def names(kind: str) -> list[str]:
    """Return the sorted names of the files and packages in the folder `kind`, without importing any."""
    folder = f"{ROOT}/{kind}"  # as pkgutil does, whose own imports cost a tenth of a cold start
    entries = [entry.removesuffix(".py") for entry in os.listdir(folder)
               if entry.endswith(".py") or os.path.isfile(f"{folder}/{entry}/__init__.py")]
    return sorted(name for name in entries if name.isidentifier() and not name.startswith("__"))


def settings_types(kind: str) -> dict[str, Callable[[], Any]]:
    """Return a function for each plug-in that imports it and returns its `Settings`."""
    return {name: partial(_settings_type, kind, name) for name in names(kind)}


def _settings_type(kind: str, name: str) -> Any:
    return load(kind, name).Settings


def load(kind: str, name: str) -> ModuleType:
    """Import one of the named plug-ins."""
    return importlib.import_module(f"{kind}.{name}")
