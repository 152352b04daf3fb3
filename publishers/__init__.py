"""The contract of publishers, which send readings somewhere: one file or package each.

A module's name is its section in config.yaml and secrets.yaml; `python -m publishers.<name>` runs it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import runtime.interpreter  # noqa: F401 - first: it changes to another Python if this one cannot run the rest
from runtime import plugins

if TYPE_CHECKING:
    from datetime import datetime

    from storage.changes import Changes
    from storage.state import State

Problems = Iterable[tuple[str, str]]


class PublisherSettings:
    """The base of every publisher's `Settings`, a frozen dataclass."""

    enabled: bool = False
    alert: ClassVar[tuple[str, str] | None] = None  # a file name and a helpful address, if the default does not fit

    def problems(self) -> Problems:
        """Yield wrong fields with a sentence each."""
        return ()


class NoSecrets:
    """The base of every publisher's `Secrets`, a frozen dataclass."""

    def missing(self) -> str | None:
        """Return the required key that is missing, if any."""
        return None

    def problems(self) -> Problems:
        """Yield wrong fields with a sentence each, which never quotes a value."""
        return ()


class Publisher(Protocol):
    """A publisher's module, with its sections of config.yaml and secrets.yaml."""

    @property
    def Settings(self) -> type[PublisherSettings]: ...

    @property
    def Secrets(self) -> type[NoSecrets]: ...

    def publish(self, settings: Any, secrets: Any, changes: "Changes", state: "State", now: "datetime") -> str:
        """Send new readings; return the result as a sentence. Raise a RemoteError or an OSError.

        Keep the id of the last reading sent in `state`, once the destination has confirmed it.
        """

    def probe(self, settings: Any, secrets: Any, state: "State") -> str:
        """Make one cheap real request; return the result as a sentence. Raise a RemoteError or an OSError."""


def names() -> list[str]:
    return plugins.names("publishers")


def load(name: str) -> Publisher:
    return cast(Publisher, plugins.load("publishers", name))
