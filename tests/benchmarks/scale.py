"""What ten million stored readings cost whoever comes by: `python -m tests.benchmarks.scale`.

    --readings N   as many as that (10 000 000, nearly ten years of ten sensors; made in three minutes, 3.3 GB)
    --home FOLDER  make the home there and leave it, or use the one that an earlier run has left
    --pairs N      as many cycles on either database (15)

Two homes ask the same simulated bridge by turns, one with all those readings and one with hardly any, so that whatever
else the machine does hits both alike; what is compared is the median of the pairs. Commands that only people start are
held against the seconds they may take. Ends with 1 where a bar is missed.
"""

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from storage import readings
from tests.benchmarks import years
from tests.checkout import CHECKOUT
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

SENSORS = 10
LIKE_NONE = 1.10
BARS = {
    "healthcheck.py --offline": 1.0,
    "devices.py list": 0.5,
    "devices.py gaps --since 7d": 2.0,
}
RUNS = 5
NEWEST_BY_SCANNING = """
    SELECT
        device_id,
        MAX(timestamp) AS newest,
        battery_level
    FROM readings
    GROUP BY device_id
"""


def spent(command: Sequence[str]) -> tuple[float, float]:
    """Run a process that has to end with 0 or 1; return the seconds it took, and the processor's."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=CHECKOUT, env=unmeasured(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        print(f"  {' '.join(command[1:])} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def furnish(folder: Path, simulator: Simulator, readings: int) -> Home:
    """Return the home in a folder, pointed at the bridge; a new one gets so many readings."""
    home = Home(folder)
    home.point_at(simulator)
    is_new = not home.database.exists()
    assert home.process().code == 0
    if is_new and readings:
        started = time.perf_counter()
        years.fill(home.database, readings)
        print(f"{readings} readings made in {time.perf_counter() - started:.0f} s")
    return home


def weigh(database: Path) -> None:
    """Print how many bytes a reading takes, in the table and in each index."""
    with closing(sqlite3.connect(database)) as connection:
        count, = connection.execute("SELECT COUNT(*) FROM readings").fetchone()
        sizes = connection.execute("""
            SELECT
                name,
                SUM(pgsize)
            FROM dbstat('main', 1)
            WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = 'readings')
            GROUP BY name
            ORDER BY name
        """).fetchall()
    parts = ", ".join(f"{name} {size / count:.0f}" for name, size in sizes)
    print(f"{count} readings, {sum(size for _, size in sizes) / count:.0f} bytes each: {parts}")


def look_up(database: Path) -> None:
    """Print how long the newest reading of every device takes as the program asks for it, and by a scan."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        started = time.perf_counter()
        found = [readings.newest(connection, each) for each in readings.device_ids(connection)]
        looked_up = time.perf_counter() - started
        started = time.perf_counter()
        assert len(connection.execute(NEWEST_BY_SCANNING).fetchall()) == len(found)
        print(f"newest readings of {len(found)} devices: {looked_up * 1000:.1f} ms looked up, "
              f"{time.perf_counter() - started:.1f} s scanned")


def compare(small: Home, large: Home, pairs: int) -> bool:
    """Run cycles on both by turns, print how their costs compare, and tell whether they are alike."""
    taken = []
    for number in range(pairs):
        small.wait_for_the_next_second()  # two cycles in one second would be one
        commands = [small.command(), large.command()]
        in_turn = -1 if number % 2 else 1
        taken.append([spent(each) for each in commands[::in_turn]][::in_turn])
    wall, processor = (statistics.median(each[1][which] / each[0][which] for each in taken) for which in (0, 1))
    milliseconds = [statistics.median(each[which][0] for each in taken) * 1000 for which in (0, 1)]
    print(f"hue cycle, with hardly any readings {milliseconds[0]:.0f} ms, with all {milliseconds[1]:.0f} ms: "
          f"{wall:.2f} times the time, {processor:.2f} times the processor's (medians of {pairs} pairs, "
          f"bar {LIKE_NONE:.2f}){'' if max(wall, processor) <= LIKE_NONE else ', missed'}")
    return max(wall, processor) <= LIKE_NONE


def ask(home: Home) -> bool:
    """Run what people start, print how long each takes, and tell whether all keep within their bars."""
    missed = False
    for what, bar in BARS.items():
        script, *arguments = what.split()
        command = [sys.executable, script, "--config", str(home.config), *arguments]
        seconds = statistics.median(spent(command)[0] for _ in range(RUNS))
        missed |= seconds > bar
        print(f"{what:<28} {seconds:.2f} s (median of {RUNS}, bar {bar:.1f}){', missed' if seconds > bar else ''}")
    return not missed


def main() -> int:
    """Make or take the homes, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--readings", type=int, default=10_000_000)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--pairs", type=int, default=15)
    wanted = parser.parse_args()
    with Simulator(sensors=SENSORS) as simulator, tempfile.TemporaryDirectory(prefix="scale-") as folder:
        small = furnish(Path(folder) / "small", simulator, 0)
        large = furnish(wanted.home or Path(folder) / "large", simulator, wanted.readings)
        weigh(large.database)
        is_alike = compare(small, large, wanted.pairs)
        are_quick = ask(large)
        look_up(large.database)
    return 0 if is_alike and are_quick else 1


if __name__ == "__main__":
    raise SystemExit(main())
