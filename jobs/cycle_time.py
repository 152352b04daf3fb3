"""The time of a cycle: this machine's, or the source's if this machine's clock is proven wrong.

After a power cut a Raspberry Pi goes on from the last saved time, until NTP corrects it. A machine that is suspended
during a request wakes up hours later.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from runtime.errors import HomeMonitorError
from runtime.formats import format_time
from runtime.system_commands import CLOCK_STATUS
from storage.reading import CLOCK_TOLERANCE

SECOND = timedelta(seconds=1)  # cycles start at whole seconds
FURTHEST_BACK, FURTHEST_AHEAD = timedelta(days=365), timedelta(days=3650)  # of a source whose clock is set
CHECK_CLOCK = f"check the clock of this machine: {CLOCK_STATUS}"


class Clocks(NamedTuple):
    """Our clock at the source's last answer, counted from the start of the cycle; the source's; and ours as it is now.

    `jump` is how far ours has moved since the start beyond the time that has passed, `newest` the newest stored cycle.
    """

    ours: datetime
    source: datetime | None
    present: datetime
    jump: timedelta
    newest: datetime | None


class Verdict(NamedTuple):
    """The time of the cycle if it is not ours, and the warning."""

    time: datetime | None
    warning: HomeMonitorError


def judge(name: str, clocks: Clocks) -> Verdict | None:
    """Compare this machine's clock with the source's; return None if there is nothing to warn about."""
    ours, date, newest = clocks.ours, clocks.source, clocks.newest
    if date is None:
        if newest is None or newest - ours <= CLOCK_TOLERANCE:
            return None
        return _verdict(None, f"is {span(newest - ours)} behind the newest stored cycle ({format_time(newest)}), and "
                        f"{name} gave no time to compare it with", name)
    if abs(ours - date) <= CLOCK_TOLERANCE:
        return None
    difference = f"is {span(ours - date)} {'ahead of' if ours > date else 'behind'} that of {name}"
    if not -FURTHEST_BACK <= date - (newest or clocks.present) <= FURTHEST_AHEAD:
        return _verdict(None, f"{difference}, which is years off", name)
    if newest is not None and newest - ours > SECOND:
        return _verdict(date, f"{difference}, and is behind the newest stored cycle ({format_time(newest)})", name)
    if abs(clocks.jump) > CLOCK_TOLERANCE:
        return _verdict(date, f"jumped by {span(clocks.jump)} during the cycle, which began {span(ours - date)} "
                        f"{'ahead of' if ours > date else 'behind'} the clock of {name}", name)
    return _verdict(None, difference, name)


def _verdict(time: datetime | None, problem: str, name: str) -> Verdict:
    used = f"that of {name} ({format_time(time)})" if time else "this machine's"
    return Verdict(time, HomeMonitorError(f"this machine's clock {problem}; the time of the cycle is {used}", CHECK_CLOCK))


def span(difference: timedelta) -> str:
    """Format a difference for people, without its sign."""
    minutes = round(abs(difference).total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes // 1440} days"
