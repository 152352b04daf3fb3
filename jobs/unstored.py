"""Reports what could not be stored. Imported only then."""

from datetime import datetime, timedelta
from pathlib import Path

from runtime import system_commands
from runtime.errors import Busy, Missing, StorageError, Unusable
from runtime.formats import format_time, pluralize
from storage import spool
from storage.reading import Cycle

ESCALATE_AFTER = timedelta(hours=24)
ESCALATE_USED = 0.5  # of the spool
EXPLAIN_USED = 0.25  # then its room is for readings; an explanation takes as much as a cycle of five sensors
Place = tuple[Path, str]  # of a spool: its folder and name


def explain(cycle: Cycle, error: StorageError, spool_error: StorageError | None, place: Place) -> StorageError:
    """Return the error of the database with where the readings wait, or why they cannot."""
    if spool_error is not None:
        remedy = error.remedy if isinstance(error, Missing) else _remedy(spool_error, error)
        return Unusable(f"{error}; nor can readings wait for it: {spool_error}", remedy)
    waiting = len(cycle.readings)
    if not waiting:
        return error
    waits = f"{pluralize(waiting, 'reading')} {'waits' if waiting == 1 else 'wait'}"
    where = "the spool" if place[1] == spool.NAME else place[0] / place[1]
    return type(error)(f"{error}; its {waits} in {where}", error.remedy)


def has_room(place: Place) -> bool:
    """Return whether the spool has room for why cycles wait. Raise OSError."""
    return spool.status(*place).used < EXPLAIN_USED


def refused(cycle: Cycle, error: StorageError) -> StorageError:
    return Unusable(f"the database refuses the cycle of {cycle.collector} of {format_time(cycle.started_at)}, "
                    f"which waits in the spool: {error}", "report it, with data/spool.journal")


def actionable(error: StorageError) -> StorageError | None:
    """Return the spool error if someone has to act on it, although no reading was lost."""
    if isinstance(error, spool.Full):  # by now it is empty
        return None
    return error if isinstance(error, Busy) else Unusable(str(error), _remedy(error))


def escalate(error: StorageError, place: Place, now: datetime, database: Path) -> StorageError:
    """Return the error for the alert: Unusable if readings have waited for a day or the spool is half full."""
    try:
        status = spool.status(*place)
    except OSError:
        return error
    if status.oldest is None or status.used < ESCALATE_USED and now - status.oldest < ESCALATE_AFTER:
        return error
    return Unusable(
        f"{error}, the first since {format_time(status.oldest)}; the spool is {status.used:.0%} full",
        error.remedy or f"see what holds the database ({system_commands.users_of(database)}), or what fills its disk "
        f"(df -h {database.parent})")


def _remedy(*errors: StorageError) -> str:
    return next((error.remedy for error in errors if error.remedy),
                "check the disk: df -h shows its free space, dmesg its errors")
