"""Each system call with which a cycle writes, locks or syncs a file of `data/`, made to fail, or the last one of all.

strace lists the calls of a cycle, then the cycle is run again for each of them: killed there, the call refused with EIO
or ENOSPC, or the disk gone from that call on, for the spool and the database alike. After each, the next cycle must
leave exactly what was collected.
"""

import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import WHOLE
from tests.faults.household import Household, printed, require
from tests.home import Home, Outcome
from tests.simulator.server import Simulator

CALLS = ("write", "writev", "pwrite64", "pwritev", "fsync", "fdatasync", "sync_file_range", "ftruncate", "fallocate",
         "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mkdir",
         "mkdirat", "rmdir", "chmod", "fchmod", "fchmodat", "openat", "flock", "fcntl")
LOOKS_ONLY = re.compile(r"O_RDONLY|F_GET|F_SETFD|F_SETFL")
LOCKS = ("flock", "fcntl")
ONE_CALL, FOR_GOOD = ("KILL", "EIO", "ENOSPC"), ("EIO+", "ENOSPC+")  # +: and so do all calls that follow
# What a cycle says of why it ended so: all is stored; all waits; the spool itself is not well.
WHY = {0: "", 1: "readings wait in the spool", 2: "spool.journal"}
TRIES = 3  # to make a fault: libfaketime makes some calls more where a dead process of the same number left its memory
SAMPLE = 5  # faults of each kind of cycle in a short run
PUT_DOWN = re.compile(r'^pwrite64\(\d+<[^>]*/spool\.journal>, "\+.*\n(?:.*\n)*?'
                      r'fdatasync\(\d+<[^>]*/spool\.journal>\) += 0', re.MULTILINE)


@dataclass(frozen=True)
class Call:
    """A system call that has to do with a file of `data`.

    It is the `number`th of that name; so many of each name, in `before`, had to do with files whose names are known.
    """

    name: str
    number: int
    file: str
    changes: bool
    before: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.name} {self.number} of {self.file}"

    @property
    def has_known_name(self) -> bool:
        """Tell whether strace can be told the file's name beforehand."""
        return not self.file.endswith(".tmp")


def calls(trace: str, data: Path) -> list[Call]:
    """Given what strace told, return the calls that have to do with `data` or a file in it."""
    found, numbers, before = [], Counter[str](), Counter[str]()
    for line in trace.splitlines():
        name = line.partition("(")[0]
        numbers[name] += 1
        path = re.search(rf'[<"]({re.escape(str(data))}[^">]*)[>"]', line)
        if name in CALLS and path:
            file = re.sub(r"[0-9a-f]{8}\.tmp", "tmp", path[1].removeprefix(str(data)).strip("/")) or "."
            call = Call(name, numbers[name], file, not LOOKS_ONLY.search(line), dict(before))
            before[name] += call.has_known_name
            found.append(call)
    return found


@dataclass
class Bench:
    """One kind of cycle, to be run again and again from the same state: the files in `before`, at `moment`."""

    household: Household
    trace: Path

    def __post_init__(self) -> None:
        self.data = self.household.home.data
        self.before = self.data.with_name("before")
        shutil.copytree(self.data, self.before)
        self.moment, self.known = self.household.moment, frozenset(self.household.collected)
        assert self.strace().code == 0
        every = calls(self.trace.read_text(), self.data)
        self.calls = [call for call in every if call.changes]
        self.files = {call.file for call in every if call.has_known_name}

    def strace(self, *options: str) -> Outcome:
        """Run the cycle under strace, from the state before it."""
        shutil.rmtree(self.data)
        shutil.copytree(self.before, self.data)
        self.household.be_at(self.moment)
        self.household.collected = set(self.known)
        return self.household.process(
            "strace", "-y", "-s", "12", "-o", str(self.trace), "-e", f"trace={','.join(CALLS)}", *options)

    def run(self, call: Call, fault: str) -> Outcome:
        """Run the cycle with that fault at that call."""
        for _ in range(TRIES):
            outcome = self.strace(*self.options(call, fault))
            if self.hit(fault) == (call.name, call.file):
                break
        return outcome

    def options(self, call: Call, fault: str) -> list[str]:
        """Return what strace has to be told."""
        if fault == "KILL":
            return ["-e", f"inject={call.name}:signal=KILL:when={call.number}"]
        if fault in FOR_GOOD:
            every = [f"inject={name}:error={fault[:-1]}:when={call.before.get(name, 0) + 1}+" for name in CALLS]
            return [option for file in self.files for option in ("-P", str(self.data / file))] + [
                option for each in every for option in ("-e", each)]
        return ["-e", f"inject={call.name}:error={fault}:when={call.number}"]

    def hit(self, fault: str) -> tuple[str, str] | None:
        """Return the call and the file that the fault was really at."""
        lines = [line for line in self.trace.read_text().splitlines() if not line.startswith(("---", "+++"))]
        met = lines[-1:] if fault == "KILL" else [line for line in lines if "(INJECTED)" in line][:1]
        return next(((each.name, each.file) for each in calls("\n".join(met), self.data)), None)


def problems(bench: Bench, call: Call, fault: str) -> Iterator[str]:
    """Make one fault, let the next cycle run, and yield what is wrong then."""
    household, run = bench.household, bench.run(call, fault)
    if bench.hit(fault) != (call.name, call.file):
        yield f"the fault was made at {bench.hit(fault)}"
    given = household.collected - bench.known
    is_stored = given <= set(household.stored_at_once())
    yield from untrue(run, fault, is_stored)
    may_be_lost = fault == "KILL" and not is_stored and not PUT_DOWN.search(bench.trace.read_text())
    yield from household.problems(household.collected - printed(run.err) - (given if may_be_lost else set()))


def untrue(run: Outcome, fault: str, is_stored: bool) -> Iterator[str]:
    """Yield what is wrong with how a cycle ended and what it said."""
    if fault == "KILL":
        if run.code != -signal.SIGKILL:
            yield f"killed, it ends with {run.code}"
        return
    if run.code not in WHY:
        yield f"it ends with {run.code}"
        return
    if run.code == 0 and not is_stored:
        yield "it ends with 0, and its readings are not stored"
    if len(run.err.splitlines()) > 1 or "fault in the program" in run.err:
        yield f"it says {run.err}"
    if WHY[run.code] not in run.err:
        yield f"it ends with {run.code} and says {run.err}"


@pytest.fixture
def household(home: Home) -> Iterator[Household]:
    require("strace", "faketime")
    with Simulator(tls=None) as simulator:
        yield Household(home, simulator)


def a_usual_cycle(household: Household) -> None:
    for _ in range(2):
        assert household.run().code == 0


def the_first_cycle(household: Household) -> None:
    """Nothing is there."""


def the_first_cycle_with_a_spool(household: Household) -> None:
    a_usual_cycle(household)
    (household.home.data / "spool.journal").unlink()


def a_cycle_after_one_that_waits(household: Household) -> None:
    a_usual_cycle(household)
    with household.database_held():
        assert household.run().code == 1


def plan(bench: Bench, faults: tuple[str, ...]) -> list[tuple[Call, str]]:
    """Return the faults to make: no lock runs out of space, and strace must know the names of what is gone for good.

    SQLite's own locks are tried for one call, in the usual cycle; they are the same in the others.
    """
    return [(call, fault) for fault in faults for call in bench.calls
            if not (call.name in LOCKS and fault.startswith("ENOSPC"))
            and (call.has_known_name or fault not in FOR_GOOD)
            and not (call.name == "fcntl" and (fault in FOR_GOOD or FOR_GOOD[0] not in faults))]


@pytest.mark.parametrize("prepare, faults", [
    (a_usual_cycle, ONE_CALL + FOR_GOOD),
    (the_first_cycle, ONE_CALL),
    (the_first_cycle_with_a_spool, ONE_CALL),
    (a_cycle_after_one_that_waits, ONE_CALL),
])
def test_no_call_that_fails_costs_a_reading(household: Household, tmp_path: Path, faults: tuple[str, ...],
                                            prepare: Callable[[Household], None]) -> None:
    prepare(household)
    bench = Bench(household, tmp_path / "trace")
    planned = plan(bench, faults)
    if not WHOLE:
        planned = planned[::len(planned) // SAMPLE][-SAMPLE:]
    found = [f"{fault} at {call}: {problem}" for call, fault in planned for problem in problems(bench, call, fault)]
    assert not found, "\n".join(found)
    print(f"\n{prepare.__name__}: {len(bench.calls)} calls, {len(planned)} faults, nothing lost or double")
