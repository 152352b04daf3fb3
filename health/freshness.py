"""Is any device silent? Judged by its newest reading, not by whether the jobs ran."""

from datetime import timedelta

from health import database
from health.finding import Finding, Findings, failure
from health.setup import Installation
from jobs import overdue
from jobs.cycle_time import CHECK_CLOCK
from runtime.commands import command
from runtime.errors import StorageError, Unfinished
from runtime.formats import parse_time, pluralize
from storage import inspection
from storage.overview import AT_LEAST, stale_after

TOLERANCE = timedelta(minutes=5)  # of a timestamp in the future; beyond it a clock is wrong


def check(installation: Installation) -> Findings:
    path = database.locate(installation)
    nothing = Finding("warn", "nothing has been collected yet", installation.collect_command)
    if isinstance(path, Finding):
        yield nothing if path.level == "warn" else path
        return
    yield "reading the newest readings"
    try:
        devices, newest = inspection.newest_readings(path)
        cycle = inspection.last_cycle(path)
    except StorageError as error:
        level = "warn" if isinstance(error, Unfinished) else "fail"
        yield failure(level, error, command("healthcheck.py", "--only", "database_write"))
        return
    hanging = {name: held for name in installation.enabled if (held := _hanging(name, installation))}
    yield from (failure("fail", held) for held in hanging.values())
    enabled = [device for device in devices if device[2] in installation.enabled and device[2] not in hanging]
    without_values = list(_without_values(enabled, installation))
    yield from without_values
    if hanging and not enabled:
        return
    if newest is not None:
        yield from _judge(enabled, newest, installation)
    elif cycle is None:
        yield nothing
    elif not without_values:
        problem, _, remedy = (cycle[1] or "the source gave no value").partition(" Remedy: ")
        yield Finding("fail", f"nothing has been collected, although cycles have run, the last one at {cycle[0]}: {problem}",
                      remedy or f"see what the source reports: {installation.collect_command} --discover")


def _hanging(name: str, installation: Installation) -> StorageError | None:
    configuration = installation.configuration
    return overdue.find(configuration.data / f"{name}.lock", installation.request.now,
                        configuration.collection.interval_seconds)


def _without_values(devices: list[inspection.DeviceReading], installation: Installation) -> Findings:
    """Report devices that have never given a value, whatever others give."""
    for label, device_id, collector, newest, first_seen in devices:
        if newest is None and first_seen is not None and parse_time(first_seen) <= installation.request.now - AT_LEAST:
            yield Finding("fail", f"{label} ({device_id}) has never given a value since it was first seen at {first_seen}",
                          f"see why: {command(f'collectors.{collector}', '--discover')}; if you no longer have it: "
                          f"{command('devices.py', 'forget', device_id)}")


def _judge(devices: list[inspection.DeviceReading], newest: str, installation: Installation) -> Findings:
    now = installation.request.now
    limit = stale_after(installation.configuration.collection.interval_seconds)
    age = now - parse_time(newest)
    figures = (f"'newest_reading'={age.total_seconds():.0f}s;;{limit.total_seconds():.0f}",)
    if age < -TOLERANCE:
        yield Finding("warn", f"the newest reading has the time {newest}, which is in the future",
                      CHECK_CLOCK, figures)
    if age > limit:
        yield Finding("fail", f"no reading of any device since {newest}: is cron running?",
                      "see with crontab -l whether the collectors are started; run one by hand: "
                      f"{installation.collect_command}", figures)
        return
    for label, device_id, collector, timestamp, _first_seen in devices:
        if timestamp is not None and parse_time(timestamp) < now - limit:
            yield Finding("fail", f"{label} ({device_id}) has been silent since {timestamp}: more than "
                          f"{limit.total_seconds() / 60:.0f} min", "see that it has power and is within reach; what its "
                          f"source reports of it: {command(f'collectors.{collector}', '--discover')}")
    active = pluralize(len(devices), "active device")
    yield Finding("pass", f"{active}, the newest reading is {age.total_seconds():.0f} s old", figures=figures)
