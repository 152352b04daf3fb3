"""The contract of publishers, which send readings somewhere: one file or package each.

A module's name is its section in config.yaml and secrets.yaml; `python -m publishers.<name>` runs it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast, runtime_checkable

import runtime.interpreter  # noqa: F401 - first: it changes to another Python if this one cannot run the rest
from runtime import plugins
from runtime.plugins import JobSettings, NoSecrets

if TYPE_CHECKING:
    from runtime.deadline import Deadline
    from runtime.errors import HomeMonitorError
    from runtime.http_client import HttpClient
    from runtime.retry import RetryPolicy
    from storage.changes import Changes
    from storage.state import State

__all__ = ["PUBLISHED_AT", "Action", "HasActions", "NoSecrets", "Publisher", "PublisherSettings", "Run", "load", "names"]

PUBLISHED_AT = "published_at"  # in the publisher's state: when its last successful run began


class PublisherSettings(JobSettings):
    """The base of every publisher's `Settings`: its section of config.yaml, with the defaults."""

    enabled: bool = False


class Run(NamedTuple):
    """What one run may use: `now` is its time, and it has to end before `deadline`.

    `open_http` gives a client within both. `alert(name, subject, error)` raises the alert `ALERT_<NAME>.txt`, or without an
    error clears it; the health check's probe alerts nobody.
    """

    now: datetime
    deadline: "Deadline"
    retry: "RetryPolicy"
    open_http: "Callable[[], HttpClient]"
    alert: "Callable[[str, str, HomeMonitorError | None], None]"


class Action(NamedTuple):
    """What an option of a publisher does in place of publishing; its errors and its sentence are as those of `publish`.

    A dry run prints what `preview` returns for the settings, or asks the destination as without the option.
    """

    help: str
    act: "Callable[[Any, Any, Changes, State, Run], str]"
    preview: Callable[[Any], str] | None = None


@runtime_checkable
class HasActions(Protocol):
    """A publisher with options of its own, by their names without dashes."""

    @property
    def ACTIONS(self) -> Mapping[str, Action]: ...


class Publisher(Protocol):
    """A publisher's module, with its sections of config.yaml and secrets.yaml."""

    @property
    def Settings(self) -> type[PublisherSettings]: ...

    @property
    def Secrets(self) -> type[NoSecrets]: ...

    def publish(self, settings: Any, secrets: Any, changes: "Changes", state: "State", run: Run) -> str:
        """Send new readings; return the result as a sentence. Raise a RemoteError or an OSError.

        Keep in `state` what the destination has confirmed.
        """

    def probe(self, settings: Any, secrets: Any, state: "State", run: Run) -> str:
        """Make one cheap real request; return the result as a sentence. Raise a RemoteError or an OSError."""


def names() -> list[str]:
    return plugins.names("publishers")


def load(name: str) -> Publisher:
    return cast(Publisher, plugins.load("publishers", name))
