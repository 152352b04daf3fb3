"""A verified copy of the database once a day; seven daily, four weekly and twelve monthly ones are kept.

The copy is in place once it is sound and complete, and only then older ones are removed. `shared_copy` is the newest one
for readers of other accounts, such as Grafana: what they leave beside a database does not disturb the collectors.
"""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import jobs.publish
from publishers import NoSecrets as Secrets
from publishers import PublisherSettings, Run
from runtime import files
from runtime.formats import pluralize
from runtime.time_zones import find_zone
from storage.changes import Changes
from storage.state import State

NAME = re.compile(r"readings-(\d{4}-\d{2}-\d{2})\.db")
UNFINISHED = ".readings-*.db.*.tmp*"  # of a run that was killed
TIME_LIMIT_SECONDS = 3600.0  # ten million readings take minutes on a small computer
SHARED_MODE = 0o644


@dataclass(frozen=True)
class Settings(PublisherSettings):
    enabled: bool = False
    folder: Path = Path("data/snapshots")
    daily: int = field(default=7, metadata={"range": (1, 3660)})
    weekly: int = field(default=4, metadata={"range": (0, 520)})
    monthly: int = field(default=12, metadata={"range": (0, 1200)})
    shared_copy: Path | None = None

    def time_limit_seconds(self, cycle_seconds: float) -> float:
        return max(TIME_LIMIT_SECONDS, cycle_seconds)


def publish(settings: Settings, secrets: Secrets, changes: Changes, state: State, run: Run) -> str:
    """Make the snapshot of the local day unless there is one. Raise a StorageError; then all others remain."""
    today = run.now.astimezone(find_zone(changes.home.time_zone)).date()
    target = settings.folder / f"readings-{today}.db"
    if _is_whole(target, state):
        made = f"the snapshot of {today} exists"
    else:
        if settings.folder.parent == changes.home.data:  # any other may be on a disk that is not mounted
            settings.folder.mkdir(mode=0o700, exist_ok=True)
        for unfinished in settings.folder.glob(UNFINISHED):
            unfinished.unlink()
        with _replacing(target) as beside:
            contents = changes.copy_to(beside)
        state["made"] = [target.name, target.stat().st_size]
        made = f"{target} has {pluralize(contents.readings, 'reading')}"
    removed = _remove_old(settings, today)
    _share(settings.shared_copy, target)
    return f"{made}; removed {pluralize(removed, 'older one')}" if removed else made


def _is_whole(target: Path, state: State) -> bool:
    """Return whether the day's snapshot is there as it was made."""
    return files.exists(target) and state.get("made") in (None, [target.name, target.stat().st_size])


def probe(settings: Settings, secrets: Secrets, state: State, run: Run) -> str:
    """Return which snapshot is the newest. Raise a StorageError if none can be made."""
    exists = files.exists(settings.folder)
    for path in (settings.folder / "readings.db" if exists else settings.folder, settings.shared_copy):
        if path is not None:
            files.check_replaceable(path)
    days = [*_snapshots(settings.folder)] if exists else []
    return f"{pluralize(len(days), 'snapshot')}, the newest of {max(days)}" if days else "no snapshot yet"


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Yield the name of a new file, which replaces the target unless there is an error. Raise a StorageError."""
    beside = files.temporary(target)
    try:
        yield beside
        os.replace(beside, target)
        files.sync(target.parent)
    except OSError as error:
        raise files.translate(error, target) from error
    finally:
        for name in (beside.name, f"{beside.name}-journal"):  # SQLite's own
            beside.with_name(name).unlink(missing_ok=True)


def _share(shared: Path | None, target: Path) -> None:
    """Replace the copy for others if it is older than the snapshot."""
    if shared is None or files.exists(shared) and shared.stat().st_mtime_ns >= target.stat().st_mtime_ns:
        return
    with _replacing(shared) as beside:
        shutil.copyfile(target, beside)
        beside.chmod(SHARED_MODE)
        files.sync(beside)


def _remove_old(settings: Settings, today: date) -> int:
    """Remove what no rule keeps; a day to come, of a clock that was wrong, counts for none."""
    days = {day: path for day, path in _snapshots(settings.folder).items() if day <= today}
    kept = {*_newest(days, settings.daily, lambda day: day),
            *_newest(days, settings.weekly, lambda day: day.isocalendar()[:2]),
            *_newest(days, settings.monthly, lambda day: (day.year, day.month))}
    for day in days.keys() - kept:
        days[day].unlink()
    return len(days) - len(kept)


def _newest(days: Iterable[date], number: int, group: Callable[[date], object]) -> Iterable[date]:
    """Return the newest day of each of the newest groups."""
    groups = {group(day): day for day in sorted(days)}
    return sorted(groups.values())[-number:] if number else ()


def _snapshots(folder: Path) -> dict[date, Path]:
    found = {}
    for path in folder.iterdir():
        if (match := NAME.fullmatch(path.name)) and path.is_file():
            with suppress(ValueError):
                found[date.fromisoformat(match[1])] = path
    return found


if __name__ == "__main__":
    jobs.publish.main(sys.modules[__name__])
