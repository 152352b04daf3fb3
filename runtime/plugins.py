"""Finds and imports the plug-ins: the modules in `collectors`, `publishers` and `notifiers`.

Listing them imports none of them, and not their package either: a run imports only the plug-ins it uses.
"""

import importlib
import os
from types import ModuleType

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def names(kind: str) -> list[str]:
    """Return the names of all plug-ins of a kind, sorted: one per file or package in the folder of that name."""
    folder = f"{ROOT}/{kind}"  # read as pkgutil does, whose own imports cost a tenth of a cold start
    entries = [entry.removesuffix(".py") for entry in os.listdir(folder)
               if entry.endswith(".py") or os.path.isfile(f"{folder}/{entry}/__init__.py")]
    return sorted(name for name in entries if name.isidentifier() and not name.startswith("__"))


def load(kind: str, name: str) -> ModuleType:
    """Import one of the named plug-ins."""
    return importlib.import_module(f"{kind}.{name}")
