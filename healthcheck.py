"""Is all well with the home temperature monitor, and if not, what can you do? `python healthcheck.py --help`.

It leaves no trace, and ends within its time limit.
Exit codes: 0 all is well, warnings allowed · 1 something failed · 2 the configuration, the secrets or the database
failed, or no source answers. With --nagios: 0 · 1 warnings · 2 failures · 3 unknown.
"""

import runtime.interpreter  # noqa: F401 - first: it changes to another Python if this one cannot run the rest

# isort: split
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple

from health import guard, options, rendering
from health.finding import Result
from runtime.deadline import Deadline, Stopwatch

PRINTING_SECONDS = 1.0  # of the time limit
NOTIFYING_SECONDS = 4.0  # of the time limit with --notify, at most a third of it


def main() -> int:
    guard.normalise()
    chosen = options.parse()
    started = Start(datetime.now(timezone.utc), Stopwatch(), Deadline.since_start(chosen.timeout))
    try:
        for is_careful in (False, True):  # the second time only after a crash
            code = guard.run(partial(check, chosen, started, is_careful), started.deadline)
            if code >= 0:
                return code
    except OSError as error:
        options.refuse(f"no process can be started: {error.strerror}; see ulimit -u and ulimit -n")
    return answer([guard.crashed(-code)], chosen, started)


class Start(NamedTuple):
    now: datetime
    watch: Stopwatch
    deadline: Deadline


def check(chosen: Namespace, started: Start, is_careful: bool) -> int:
    import config  # here and below: an import may crash, too
    from health import runner
    from health.setup import Request
    notifying = min(NOTIFYING_SECONDS, chosen.timeout / 3) if chosen.notify else 0
    checked, results = runner.run(Request(
        config.find(chosen.config), chosen.only, chosen.skip, chosen.offline, started.now,
        started.deadline.earlier(PRINTING_SECONDS + notifying), chosen.deep, is_careful), started.watch)
    if chosen.notify and checked is not None and not is_careful:
        from health import notification
        if failure := notification.send(checked, results, started.deadline.earlier(PRINTING_SECONDS)):
            print(failure, file=sys.stderr)
    return answer(results, chosen, started)


def answer(results: Sequence[Result], chosen: Namespace, started: Start) -> int:
    lines, code = rendering.render(
        results, chosen, started.now.isoformat(timespec="seconds"), started.watch.elapsed_ms())
    rendering.limit(started.deadline, code)
    rendering.write(lines)
    return code


if __name__ == "__main__":
    os._exit(main())  # all is printed, and taking Python down takes as long as importing SQLite
