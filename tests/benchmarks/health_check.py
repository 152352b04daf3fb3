"""What the health check costs: `python -m tests.benchmarks.health_check [RUNS]`.

A healthy home is looked at without its sources, and an interpreter that imports PyYAML and sqlite3 is started, by
turns, so that whatever else the machine does hits both alike. Prints the medians in milliseconds and their ratio, and
how long a check takes that asks both sources.
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
    with healthy() as checked_home:
        checked_home.hand_over(os.geteuid())  # as its owner, who need not become somebody else first
        check = [str(CHECKOUT / "healthcheck.py"), "--config", str(checked_home.config)]
        times = [(milliseconds(["-c", "import yaml, sqlite3"]), milliseconds([*check, "--offline"]),
                  milliseconds(check)) for _ in range(runs)]
    bare, offline, whole = (statistics.median(each) for each in zip(*times))
    print(f"yaml and sqlite3 {bare:.1f} ms, --offline {offline:.1f} ms ({offline / bare:.2f} times as long), "
          f"with both sources {whole:.1f} ms; medians of {runs} runs")


if __name__ == "__main__":
    main()
