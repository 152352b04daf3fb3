"""Where readings are sent on to: one file or package per destination.

The name of a module here is its section in config.yaml (under `publishers:`) and in secrets.yaml, and its cron line,
`python -m publishers.<name>`. This file is the contract: all that the rest of the program asks of a publisher. Adding a
destination means adding one such module and its test; nothing else changes.
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
    """What every publisher's `Settings` has: a frozen dataclass derived from this, its section of config.yaml.

    `alert` is the file name of its alert and an address that helps; without one, the name is made from the publisher's.
    """

    enabled: bool = False
    alert: ClassVar[tuple[str, str] | None] = None

    def problems(self) -> Problems:
        """Yield fields that are wrong although each value alone is allowed, with a sentence each."""
        return ()


class NoSecrets:
    """The `Secrets` of a publisher that needs none; those of others derive from it, as frozen dataclasses."""

    def missing(self) -> str | None:
        """Return the key without which the destination does not admit us, None if it is present."""
        return None

    def problems(self) -> Problems:
        """Yield fields that are wrong, with a sentence each, which never quotes a value."""
        return ()


class Publisher(Protocol):
    """What a publisher's module offers."""

    @property
    def Settings(self) -> type[PublisherSettings]:
        """Its section of config.yaml."""

    @property
    def Secrets(self) -> type[NoSecrets]:
        """Its section of secrets.yaml."""

    def publish(self, settings: Any, secrets: Any, changes: "Changes", state: "State", now: "datetime") -> str:
        """Send what is new since the last run; return a sentence for the log. Raise a RemoteError or an OSError.

        The cursor (the id of the last reading sent) belongs in `state`, moved once the destination has confirmed.
        """

    def probe(self, settings: Any, secrets: Any, state: "State") -> str:
        """Make one cheap real request; return what was found as a sentence, or raise a RemoteError."""


def names() -> list[str]:
    """Return the names of all publishers, sorted."""
    return plugins.names("publishers")


def load(name: str) -> Publisher:
    """Import the publisher of that name."""
    return cast(Publisher, plugins.load("publishers", name))
