"""Lives for one cycle: one file per source, and in `kit` what they all carry.

A source is a module here; its name is its section in config.yaml and in secrets.yaml, its cron line and its label in
the database. This is all that the rest of the program asks of it. Adding a source means adding such a module (and its
test): nothing else changes.
"""

import importlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from collectors.kit import thrift  # noqa: F401  # before all others

if TYPE_CHECKING:
    from datetime import datetime

    from collectors.kit.session import Session
    from storage.memory import Memory
    from storage.reading import Reading, Sighting


class Human(Protocol):
    """The person in front of the terminal, while a source is being paired.

    `address` is where the source is, if the command line said so.
    """

    address: str | None

    def tell(self, text: str) -> None:
        """Say one line."""

    def ask(self, question: str) -> str:
        """Return the line that the person answers with."""

    def keep(self, values: Mapping[str, str]) -> None:
        """Write what belongs in secrets.yaml at once: what comes next may fail, and this cannot be had twice."""


class Collector(Protocol):
    """What a collector's module offers.

    `Settings` is a frozen dataclass: its section of config.yaml, with the defaults and ranges, and `places`, if it lets
    people place devices there: where each stands, by device id. A module may also offer
    `Secrets`, its section of secrets.yaml in the same form (else None is handed to it), whose `missing()` may name the
    key without which the source lets nobody in, and
    `pair(settings, http, memory, human)`, which introduces us to the source and returns what belongs in secrets.yaml.
    """

    Settings: type

    def collect(self, settings: Any, secrets: Any, http: "Session", memory: "Memory",
                now: "datetime") -> "Iterator[Reading | Sighting]":
        """Yield what the source tells at this cycle. Raise a CollectorError; what was yielded before still counts."""

    def probe(self, settings: Any, secrets: Any, http: "Session", memory: "Memory") -> str:
        """Make one cheap real request; return what was found as a sentence, or raise a CollectorError."""


def names() -> list[str]:
    """Return the names of all collectors, in alphabetical order."""
    found = os.listdir(__path__[0])  # as pkgutil does, whose own imports take a tenth of a cold start
    folders = (name for name in found if os.path.isfile(f"{__path__[0]}/{name}/__init__.py"))
    files = (name.removesuffix(".py") for name in found if name.endswith(".py") and not name.startswith("__"))
    return sorted(name for name in (*folders, *files) if name.isidentifier() and name != "kit")


def load(name: str) -> Collector:
    """Given one of the names, return that collector's module."""
    return cast(Collector, importlib.import_module(f"{__name__}.{name}"))
