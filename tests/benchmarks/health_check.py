"""What the health check costs: `python -m tests.benchmarks.health_check [RUNS]`.

Alternates a check of a healthy home without its sources with an interpreter that imports PyYAML and sqlite3, so that
other load of the machine affects both. Prints the medians in milliseconds and their ratio (the limit is 3.5), and the
median of a check that asks both sources.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.checked_home import healthy
from tests.checkout import CHECKOUT, ROOMS

RUNS = 25


def milliseconds(command: Sequence[str]) -> float:
    """Return how long a process takes from its start to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True,
                   env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    return (time.perf_counter() - started) * 1000


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    subprocess.run([sys.executable, "-m", "compileall", "-q", *map(str, (
        CHECKOUT / name for name in (*ROOMS, "healthcheck.py")))], check=True)
    with healthy() as home:
        home.hand_over(os.geteuid())  # as its owner, who need not become another user first
        check = [str(CHECKOUT / "healthcheck.py"), "--config", str(home.config)]
        times = [(milliseconds(["-c", "import yaml, sqlite3"]), milliseconds([*check, "--offline"]),
                  milliseconds(check)) for _ in range(runs)]
    bare, offline, online = (statistics.median(column) for column in zip(*times))
    print(f"yaml and sqlite3 {bare:.1f} ms, --offline {offline:.1f} ms ({offline / bare:.2f} times as long), "
          f"with both sources {online:.1f} ms; medians of {runs} runs")


if __name__ == "__main__":
    main()
