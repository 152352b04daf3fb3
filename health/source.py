"""Does a source answer? A collector is known here by its configuration key, and asked through its `probe`."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import config
from health.finding import Finding, Findings
from jobs import cooldown
from runtime.deadline import Deadline
from runtime.errors import RemoteError, Throttled
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.state import State

LAST_WORDS_SECONDS = 0.5  # of a source's time are left for saying what came of it


def source(name: str, module: Any, read: config.Configuration, told: config.Secrets, now: datetime,
           deadline: Deadline, is_asked_for: bool, learn: Callable[[Iterable[str]], None]) -> Findings:
    """Does the source answer? One that asked for patience, or refuses us, is asked again only if a human wants it so.

    Nothing that is found out on the way is kept.
    """
    memory = State(read.data / f"{name}.session.json")
    again = f"python healthcheck.py --only {name}"
    try:
        standing = None if is_asked_for else cooldown.active(memory, now, told.path, read.path)
        if standing is not None:
            raise standing
        yield f"asking {name}"
        sentence = _probe(name, module, read, told, memory, deadline, learn)
    except Throttled as error:
        yield Finding("warn", str(error), error.remedy or f"wait; to ask at once: {again}")
    except RemoteError as error:
        since = "" if standing is None else ", as it was when last asked"
        yield Finding("fail", f"{error}{since}", error.remedy or f"wait for it to recover, then: {again}")
    else:
        yield Finding("pass", sentence)


def _probe(name: str, module: Any, read: config.Configuration, told: config.Secrets, memory: State,
           deadline: Deadline, learn: Callable[[Iterable[str]], None]) -> str:
    with HttpClient(deadline.earlier(LAST_WORDS_SECONDS), retry_policy(read.retry), learn) as http:
        return str(module.probe(read.collectors[name], told.sections.get(name), http, memory))
