"""Is this machine's clock right? Judged by the clocks of the sources, as of the last cycles."""

from datetime import timedelta

from health import database
from health.finding import Finding, Findings, failure
from health.setup import Installation
from jobs.cycle_time import CHECK_CLOCK, span
from runtime.errors import StorageError
from storage import inspection
from storage.reading import CLOCK_TOLERANCE


def check(installation: Installation) -> Findings:
    path = database.locate(installation)
    if isinstance(path, Finding):
        is_new = path.level == "warn"
        yield Finding("pass" if is_new else "skipped", "no cycle to judge it by" + ("" if is_new else ": see database_write"))
        return
    yield "reading the last cycles"
    try:
        offsets = inspection.clock_offsets(path)
    except StorageError as error:
        yield failure("skipped", error)
        return
    differences = {name: timedelta(seconds=seconds) for name, seconds in sorted(offsets.items())
                   if name in installation.enabled}
    if not differences:
        yield Finding("pass", "no source has answered a cycle yet")
    yield from _judge(differences)


def _judge(differences: dict[str, timedelta]) -> Findings:
    right = [name for name, difference in differences.items() if abs(difference) <= CLOCK_TOLERANCE]
    for name in right:
        yield Finding("pass", f"this machine's clock agrees with that of {name} within two minutes")
    for name in differences.keys() - set(right):
        difference = differences[name]
        is_ahead = difference > timedelta(0)
        figures = (f"'clock_{name}'={difference.total_seconds():.0f}s;-120:120",)
        if right:
            yield Finding("warn", f"the clock of {name} is {span(difference)} {'behind' if is_ahead else 'ahead of'} this "
                          f"machine's, which {right[0]} confirms", f"see that {name} can reach the internet, from which it "
                          "takes its time", figures)
        else:
            yield Finding("warn", f"this machine's clock is {span(difference)} {'ahead of' if is_ahead else 'behind'} that "
                          f"of {name}", CHECK_CLOCK, figures)
