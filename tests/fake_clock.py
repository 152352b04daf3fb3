"""Processes that start at another time, without knowing it: Debian's libfaketime, preloaded.

Their clock shows that time at the start and then runs at normal speed. Timed waits of threads never end there
(libfaketime 0.9.10), so a cycle's watchdog does nothing; with the monotonic clock left alone they would end, but then
time.sleep fails. The command `faketime` is not used: it leaves files behind at each run, and fails after thousands.
"""

from datetime import datetime
from functools import cache
from pathlib import Path

LEFT_BEHIND = ("faketime_shm_", "sem.faketime_sem_")  # in /dev/shm, by a process that is killed


class Unavailable(Exception):
    """No process can be started at another time on this machine; says why."""


def starting_at(moment: datetime) -> dict[str, str]:
    """Return additions to the environment of a process that starts at that time. Raise Unavailable."""
    if not library():
        raise Unavailable("Debian's package libfaketime is not installed")
    return {"LD_PRELOAD": library(), "FAKETIME": f"@{moment.timestamp():.0f}", "FAKETIME_FMT": "%s",
            "NO_FAKE_STAT": "1"}


def tidy_up_after(pid: int) -> None:
    """Remove the library's files of a process that was the first of its family."""
    for name in LEFT_BEHIND:
        Path(f"/dev/shm/{name}{pid}").unlink(missing_ok=True)


@cache
def library() -> str:
    """Return the path of libfaketime, empty if it is not installed."""
    return next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")
