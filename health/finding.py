"""The answers of a check: findings, and the stage it has reached, which is shown if it never gets further."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from runtime.errors import HomeMonitorError

LEVELS = ("skipped", "pass", "warn", "fail", "critical")


class Finding(NamedTuple):
    """A sentence with its level (one of LEVELS), and the exact command or key that helps.

    `figures` are numbers to draw curves of, as monitoring plugins write them: `'label'=value[unit];[warn];[fail]`.
    """

    level: str
    sentence: str
    remedy: str = ""
    figures: tuple[str, ...] = ()


Findings = Iterator[Finding | str]


class Result:
    """The answer of a component, at first none."""

    level = ""
    message = ""
    remedy = ""
    duration_ms = 0.0
    figures: Sequence[str] = ()
    stage = "starting"
    is_late = False

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def status(self) -> str:
        return "fail" if self.level == "critical" else self.level

    @property
    def code(self) -> int:
        return {"fail": 1, "critical": 2}.get(self.level, 0)


def failure(level: str, error: HomeMonitorError, remedy: str = "") -> Finding:
    """Return a finding for an error; `remedy` is for one that has none."""
    return Finding(level, str(error), error.remedy or remedy)


def attempt(work: Callable[[], object]) -> str:
    """Do some work; return what went wrong, if anything did."""
    try:
        work()
    except (Exception, SystemExit) as error:  # the one isolation point: a bug in one check must not hide the others
        return f"a fault in the program, please report it: {type(error).__name__}: {error}"
    return ""
