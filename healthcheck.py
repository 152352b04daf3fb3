"""Is all well with the home temperature monitor, and if not, what can you do? `python healthcheck.py --help`.

It leaves no trace, and ends within its time limit.
Exit codes: 0 all is well, warnings allowed · 1 something failed · 2 the configuration, the secrets or the database
failed, or no source answers. With --nagios: 0 · 1 warnings · 2 failures · 3 unknown.
"""

import runtime.interpreter  # noqa: F401 - first: it changes to another Python if this one cannot run the rest

# isort: split
import os
import sys
from datetime import datetime, timezone

import config
from health import options, rendering, runner
from health.setup import Request
from runtime.deadline import Deadline, Stopwatch

PRINTING_SECONDS = 1.0  # of the time limit
NOTIFYING_SECONDS = 4.0  # of the time limit with --notify, at most a third of it


def main() -> int:
    runner.normalise()
    chosen = options.parse()
    watch, deadline = Stopwatch(), Deadline.since_start(chosen.timeout)
    notifying = min(NOTIFYING_SECONDS, chosen.timeout / 3) if chosen.notify else 0
    request = Request(config.find(chosen.config), chosen.only, chosen.skip, chosen.offline, datetime.now(timezone.utc),
                      deadline.earlier(PRINTING_SECONDS + notifying), chosen.deep)
    try:
        checked, results = runner.run(request, watch)
        if chosen.notify and checked is not None:
            from health import notification
            if failure := notification.send(checked, results, deadline.earlier(PRINTING_SECONDS)):
                print(failure, file=sys.stderr)
    except OSError as error:
        options.refuse(f"no process can be started: {error.strerror}; see ulimit -u and ulimit -n")
    lines, code = rendering.render(results, chosen, request.now.isoformat(timespec="seconds"), watch.elapsed_ms())
    rendering.limit(deadline, code)
    rendering.write(lines)
    return code


if __name__ == "__main__":
    os._exit(main())  # all is printed, and taking Python down takes as long as importing SQLite
