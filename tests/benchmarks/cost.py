"""What a run costs, against the floor: `python -m tests.benchmarks.cost [RUNS]`.

Each program runs as a process, alternating with `floor.py`, so that other load on the machine affects both. The table
has the median ratios of wall and CPU time, and the peak memory; where valgrind is installed also instructions, which
vary by less than a hundredth. The first run of each is not counted, nor is compiling to bytecode, which `make install`
does.

Over https the floor does not check the certificate, like most scripts for a bridge; we check its fingerprint.
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.checked_home import CheckedHome
from tests.checkout import CHECKOUT, ROOMS
from tests.home import unmeasured
from tests.simulator.server import Simulator

RUNS = 15
FLOOR = Path(__file__).with_name("floor.py")
# A process inherits the peak memory of its parent, so the parent must be small.
SPAWN = """
import json, os, resource, sys, time
started = time.monotonic()
code = os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)[1])
wall, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, wall * 1000, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024]))
"""


class Cost(NamedTuple):
    """One run: wall and CPU time in milliseconds, peak memory in MiB."""

    wall: float
    cpu: float
    memory: float


class Case(NamedTuple):
    """A program and its floor."""

    name: str
    command: Sequence[str]
    floor: Sequence[str]
    config: Path


def run(command: Sequence[str], config: Path) -> Cost:
    """Run a program that succeeds; return its cost."""
    done = subprocess.run([sys.executable, "-ISc", SPAWN, sys.executable, *command], capture_output=True, text=True,
                          check=True, cwd=tempfile.gettempdir(), env=environment(config))
    code, *cost = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, f"{command} ended with {code}: {done.stderr}"
    return Cost(*cost)


def instructions(command: Sequence[str], config: Path) -> float:
    """Return how many million instructions a program executes, without its children."""
    done = subprocess.run(
        ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable,
         *command], capture_output=True, text=True, check=True, cwd="/", env=environment(config))
    count, = re.findall(r"I\s+refs:\s+([\d,]+)", done.stderr)[-1:]
    return int(count.replace(",", "")) / 1e6


def environment(config: Path) -> dict[str, str]:
    """Return an environment with this configuration, in which the checkout can be imported from any folder."""
    return unmeasured() | {"PYTHONPATH": str(CHECKOUT), "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore",
                           "HOME_MONITOR_CONFIG": str(config)}


def cases(stack: ExitStack, folder: Path) -> Iterator[Case]:
    """Yield the programs to measure, in homes with one cycle behind them."""
    for sensors in (5, 50):
        simulator = stack.enter_context(Simulator(sensors=sensors))
        for scheme in ("http", "https"):
            home = CheckedHome(folder / f"{scheme}{sensors}", simulator)
            home.point_at(simulator, scheme=scheme)
            home.keep_secrets()
            assert [run.code for run in home.collect()] == [0, 0]
            floor = [str(FLOOR), *map(str, (home.config, home.secrets, home.folder / "floor.db"))]
            yield Case(f"Hue, {sensors} sensors, {scheme}", ["-m", "collectors.hue"], floor, home.config)
            if (sensors, scheme) == (5, "http"):
                yield Case("Amazon", ["-m", "collectors.amazon_aqm"], floor, home.config)
                yield Case("healthcheck.py --offline", [str(CHECKOUT / "healthcheck.py"), "--offline"], floor,
                           home.config)
                yield Case("devices.py list", [str(CHECKOUT / "devices.py"), "list"], floor, home.config)


def table_row(case: Case, runs: int) -> str:
    pairs = [(run(case.floor, case.config), run(case.command, case.config)) for _ in range(runs + 1)][1:]
    wall, cpu = (statistics.median(ours[index] / floor[index] for floor, ours in pairs) for index in (0, 1))
    memory, milliseconds = max(ours.memory for _, ours in pairs), statistics.median(ours.cpu for _, ours in pairs)
    line = f"{case.name:26} {wall:5.2f} {cpu:5.2f} {milliseconds:7.0f} ms {memory:6.1f} MiB"
    if shutil.which("valgrind"):
        count, floor = (instructions(command, case.config) for command in (case.command, case.floor))
        line += f" {count / floor:8.2f} {count:6.0f} million"
    return line


def main() -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", *(
        str(CHECKOUT / name) for name in ROOMS)], check=True)
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    print(f"Against the floor, medians of {runs} pairs:\n{'':27} wall   CPU              memory       instructions")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for case in cases(stack, Path(folder)):
            print(table_row(case, runs), flush=True)


if __name__ == "__main__":
    main()
