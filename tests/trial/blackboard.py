"""A file that people look at, to show what a further notifier takes: this one file, dropped into `notifiers/`.

`how` makes it fail: "refuse", "bug" or "hang".
"""

import time
from dataclasses import dataclass

from notifiers import Message, NotifierSettings
from runtime.deadline import Deadline
from runtime.errors import NotAuthorised


@dataclass(frozen=True)
class Settings(NotifierSettings):
    """Its section of secrets.yaml, under `notify`."""

    path: str
    how: str = ""


def notify(settings: Settings, message: Message, deadline: Deadline) -> None:
    """Append a line to the file."""
    if settings.how == "refuse":
        raise NotAuthorised("the blackboard is locked")
    if settings.how == "bug":
        raise ZeroDivisionError("a mistake of ours")
    if settings.how == "hang":
        time.sleep(60)
    with open(settings.path, "a", encoding="utf-8") as file:
        file.write(f"{message.event} {message.alert} {message.subject}\n")
