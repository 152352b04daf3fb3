"""Every system call with which a cycle writes, locks or syncs a file of `data/` fails, or is its last one.

strace lists the calls of a cycle, then the cycle is run again for each of them: killed there, the call refused with EIO
or ENOSPC, or the disk gone from that call on, for the spool and the database alike. After that, the next cycle must
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
ONE_CALL, PERMANENT = ("KILL", "EIO", "ENOSPC"), ("EIO+", "ENOSPC+")  # +: this call and all that follow
# What a cycle prints by its exit code: all stored; all spooled; the spool itself failed.
WHY = {0: "", 1: "readings wait in the spool", 2: "spool.journal"}
TRIES = 3  # to make a fault: libfaketime makes more calls if a dead process with the same number left its memory
SAMPLE = 5  # faults of each kind of cycle in a short run
SPOOLED = re.compile(r'^pwrite64\(\d+<[^>]*/spool\.journal>, "\+.*\n(?:.*\n)*?'
                      r'fdatasync\(\d+<[^>]*/spool\.journal>\) += 0', re.MULTILINE)


@dataclass(frozen=True)
class Call:
    """A system call on a file of `data`, the `number`th of that name.

    `before` counts the earlier calls of every name on files whose names are known.
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
        """Return whether the file's name is known beforehand, for strace."""
        return not self.file.endswith(".tmp")


def calls(trace: str, data: Path) -> list[Call]:
    """Parse strace's output; return the calls on `data` or a file in it."""
    result, numbers, before = [], Counter[str](), Counter[str]()
    for line in trace.splitlines():
        name = line.partition("(")[0]
        numbers[name] += 1
        path = re.search(rf'[<"]({re.escape(str(data))}[^">]*)[>"]', line)
        if name in CALLS and path:
            file = re.sub(r"\d+-[0-9a-f]{8}\.tmp", "tmp", path[1].removeprefix(str(data)).strip("/")) or "."
            call = Call(name, numbers[name], file, not LOOKS_ONLY.search(line), dict(before))
            before[name] += call.has_known_name
            result.append(call)
    return result


@dataclass
class Bench:
    """A kind of cycle that is run repeatedly from the same state: the files in `before`, at `moment`."""

    household: Household
    trace: Path

    def __post_init__(self) -> None:
        self.data = self.household.home.data
        self.before = self.data.with_name("before")
        shutil.copytree(self.data, self.before)
        self.witness = self.household.home.config.with_name("record.id")
        self.witnessed = self.witness.read_bytes() if self.witness.exists() else None
        self.moment, self.known = self.household.moment, frozenset(self.household.collected)
        assert self.strace().code == 0
        every = calls(self.trace.read_text(), self.data)
        self.calls = [call for call in every if call.changes]
        self.files = {call.file for call in every if call.has_known_name}

    def strace(self, *options: str) -> Outcome:
        """Run the cycle under strace, from the state before it."""
        shutil.rmtree(self.data)
        shutil.copytree(self.before, self.data)
        self.witness.unlink(missing_ok=True)
        self.witness.with_name("waiting.journal").unlink(missing_ok=True)
        if self.witnessed is not None:
            self.witness.write_bytes(self.witnessed)
        self.household.be_at(self.moment)
        self.household.collected = set(self.known)
        return self.household.process(
            "strace", "-y", "-s", "12", "-o", str(self.trace), "-e", f"trace={','.join(CALLS)}", *options)

    def run(self, call: Call, fault: str) -> Outcome:
        for _ in range(TRIES):
            outcome = self.strace(*self.options(call, fault))
            if self.hit(fault) == (call.name, call.file):
                break
        return outcome

    def options(self, call: Call, fault: str) -> list[str]:
        if fault == "KILL":
            return ["-e", f"inject={call.name}:signal=KILL:when={call.number}"]
        if fault in PERMANENT:
            every = [f"inject={name}:error={fault[:-1]}:when={call.before.get(name, 0) + 1}+" for name in CALLS]
            return [option for file in self.files for option in ("-P", str(self.data / file))] + [
                option for each in every for option in ("-e", each)]
        return ["-e", f"inject={call.name}:error={fault}:when={call.number}"]

    def hit(self, fault: str) -> tuple[str, str] | None:
        """Return the call and the file that the fault really hit."""
        lines = [line for line in self.trace.read_text().splitlines() if not line.startswith(("---", "+++"))]
        met = lines[-1:] if fault == "KILL" else [line for line in lines if "(INJECTED)" in line][:1]
        return next(((each.name, each.file) for each in calls("\n".join(met), self.data)), None)


def problems(bench: Bench, call: Call, fault: str) -> Iterator[str]:
    """Make one fault, run the next cycle, and yield what is wrong then."""
    household, run = bench.household, bench.run(call, fault)
    if bench.hit(fault) != (call.name, call.file):
        yield f"the fault hit {bench.hit(fault)}"
    given = household.collected - bench.known
    is_stored = given <= set(household.stored_at_once())
    yield from mistakes(run, fault, is_stored)
    may_be_lost = fault == "KILL" and not is_stored and not SPOOLED.search(bench.trace.read_text())
    yield from household.problems(household.collected - printed(run.err) - (given if may_be_lost else set()))


def mistakes(run: Outcome, fault: str, is_stored: bool) -> Iterator[str]:
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
        yield f"it prints {run.err}"
    if WHY[run.code] not in run.err:
        yield f"it ends with {run.code} and prints {run.err}"


@pytest.fixture
def household(home: Home) -> Iterator[Household]:
    require("strace", "faketime")
    with Simulator(tls=None) as simulator:
        yield Household(home, simulator)


def a_usual_cycle(household: Household) -> None:
    for _ in range(2):
        assert household.run().code == 0


def the_first_cycle(household: Household) -> None:
    """Start without any files."""


def the_first_cycle_with_a_spool(household: Household) -> None:
    a_usual_cycle(household)
    (household.home.data / "spool.journal").unlink()


def a_cycle_after_one_that_waits(household: Household) -> None:
    a_usual_cycle(household)
    with household.database_held():
        assert household.run().code == 1


def plan(bench: Bench, faults: tuple[str, ...]) -> list[tuple[Call, str]]:
    """Return the faults to make: locks need no space, and strace must know the names for a permanent fault.

    SQLite's own locks fail for one call each, in the usual cycle only; they are the same in the others.
    """
    return [(call, fault) for fault in faults for call in bench.calls
            if not (call.name in LOCKS and fault.startswith("ENOSPC"))
            and (call.has_known_name or fault not in PERMANENT)
            and not (call.name == "fcntl" and (fault in PERMANENT or PERMANENT[0] not in faults))]


@pytest.mark.parametrize("prepare, faults", [
    (a_usual_cycle, ONE_CALL + PERMANENT),
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
    failures = [f"{fault} at {call}: {problem}" for call, fault in planned for problem in problems(bench, call, fault)]
    assert not failures, "\n".join(failures)
    print(f"\n{prepare.__name__}: {len(bench.calls)} calls, {len(planned)} faults, nothing lost or double")
