"""Processes that start at another moment than it is, without their knowledge: Debian's libfaketime, preloaded.

Their clock shows that moment at their start and then runs at normal speed. Threads that wait for a time wait for ever
there (libfaketime 0.9.10), so the watchdog of a cycle never barks; with the monotonic clock left as it is they would
not, but then time.sleep fails. The command `faketime` is not used: it leaves files behind at each run, and trips over
those of others after thousands of them.
"""

from datetime import datetime
from functools import cache
from pathlib import Path

LEFT_BEHIND = ("faketime_shm_", "sem.faketime_sem_")  # in /dev/shm, by a process that is killed


class Unavailable(Exception):
    """Why no process can be given another time on this machine."""


def starting_at(moment: datetime) -> dict[str, str]:
    """Return what to add to the environment of a process that is to start at that moment. Raise Unavailable."""
    if not library():
        raise Unavailable("it takes Debian's package libfaketime to give a process another time")
    return {"LD_PRELOAD": library(), "FAKETIME": f"@{moment.timestamp():.0f}", "FAKETIME_FMT": "%s",
            "NO_FAKE_STAT": "1"}


def tidy_up_after(pid: int) -> None:
    """Remove what the library left behind of a process that was the first of its family."""
    for name in LEFT_BEHIND:
        Path(f"/dev/shm/{name}{pid}").unlink(missing_ok=True)


@cache
def library() -> str:
    """Return where libfaketime is, an empty text where it is not installed."""
    return next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")
