"""Where readings come from: one file or package per source.

The name of a module here is its section in config.yaml and in secrets.yaml, its cron line and its label in the
database. This file is the contract: all that the rest of the program asks of a source. Adding a source means adding one
such module and its test; nothing else changes.
"""

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from runtime.http_client import HttpClient
    from storage.reading import Reading, Sighting
    from storage.state import State

Problems = Iterable[tuple[str, str]]


class CollectorSettings:
    """What every source's `Settings` has: a frozen dataclass derived from this, its section of config.yaml.

    A field's default holds where the file is silent. `alert` is the file name of its alert and an address that helps;
    without one, the name is made from the source's.
    """

    enabled: bool = True
    alert: ClassVar[tuple[str, str] | None] = None

    @property
    def places(self) -> Mapping[str, str]:
        """The locations that people configured, by device id."""
        return {}

    def problems(self) -> Problems:
        """Yield fields that are wrong although each value alone is allowed, with a sentence each."""
        return ()


class NoSecrets:
    """The `Secrets` of a source that needs none; those of others derive from it, as frozen dataclasses."""

    def missing(self) -> str | None:
        """Return the key without which the source lets nobody in, None if it is there."""
        return None

    def problems(self) -> Problems:
        """Yield fields that are wrong, with a sentence each, which never quotes a value."""
        return ()


class Human(Protocol):
    """The person at the terminal while a source is being paired. `address` is what --bridge said, if anything."""

    address: str | None

    def tell(self, text: str) -> None:
        """Print one line."""

    def ask(self, question: str) -> str:
        """Return the line that the person answers with."""

    def keep(self, values: Mapping[str, str]) -> None:
        """Write values to secrets.yaml at once: the next step may fail, and they cannot be had twice."""


class Collector(Protocol):
    """What a source's module offers."""

    @property
    def Settings(self) -> type[CollectorSettings]:
        """Its section of config.yaml."""

    @property
    def Secrets(self) -> type[NoSecrets]:
        """Its section of secrets.yaml."""

    def collect(self, settings: Any, secrets: Any, http: "HttpClient", state: "State",
                now: "datetime") -> "Iterator[Reading | Sighting]":
        """Yield the readings of this cycle. Raise a RemoteError; what was yielded before still counts."""

    def probe(self, settings: Any, secrets: Any, http: "HttpClient", state: "State") -> str:
        """Make one cheap real request; return what was found as a sentence, or raise a RemoteError."""


@runtime_checkable
class Pairable(Collector, Protocol):
    """A source that a human introduces us to."""

    def pair(self, settings: Any, http: "HttpClient", state: "State", human: Human) -> Mapping[str, str]:
        """Return what belongs in secrets.yaml. Raise a RemoteError."""


@runtime_checkable
class Measurable(Collector, Protocol):
    """A source that can still be asked in the predecessor's expensive way, for the baseline."""

    def collect_unoptimised(self, settings: Any, secrets: Any, http: "HttpClient", state: "State",
                            now: "datetime") -> "Iterator[Reading | Sighting]":
        """Yield the same as `collect`."""


def names() -> list[str]:
    """Return the names of all collectors, in alphabetical order."""
    found = os.listdir(__path__[0])  # as pkgutil does, whose own imports take a tenth of a cold start
    folders = (name for name in found if os.path.isfile(f"{__path__[0]}/{name}/__init__.py"))
    files = (name.removesuffix(".py") for name in found if name.endswith(".py") and not name.startswith("__"))
    return sorted(name for name in (*folders, *files) if name.isidentifier())


def load(name: str) -> Collector:
    """Given one of the names, return that collector's module."""
    return cast(Collector, importlib.import_module(f"{__name__}.{name}"))
