"""Which device has told nothing for too long: judged by its newest reading, whatever the jobs say of themselves."""

import sqlite3
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from health.database import missing
from health.finding import Finding, Findings
from runtime.errors import StorageError, Unavailable
from runtime.formats import parse_time
from storage import manager

INTERVALS, AT_LEAST = 3, timedelta(minutes=15)
AHEAD = timedelta(minutes=5)  # of our clock: then it, or the one that the readings have, is wrong
DEVICES = """
    SELECT
        coalesce(location, device_name, device_id),
        device_id,
        collector,
        coalesce((SELECT MAX(timestamp) FROM readings WHERE readings.device_id = device_registry.device_id), first_seen)
    FROM device_registry
    WHERE is_active = 1
    ORDER BY device_id
"""
NEWEST = "SELECT MAX(timestamp) FROM readings"

Row = tuple[str, str, str | None, str | None]


def freshness(path: Path, marker: Path, now: datetime, interval_seconds: int, enabled: Collection[str]) -> Findings:
    """Has every active device of the enabled collectors told something within three intervals, 15 minutes at least?"""
    absence = missing(path, marker)
    if absence is not None:
        yield absence if absence.level == "critical" else Finding("warn", "nothing has been collected yet",
                                                                  absence.remedy)
        return
    yield "asking for the newest readings"
    limit = max(INTERVALS * timedelta(seconds=interval_seconds), AT_LEAST)
    try:
        with manager.reading(path, busy_timeout_ms=1000) as connection:
            rows: list[Row] = connection.execute(DEVICES).fetchall()
            newest, = connection.execute(NEWEST).fetchone()
    except sqlite3.OperationalError as error:
        yield Finding("fail", f"the newest readings cannot be asked for: {error}")
    except StorageError as error:
        level = "warn" if isinstance(error, Unavailable) and error.remedy else "fail"
        yield Finding(level, f"{error}", error.remedy or "python healthcheck.py --only database_write tells more")
    else:
        yield from _judge([row for row in rows if row[2] in enabled], newest, now, limit)


def _judge(rows: list[Row], newest: str | None, now: datetime, limit: timedelta) -> Findings:
    if newest is None:
        yield Finding("warn", "nothing has been collected yet", "python -m collectors.hue")
        return
    age = now - parse_time(newest)
    figures = (f"'newest_reading'={age.total_seconds():.0f}s;;{limit.total_seconds():.0f}",)
    if age < -AHEAD:
        yield Finding("warn", f"the newest reading is of {newest}, which is still to come",
                      "see that this machine's clock is right: timedatectl status", figures)
    if age > limit:
        yield Finding("fail", f"no reading of any device since {newest}: is cron running?",
                      "crontab -l shows whether the collectors are started; run one by hand: python -m collectors.hue",
                      figures)
        return
    yield from (_silent(label, device_id, str(collector), told, limit) for label, device_id, collector, told in rows
                if told is not None and now - parse_time(told) > limit)
    yield Finding("pass", f"{len(rows)} active devices, the newest reading {age.total_seconds():.0f} s old",
                  figures=figures)


def _silent(label: str, device_id: str, collector: str, told: str | None, limit: timedelta) -> Finding:
    return Finding(
        "fail", f"{label} ({device_id}) has been silent since {told}: more than {limit.total_seconds() / 60:.0f} min",
        f"python -m collectors.{collector} --discover tells what its source says of it; see that it has power and is "
        "within reach")
