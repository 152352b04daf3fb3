"""Sources of readings, and their contract: adding a source means adding one file or package and its test.

A module's name is its section in config.yaml and secrets.yaml, its cron line, and its label in the database.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import runtime.interpreter  # noqa: F401 - first: it changes to another Python if this one cannot run the rest
from runtime import plugins
from runtime.plugins import JobSettings, NoSecrets

if TYPE_CHECKING:
    from datetime import datetime

    from runtime.http_client import HttpClient
    from storage.reading import Reading, Sighting
    from storage.state import State

DISCOVERED = "discovered"  # the key in a source's state of what it has listed, which --discover drops

__all__ = ["DISCOVERED", "Collector", "CollectorSettings", "Human", "Measurable", "NoSecrets", "Pairable", "load", "names"]


class CollectorSettings(JobSettings):
    """Base of a source's `Settings`: its section of config.yaml, with the defaults."""

    enabled: bool = True

    @property
    def places(self) -> Mapping[str, str]:
        """Configured locations by device id."""
        return {}

    @property
    def mentioned_ids(self) -> Mapping[str, str]:
        """The device ids that the section mentions, by where: `sensor_locations: 00:17:...`."""
        return {}

    def full_id(self, text: str) -> str | None:
        """Return a whole id of one of this source's devices as it is stored, None for any other text."""
        return None


class Human(Protocol):
    """The user at the terminal during pairing. `address` is the value of --bridge, if given."""

    address: str | None

    def tell(self, text: str) -> None: ...

    def ask(self, question: str) -> str: ...

    def keep(self, values: Mapping[str, str]) -> None:
        """Write values to secrets.yaml at once: they cannot be obtained twice if the next step fails."""


class Collector(Protocol):
    """A source's module. Its `Settings` and `Secrets` are its sections of config.yaml and secrets.yaml."""

    @property
    def Settings(self) -> type[CollectorSettings]: ...

    @property
    def Secrets(self) -> type[NoSecrets]: ...

    def collect(self, settings: Any, secrets: Any, http: "HttpClient", state: "State",
                now: "datetime") -> "Iterator[Reading | Sighting]":
        """Yield this cycle's readings. Raise a RemoteError; readings yielded before it still count."""

    def probe(self, settings: Any, secrets: Any, http: "HttpClient", state: "State") -> str:
        """Make one cheap real request and describe the result in a sentence, or raise a RemoteError."""


@runtime_checkable
class Pairable(Collector, Protocol):
    """A source that has to be paired by a human."""

    def pair(self, settings: Any, secrets: Any, http: "HttpClient", state: "State", human: Human) -> Mapping[str, str]:
        """Return what belongs in its section of secrets.yaml, given the present one, or raise a RemoteError."""


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
    return plugins.names("collectors")


def load(name: str) -> Collector:
    return cast(Collector, plugins.load("collectors", name))
