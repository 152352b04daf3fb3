"""Sources of readings, and their contract: adding a source means adding one file or package and its test.

A module's name is its section in config.yaml and secrets.yaml, its cron line, and its label in the database.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast, runtime_checkable

from runtime import plugins

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

    @property
    def mentioned_ids(self) -> Mapping[str, str]:
        """The device ids that the section mentions, by where: `sensor_locations: 00:17:...`."""
        return {}

    def full_id(self, text: str) -> str | None:
        """Return a whole id of one of this source's devices as it is stored, None for any other text."""
        return None

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

    def pair(self, settings: Any, http: "HttpClient", state: "State", human: Human) -> Mapping[str, str]:
        """Return its section of secrets.yaml, or raise a RemoteError."""


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
