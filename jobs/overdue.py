"""Finds a run that is stopped or hangs: it holds its lock for more than three intervals."""

from datetime import datetime, timedelta
from pathlib import Path

from runtime import files
from runtime.errors import Busy
from runtime.formats import parse_time

INTERVALS = 3


def find(lock: Path, now: datetime, interval_seconds: float) -> Busy | None:
    """Return the error that names who has held the lock for too long, if anyone has."""
    holder = files.holder(lock)
    if holder is None or now - parse_time(holder.since) <= timedelta(seconds=INTERVALS * interval_seconds):
        return None
    if not files.is_held(lock):  # asked last: for an instant, this keeps a run that starts from its lock
        return None
    return Busy(f"process {holder.process} has held {lock} since {holder.since}: it is stopped or hangs",
                f"see what it is: ps -fp {holder.process}; end it: kill -KILL {holder.process}")
