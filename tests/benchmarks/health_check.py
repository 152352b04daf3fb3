"""What the health check costs: `python -m tests.benchmarks.health_check [RUNS]`.

Alternates a check of a healthy home without its sources with an interpreter that imports PyYAML and sqlite3, so that
other load of the machine affects both. Prints the medians in milliseconds and of the ratios of the pairs (the limit is 3.5
times the time), and the medians of a check that asks both sources. Its processes run side by side, so that on busy
processors the time says more about the other load; the processor time, of all of them, says less.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from operator import truediv

from tests.checked_home import healthy
from tests.checkout import CHECKOUT, ROOMS

RUNS = 25


def milliseconds(command: Sequence[str]) -> tuple[float, float]:
    """Return how long a process takes from its start to its end, and its processor time with that of its children."""
    used, started = _processor_seconds(), time.perf_counter()
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True,
                   env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    return (time.perf_counter() - started) * 1000, (_processor_seconds() - used) * 1000


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    subprocess.run([sys.executable, "-m", "compileall", "-q", *map(str, (
        CHECKOUT / name for name in (*ROOMS, "healthcheck.py")))], check=True)
    with healthy() as home:
        home.hand_over(os.geteuid())  # as its owner, who need not become another user first
        check = [str(CHECKOUT / "healthcheck.py"), "--config", str(home.config)]
        times = [(milliseconds(["-c", "import yaml, sqlite3"]), milliseconds([*check, "--offline"]),
                  milliseconds(check)) for _ in range(runs)]
    for which, unit in enumerate(("ms", "ms of processor time")):
        columns = list(zip(*([cost[which] for cost in run] for run in times)))
        bare, offline, online = map(statistics.median, columns)
        ratio, online_ratio = (statistics.median(map(truediv, column, columns[0])) for column in columns[1:])
        print(f"yaml and sqlite3 {bare:.1f} {unit}, --offline {offline:.1f} ({ratio:.2f} times), with both sources "
              f"{online:.1f} ({online_ratio:.2f} times); medians of {runs} runs")


if __name__ == "__main__":
    main()
