"""Means per step as rows, for `readings.py export --every`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from runtime.errors import Unusable
from storage import readings, registry
from storage.manager import Connection
from storage.quantities import BY_COLUMN
from storage.statistics import periods, summarize

COLUMNS = ("timestamp", "device_id", "name", "location", *BY_COLUMN)
LONGEST = timedelta(days=1)


def check(every: timedelta, columns: Sequence[str]) -> None:
    if every > LONGEST:
        raise Unusable(f"a step of {every.days} days is too long", "choose at most 24h")
    if strange := [name for name in columns if name not in COLUMNS]:
        raise Unusable(f"{strange[0]} has no mean", f"with --every, choose --columns of {', '.join(COLUMNS)}")


def batches(connection: Connection, columns: Sequence[str], chosen: Sequence[str], since: datetime | None, until: datetime,
            every: timedelta, zone: tzinfo) -> Iterator[list[tuple[object, ...]]]:
    """Yield a row per step and device with readings in it; `timestamp` is the start of the step."""
    devices = [device for device in registry.all_devices(connection) if not chosen or device.device_id in chosen]
    firsts = [first for device in devices if (first := readings.oldest(connection, device.device_id))]
    quantities = [name for name in columns if name in BY_COLUMN] or list(BY_COLUMN)
    for period in periods(since or min(firsts, default=until), until, every, zone):
        rows = list[tuple[object, ...]]()
        for device in devices:
            for _, _, summaries in summarize(connection, device.device_id, quantities, [period]):
                row: dict[str, object] = {
                    "timestamp": period.start.isoformat(), "device_id": device.device_id, "name": device.device_name,
                    "location": device.location, **{name: round(item.mean, 3) for name, item in summaries.items()}}
                rows.append(tuple(row.get(name) for name in columns))
        if rows:
            yield rows
