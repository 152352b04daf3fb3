"""A program of the user's, such as signal-cli, osascript or Apprise: the text comes on its standard input."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from notifiers import Message, NotifierSettings
from runtime.deadline import Deadline
from runtime.errors import CannotReach, NotUnderstood
from runtime.formats import one_line


@dataclass(frozen=True, repr=False)
class Settings(NotifierSettings):
    """One section `notify.command` of secrets.yaml: the program and its arguments. No shell is involved."""

    run: tuple[str, ...]

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.run:
            yield "run", "must be a list: the program, and its arguments"


def notify(settings: Settings, message: Message, deadline: Deadline) -> None:
    """Run the program once, and kill it at the deadline. Raise CannotReach, or NotUnderstood if there is none."""
    program = os.path.basename(settings.run[0])
    environment = {"EVENT": message.event, "ALERT": message.alert, "SUBJECT": message.subject, "REMEDY": message.remedy,
                   "HOUSE": message.house}
    try:
        done = subprocess.run(
            settings.run, input=message.text.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
            timeout=max(deadline.remaining(), 0.1),
            env={**os.environ, **{f"HOME_MONITOR_{name}": text for name, text in environment.items()}})
    except subprocess.TimeoutExpired:
        raise CannotReach(f"{program} did not end in time") from None
    except (FileNotFoundError, PermissionError, ValueError) as error:
        raise NotUnderstood(f"{program} cannot be run: {one_line(str(error))}", "correct notify.command.run") from None
    if done.returncode != 0:
        reason = one_line(done.stderr.decode(errors="replace")) or "it printed no reason"
        raise CannotReach(f"{program} ended with exit code {done.returncode}: {reason}")
