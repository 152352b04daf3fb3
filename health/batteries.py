"""Is a battery nearly flat? Judged by the newest charge that each active device has reported."""

from health import database
from health.finding import Finding, Findings, failure
from health.setup import Installation
from runtime.errors import StorageError
from storage import inspection

LOW_PERCENT = 15


def check(installation: Installation) -> Findings:
    path = database.locate(installation)
    if isinstance(path, Finding):
        is_new = path.level == "warn"
        yield Finding("pass" if is_new else "skipped", "no charge is stored" + ("" if is_new else ": see database_write"))
        return
    yield "reading the newest charges"
    try:
        batteries = inspection.batteries(path)
    except StorageError as error:
        yield failure("skipped", error)
        return
    batteries = [battery for battery in batteries if battery[2] in installation.enabled]
    for label, device_id, _collector, percent in batteries:
        if percent <= LOW_PERCENT:
            yield Finding("warn", f"the battery of {label} ({device_id}) is at {percent}%", f"{label}: replace its battery")
    lowest = min((percent for *_, percent in batteries), default=None)
    if lowest is None:
        yield Finding("pass", "no device reports a battery")
    else:
        yield Finding("pass", f"{len(batteries)} batteries, the lowest at {lowest}%",
                      figures=(f"'battery'={lowest}%;{LOW_PERCENT + 1}:;;0;100",))
