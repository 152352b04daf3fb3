"""The processes that do the work of the health check, begun, given their orders, and ended.

    this process: reads the command line, and waits
       ├── foreman: reads config.yaml and secrets.yaml
       │      └── a process that works through components; more of them if it is held up, and one more for each source
       └── storekeeper: imports SQLite meanwhile
              └── the same for the components of the storage

On two processors this takes half of the time that it would take one process.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from health.crew import Crew, Isolate
from health.foreman import Foreman

if TYPE_CHECKING:
    from health.options import Put


@contextmanager
def at_work(isolate: Isolate, put: "Put") -> Iterator[tuple[Callable[..., None], int]]:
    """Begin the foreman; yield what gives orders, and the pipe through which answers come. End all of them at the end.

    It ends by itself, having asked nothing, where there are no orders. Leave, saying so, where it cannot begin.
    """
    try:
        (theirs, orders), (told, tells), (began, begins), (brief, briefs) = [os.pipe() for _ in range(4)]
        crew = Crew(tells, isolate)
        foreman = crew.fork(lambda: _join(0, (orders, told, began, begins, brief), Foreman(crew, theirs, briefs).lead))
    except OSError as error:
        from health import options
        options.refuse(f"no process can be begun: {error.strerror}; see ulimit -u and ulimit -n", put)
    _close(theirs, begins, briefs)
    # Nothing is read; but whoever waits goes on beside the new process on another processor, and not before it on this.
    os.read(began, 1)
    with suppress(OSError):  # it has done so itself
        os.setpgid(foreman, foreman)
    try:
        yield partial(_instruct, orders, partial(_begin_storekeeper, crew, foreman, brief, (told, began))), told
    finally:
        _end(foreman)


def _instruct(pipe: int, go_on: Callable[[], None], **orders: object) -> None:
    with suppress(OSError), os.fdopen(pipe, "w") as stream:  # one that is gone is told of as unanswered
        json.dump(orders, stream)
    go_on()


def _begin_storekeeper(crew: Crew, foreman: int, brief: int, others: tuple[int, ...]) -> None:
    """Begin it once this process has no more to do: with three of them on two processors, the foreman would wait."""
    from health import storekeeper
    with suppress(OSError):  # told of as unanswered
        crew.fork(lambda: _join(foreman, others, lambda: storekeeper.keep(crew, brief)))
    _close(brief, crew.pipe)


def _join(group: int, others: tuple[int, ...], work: Callable[[], None]) -> None:
    """Do the work as one of the group (0: as the first of its own); the pipes of others are not this process's own."""
    with suppress(OSError):  # the foreman has ended already
        os.setpgid(0, group)
    _close(*others)
    work()


def _close(*pipes: int) -> None:
    for each in pipes:
        os.close(each)


def _end(foreman: int) -> None:
    """End the foreman and all of its group, and wait for none: one may hang where no signal reaches it."""
    with suppress(ProcessLookupError):  # all are gone
        os.killpg(foreman, signal.SIGKILL)
    os.waitpid(foreman, os.WNOHANG)
