"""Phases, and their schedules of mishaps, drawn from a seed: the same seed, the same schedule.

No two lasting mishaps overlap, and a quiet cycle follows each, so that a missing reading has one reason. Short ones (a
kill, a database held for seconds) fall on any other cycle.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random

HARMED_IN_PASSING = ("disk full", "database held")  # mishaps during which a run may be killed, too
COLLECTORS = ("hue", "amazon_aqm", "weather")
LONGEST_PAUSE = timedelta(hours=4)  # the longest for which a throttling cloud is left alone
ATTEMPTS = 100
LEFT_ALONE = {"cloud throttles": (15, 2), "refused for a while": (5, 3)}  # minutes of the first pause, and the factor


@dataclass(frozen=True)
class Mishap:
    """A fault from the cycle at `start` until before the cycle at `end`."""

    kind: str
    start: datetime
    end: datetime
    options: Mapping[str, object] = field(default_factory=dict)

    def covers(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@dataclass(frozen=True)
class Phase:
    """So many hours from a start, a cycle every so many minutes, in a time zone; `mishaps` are (kind, cycles) to draw.

    `off` are the hours from the start between which the computer is off. `kills` and `locks` are how many runs are
    killed, and at how many cycles another program holds the database for some seconds. The hour, part of every test
    run, waits less for it than the shipped settings do.
    """

    name: str
    start: datetime
    hours: float
    minutes: int
    zone: str
    mishaps: tuple[tuple[str, int], ...]
    kills: int
    locks: int
    off: tuple[float, float] | None = None
    disk_megabytes: int | None = None
    busy_timeout_ms: int = 5000

    @property
    def every(self) -> timedelta:
        return timedelta(minutes=self.minutes)

    def cycle_of(self, timestamp: str) -> datetime:
        """Return the time of the cycle in which something happened."""
        return self.start + (datetime.fromisoformat(timestamp) - self.start) // self.every * self.every

    def moments(self) -> list[datetime]:
        return [self.start + self.every * turn for turn in range(int(timedelta(hours=self.hours) / self.every) + 1)]


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type,misc]  # mypy cannot count the parts


PASSING = (("update", 1), *[("cookies expire", 1)] * 3, *[("503", 1)] * 3, *[("429", 1)] * 3, *[("bad answers", 1)] * 3,
           *[("a drip", 1)] * 2, *[("bridge moves", 1)] * 2)
HOUR = Phase("hour", _utc(2026, 10, 25, 5, 48), 1.5, 3, "Europe/Berlin", (
    ("update", 1), ("cookies expire", 1), ("503", 1), ("network away", 1), ("bridge moves", 1), ("login revoked", 2),
    ("database held", 1), ("disk unmounted", 2), ("clock behind", 1), ("broker down", 2)), 1, 1, busy_timeout_ms=500)
DAY = Phase("day", _utc(2026, 10, 24, 12), 24, 1, "Europe/Berlin", (
    *PASSING, ("network away", 20), ("network and database", 2), ("429 with a time", 6), ("cloud throttles", 60),
    ("drips", 2), ("bridge restarts", 9), ("sensor off", 30), ("monitor offline", 30), ("database held", 5),
    ("disk full", 60), ("login revoked", 180), ("clock behind", 5), ("refused for a while", 3),
    ("disk unmounted", 60), ("broker down", 30), ("monitor frozen", 240)), 60, 40, (9.0, 10.5), 400)
WEEK = Phase("week", _utc(2027, 3, 25), 168, 5, "Europe/Berlin", (
    *PASSING * 3, ("network away", 36), ("network away", 6), ("network and database", 2), ("429 with a time", 6),
    ("429 with a time", 4), ("cloud throttles", 24), ("drips", 2), ("drips", 2), ("bridge restarts", 4),
    ("bridge restarts", 4), ("sensor off", 144), ("monitor offline", 72), ("database held", 12), ("disk full", 12),
    ("login revoked", 360), ("clock behind", 5), ("refused for a while", 3),
    ("disk unmounted", 12), ("broker down", 24), ("monitor frozen", 60)), 60, 40, (46.0, 53.75), 400)
MONTH = Phase("month", _utc(2027, 1, 1), 720, 1, "Europe/Berlin", (), 0, 0)
PHASES = {phase.name: phase for phase in (HOUR, DAY, WEEK)}


class NoRoom(ValueError):
    """The mishaps drawn so far leave no room for the rest."""


def draw(phase: Phase, seed: int) -> list[Mishap]:
    """Return the mishaps of a phase, sorted by start. Raise NoRoom if they do not fit."""
    for attempt in range(ATTEMPTS):
        try:
            return _drawn(phase, Random(f"{phase.name} {seed} {attempt}"))
        except NoRoom:
            continue
    raise NoRoom(f"the schedule of {phase.name} has no room for its mishaps")


def _drawn(phase: Phase, chance: Random) -> list[Mishap]:
    moments = phase.moments()
    is_free = [1 < turn < len(moments) - 2 for turn in range(len(moments))]
    drawn = list(_nights(phase, moments, is_free))
    longest_first = sorted(phase.mishaps, key=lambda mishap: -mishap[1])
    for kind, cycles in longest_first:
        turn = chance.choice(_free_starts(is_free, cycles + _tail(phase, kind, cycles)))
        taken = cycles + _tail(phase, kind, cycles) + 1
        is_free[turn:turn + taken] = [False] * taken
        drawn.append(Mishap(kind, moments[turn], moments[turn] + phase.every * cycles, _options(kind, chance)))
    drawn += _short_ones(phase, chance, moments, is_free, drawn)
    return sorted(drawn, key=lambda mishap: (mishap.start, mishap.kind))


def asked_while_left_alone(mishap: Mishap, every: timedelta) -> Iterator[datetime]:
    """Yield when a cloud is asked: at once, then after 15, 30, 60, ... min (a refusal: 5, 15, ...); the last one succeeds."""
    asked, (minutes, factor) = mishap.start, LEFT_ALONE[mishap.kind]
    pause = timedelta(minutes=minutes)
    yield asked
    while asked < mishap.end:
        asked, pause = mishap.start - (mishap.start - asked - pause) // every * every, min(factor * pause, LONGEST_PAUSE)
        yield asked


def _tail(phase: Phase, kind: str, cycles: int) -> int:
    """Return for how many cycles after its end a mishap has an effect."""
    if kind in LEFT_ALONE:
        mishap = Mishap(kind, phase.start, phase.start + phase.every * cycles)
        return (list(asked_while_left_alone(mishap, phase.every))[-1] - mishap.end) // phase.every + 2
    return 0


def _free_starts(is_free: list[bool], length: int) -> list[int]:
    starts = [turn for turn in range(len(is_free) - length) if all(is_free[turn:turn + length + 1])]
    if not starts:
        raise NoRoom
    return starts


def _nights(phase: Phase, moments: list[datetime], is_free: list[bool]) -> Iterator[Mishap]:
    if phase.off:
        first, end = (round(timedelta(hours=hours) / phase.every) for hours in phase.off)
        is_free[first:end + 2] = [False] * (end + 2 - first)
        yield Mishap("computer off", moments[first], moments[end])


def _options(kind: str, chance: Random) -> dict[str, object]:
    if kind == "bad answers":
        return {"answer": chance.choice(["500", "502", "not-json", "truncated"])}
    if kind == "sensor off":
        return {"sensor": chance.randrange(5)}
    return {}


def _short_ones(phase: Phase, chance: Random, moments: list[datetime], is_free: list[bool],
               drawn: list[Mishap]) -> Iterator[Mishap]:
    quiet = [moment for moment, free in zip(moments, is_free) if free]
    held = chance.sample(quiet, phase.locks)
    for moment in held:
        longer = 1.4 * phase.busy_timeout_ms / 1000 * chance.random() ** 4
        seconds = round(1.0 + longer, 2)  # most are short, the longest outlasts a busy timeout
        yield Mishap("database held for seconds", moment, moment + phase.every, {"seconds": seconds})
    harmed = [moment for moment in moments for each in drawn
              if each.covers(moment) and each.start < moment and each.kind in HARMED_IN_PASSING]
    for moment in chance.sample(sorted({*quiet, *harmed} - {*held}), phase.kills):
        yield Mishap("kill -9", moment, moment + phase.every, {
            "collector": chance.choice(COLLECTORS), "seconds": round(0.02 + 0.16 * chance.random(), 3)})
