"""Is all well with the home temperature monitor, and if not, what is to be done? `python healthcheck.py --help`.

It only runs the components side by side and prints what they say; each check lives beside what it checks. Runs from
anywhere, leaves no trace, and always ends in time, for this process asks nobody anything: it waits for its children,
and ends those that hang (`health.hands`). This file is short, for Python compiles it at each start.

Exit codes: 0 all is well, warnings allowed · 1 something failed · 2 the configuration, the secrets or the database
failed, or no source answers. With --nagios: 0 · 1 warnings · 2 failures · 3 nobody knows.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from io import TextIOWrapper

PRINTING_SECONDS = 1.0


def main() -> int:
    """Examine what the command line asks for, print what came of it, and return the exit code."""
    gc.disable()  # nothing here lives long enough for it to find anything
    from health import footing, hands
    footing.find()
    with hands.at_work(_isolated, _put) as (instruct, told):
        from health import options, rendering
        from health.gathering import Gathering
        from runtime.deadline import Deadline, Stopwatch
        asked = options.parse(_put)
        watch, deadline = Stopwatch(), Deadline.since_start(asked.timeout)
        now, end = datetime.now(timezone.utc), deadline.earlier(PRINTING_SECONDS)
        instruct(config=asked.config, only=asked.only, skip=asked.skip, is_offline=asked.offline, now=now.isoformat(),
                 end=end.moment)
        answers = Gathering(told, asked.only, end, watch).answers()
    lines, code = rendering.said(answers, asked, now.isoformat(timespec="seconds"), watch.elapsed_ms())
    with rendering.in_time(deadline, code):
        _put(lines)
    return code


def _isolated(work: Callable[[], object]) -> str:
    """Do some work; return what went wrong with it, if anything did: nothing may take the others along."""
    try:
        work()
    except Exception as error:  # the one isolation point: a fault in one component must not hide the others
        return f"a fault in the program, please report it: {type(error).__name__}: {error}"
    return ""


def _put(lines: Iterable[str]) -> None:
    """Print, whatever the terminal's alphabet is; where nobody listens, say nothing."""
    if not isinstance(sys.stdout, TextIOWrapper):
        return
    try:
        sys.stdout.reconfigure(errors="replace")
        for line in lines:
            print(line)
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    os._exit(main())  # everything is printed, and taking Python down takes as long as importing SQLite
