"""How a human is called: one file or package per way.

The name of a module here is its key under `notify:` in secrets.yaml, whose value is one mapping or a list of them
(`email` stands at the top level of that file). This file is the contract: all that the rest of the program asks of a
notifier. Adding one means adding one such module and its test; nothing else changes.
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
    """What every notifier's `Settings` has: a frozen dataclass derived from this, one of its sections in secrets.yaml."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield fields that are wrong although each value alone is allowed, with a sentence each; quote no value."""
        return ()


class Notifier(Protocol):
    """What a notifier's module offers."""

    @property
    def Settings(self) -> type[NotifierSettings]:
        """One of its sections in secrets.yaml."""

    def notify(self, settings: Any, message: Message, deadline: Deadline) -> None:
        """Deliver the message before the deadline, once. Raise a HomeMonitorError or an OSError if that fails."""


def names() -> list[str]:
    """Return the names of all notifiers, sorted."""
    return plugins.names("notifiers")


def load(name: str) -> Notifier:
    """Import the notifier of that name."""
    return cast(Notifier, plugins.load("notifiers", name))
