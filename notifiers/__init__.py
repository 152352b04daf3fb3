"""How a human is called: one file or package per way. This file is their contract.

The name of a module is its key under `notify:` in secrets.yaml, with one mapping or a list of them; only `email` is at
the top level. Adding a notifier means adding one module and its test.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, cast

from runtime import plugins
from runtime.deadline import Deadline


class Message(NamedTuple):
    """What happened. `event` is `raised`, `cleared` or `test`; `alert` is the alert's file name."""

    event: str
    alert: str
    subject: str
    text: str
    remedy: str = ""


class NotifierSettings:
    """The base of every notifier's `Settings`, a frozen dataclass."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield wrong fields with a sentence each, which never quotes a value."""
        return ()


class Notifier(Protocol):
    """A notifier's module."""

    @property
    def Settings(self) -> type[NotifierSettings]:
        """Its section of secrets.yaml."""

    def notify(self, settings: Any, message: Message, deadline: Deadline) -> None:
        """Deliver the message once, before the deadline. Raise a HomeMonitorError or an OSError."""


def names() -> list[str]:
    """Return the names of all notifiers, sorted."""
    return plugins.names("notifiers")


def load(name: str) -> Notifier:
    """Import the notifier of that name."""
    return cast(Notifier, plugins.load("notifiers", name))
