"""The contract of notifiers, which call a human: one file or package each.

A module's name is its key under `notify:` in secrets.yaml (`email` is at the top level), for a mapping or a list of them.
"""

from datetime import datetime
from typing import Any, NamedTuple, Protocol, cast

from runtime import plugins
from runtime.deadline import Deadline
from runtime.plugins import Section


class Message(NamedTuple):
    """What happened. `event` is `raised`, `cleared` or `test`; `alert` is the alert's file name, or empty.

    `house` is its name, or the machine's; subject and text hold it already.
    """

    event: str
    alert: str
    subject: str
    text: str
    remedy: str = ""
    house: str = ""
    sent_at: datetime | None = None


class NotifierSettings(Section):
    """The base of every notifier's `Settings`: its section of secrets.yaml."""


class Notifier(Protocol):
    """A notifier's module; `Settings` is its section of secrets.yaml."""

    @property
    def Settings(self) -> type[NotifierSettings]: ...

    def notify(self, settings: Any, message: Message, deadline: Deadline) -> None:
        """Deliver the message once, before the deadline. Raise a HomeMonitorError or an OSError."""


def load(name: str) -> Notifier:
    return cast(Notifier, plugins.load("notifiers", name))
