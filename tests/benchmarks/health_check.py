"""What the health check costs: `python -m tests.benchmarks.health_check [RUNS]`.

Alternates it with an interpreter that imports PyYAML and sqlite3, and prints the medians and the ratios of the pairs (the
limit is 3.5 times the time, with --offline). Its processes run side by side: compare times only on idle processors.
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
    """Return the time of a process, and the processor time of it and its children."""
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
