"""Where readings are sent: one file or package per destination. This file is their contract.

The name of a module is its section in config.yaml (under `publishers:`) and in secrets.yaml, and its cron line,
`python -m publishers.<name>`. Adding a destination means adding one module and its test.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from runtime import plugins

if TYPE_CHECKING:
    from datetime import datetime

    from storage.changes import Changes
    from storage.state import State

Problems = Iterable[tuple[str, str]]


class PublisherSettings:
    """The base of every publisher's `Settings`, a frozen dataclass.

    `alert` is a file name and a helpful address, if the default name does not fit.
    """

    enabled: bool = False
    alert: ClassVar[tuple[str, str] | None] = None

    def problems(self) -> Problems:
        """Yield wrong fields with a sentence each."""
        return ()


class NoSecrets:
    """The base of every publisher's `Secrets`, a frozen dataclass, and enough for one without secrets."""

    def missing(self) -> str | None:
        """Return the required key that is missing, if any."""
        return None

    def problems(self) -> Problems:
        """Yield wrong fields with a sentence each, which never quotes a value."""
        return ()


class Publisher(Protocol):
    """A publisher's module."""

    @property
    def Settings(self) -> type[PublisherSettings]:
        """Its section of config.yaml."""

    @property
    def Secrets(self) -> type[NoSecrets]:
        """Its section of secrets.yaml."""

    def publish(self, settings: Any, secrets: Any, changes: "Changes", state: "State", now: "datetime") -> str:
        """Send new readings; return the result as a sentence. Raise a RemoteError or an OSError.

        Keep the id of the last reading sent in `state`, once the destination has confirmed it.
        """

    def probe(self, settings: Any, secrets: Any, state: "State") -> str:
        """Make one cheap real request; return the result as a sentence. Raise a RemoteError or an OSError."""


def names() -> list[str]:
    """Return the names of all publishers, sorted."""
    return plugins.names("publishers")


def load(name: str) -> Publisher:
    """Import the publisher of that name."""
    return cast(Publisher, plugins.load("publishers", name))
