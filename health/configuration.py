"""Is config.yaml right?"""

from collections.abc import Iterator
from difflib import get_close_matches

from health.finding import Finding, Findings, failure
from health.setup import Installation
from runtime.errors import StorageError


def check(installation: Installation) -> Findings:
    configuration, error = installation.configuration, installation.error
    if error is not None:
        yield failure("critical", error)
    for warning in configuration.warnings:
        yield Finding("warn", f"{configuration.path}: {warning}", f"correct or remove that line in {configuration.path}")
    others = list(_unknown_ids(installation))
    if error is None and not installation.enabled:
        others.append(Finding("warn", "no collector is enabled, so nothing is collected",
                              f"set enabled of a collector to true in {configuration.path}"))
    yield from others
    if error is None and not configuration.warnings and not others:
        yield Finding("pass", f"{configuration.path} is valid")


def _unknown_ids(installation: Installation) -> Iterator[Finding]:
    """Yield the configured ids that no device has, for each source that has reported devices."""
    configuration = installation.configuration
    try:
        from health import database
        from storage import inspection
        path = database.locate(installation)
        seen = [] if isinstance(path, Finding) else inspection.seen_devices(path)
    except (StorageError, ImportError):  # reported by the checks of the database
        return
    for name, settings in configuration.collectors.items():
        ids = [device_id for device_id, collector in seen if collector == name]
        for where, device_id in settings.mentioned_ids.items() if ids else ():
            if device_id not in ids:
                nearest = "".join(f"; did you mean {other}?" for other in get_close_matches(device_id, ids, n=1, cutoff=0))
                yield Finding("warn", f"collectors.{name}.{where}: no device has this id{nearest}",
                              f"correct or remove that line in {configuration.path}")
