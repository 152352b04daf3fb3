"""The cost of a Hue cycle beside the predecessor's: `python -m tests.benchmarks.baseline [CYCLES]`.

Runs `python -m jobs.baseline capture` and `compare` on homes of 3, 10 and 50 sensors, whose bridge answers
at the pace of a real one (see docs/performance.md), and at twice its speed. Exits with 1 if a target is missed at the
real pace.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.checkout import CHECKOUT
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

CYCLES = "10"
SENSORS = (3, 10, 50)
PACES: dict[str, dict[str, Any]] = {"a bridge's pace": {}, "twice that speed": {"bytes_per_second": 2_000_000}}


def compare(sensors: int, pace: dict[str, Any], cycles: str) -> tuple[int, str]:
    """Return exit code and output of `compare` for a number of sensors and a pace."""
    with Simulator(sensors=sensors) as simulator, tempfile.TemporaryDirectory(prefix="baseline-") as folder:
        simulator.faults.add("pace", **pace)
        home = Home(Path(folder))
        home.point_at(simulator)
        for action in ("capture", "compare"):
            done = subprocess.run(
                [sys.executable, "-m", "jobs.baseline", action, "--collector", "hue", "--cycles", cycles,
                 "--config", str(home.config)], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT, env=unmeasured())
    return done.returncode, done.stdout


def main() -> int:
    """Print all comparisons."""
    cycles = sys.argv[1] if len(sys.argv) > 1 else CYCLES
    codes = []
    for name, pace in PACES.items():
        for sensors in SENSORS:
            code, output = compare(sensors, pace, cycles)
            print(f"At {name}: {output}")
            codes.append(code if not pace else 0)
    return max(codes)


if __name__ == "__main__":
    raise SystemExit(main())
