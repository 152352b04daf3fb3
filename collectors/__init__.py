"""Sources of readings: one file or package each.

A module's name is its section in config.yaml and secrets.yaml, its cron line, and its label in the database. This is
the contract: adding a source means adding one module and its test.
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
    """Base of a source's `Settings`, a frozen dataclass: its section of config.yaml, with the defaults.

    `alert` is the name of its alert file and a helpful URL.
    """

    enabled: bool = True
    alert: ClassVar[tuple[str, str] | None] = None

    @property
    def places(self) -> Mapping[str, str]:
        """Configured locations by device id."""
        return {}

    def problems(self) -> Problems:
        """Yield wrong fields with a sentence each."""
        return ()


class NoSecrets:
    """Base of a source's `Secrets`, a frozen dataclass; itself for a source that needs none."""

    def missing(self) -> str | None:
        """Return the required key that is absent, if any."""
        return None

    def problems(self) -> Problems:
        """Yield wrong fields with a sentence each, which must not quote the value."""
        return ()


class Human(Protocol):
    """The user at the terminal during pairing. `address` is the value of --bridge, if given."""

    address: str | None

    def tell(self, text: str) -> None:
        """Print one line."""

    def ask(self, question: str) -> str:
        """Return the user's answer."""

    def keep(self, values: Mapping[str, str]) -> None:
        """Write values to secrets.yaml at once: they cannot be obtained twice if the next step fails."""


class Collector(Protocol):
    """A source's module."""

    @property
    def Settings(self) -> type[CollectorSettings]:
        """Its section of config.yaml."""

    @property
    def Secrets(self) -> type[NoSecrets]:
        """Its section of secrets.yaml."""

    def collect(self, settings: Any, secrets: Any, http: "HttpClient", state: "State",
                now: "datetime") -> "Iterator[Reading | Sighting]":
        """Yield this cycle's readings. Raise a RemoteError; readings yielded before it still count."""

    def probe(self, settings: Any, secrets: Any, http: "HttpClient", state: "State") -> str:
        """Make one cheap real request and describe the result in a sentence, or raise a RemoteError."""


@runtime_checkable
class Pairable(Collector, Protocol):
    """A source that has to be paired by a human."""

    def pair(self, settings: Any, http: "HttpClient", state: "State", human: Human) -> Mapping[str, str]:
        """Return its section of secrets.yaml, or raise a RemoteError."""


@runtime_checkable
class Unpairable(Collector, Protocol):
    """A source at which our credentials can be revoked."""

    def unpair(self, settings: Any, secrets: Any, http: "HttpClient", state: "State") -> str:
        """Revoke them; return the result as a sentence, also if that was done before.

        Raise a RemoteError; if the source refuses, NotAuthorised with a remedy that describes how to do it by hand.
        """


@runtime_checkable
class Measurable(Collector, Protocol):
    """A source that can be read in the predecessor's expensive way too, for the baseline."""

    def collect_unoptimised(self, settings: Any, secrets: Any, http: "HttpClient", state: "State",
                            now: "datetime") -> "Iterator[Reading | Sighting]":
        """Yield the same as `collect`."""


def names() -> list[str]:
    entries = os.listdir(__path__[0])  # not pkgutil, whose imports take a tenth of a cold start
    folders = (name for name in entries if os.path.isfile(f"{__path__[0]}/{name}/__init__.py"))
    files = (name.removesuffix(".py") for name in entries if name.endswith(".py") and not name.startswith("__"))
    return sorted(name for name in (*folders, *files) if name.isidentifier())


def load(name: str) -> Collector:
    return cast(Collector, importlib.import_module(f"{__name__}.{name}"))
