"""The cost of ten million stored readings: `python -m tests.benchmarks.scale`.

    --readings N   default 10 000 000: nearly ten years of ten sensors, made in three minutes, 3.3 GB
    --home FOLDER  make the home there and keep it, or use the one of an earlier run
    --pairs N      cycles on each database (15)

Two homes alternately ask the same simulated bridge, one with all those readings and one with hardly any, so that other
load affects both; the medians of the pairs are compared. Interactive commands have limits in seconds. Exits with 1 if a
limit is exceeded.
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
from datetime import timedelta
from pathlib import Path

from storage import readings
from tests.benchmarks import years
from tests.benchmarks.readings import spent as weighed
from tests.checkout import CHECKOUT
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

SENSORS = 10
LARGEST_RATIO = 1.10
LIMITS = {
    "healthcheck.py --offline": 1.0,
    "devices.py list": 0.5,
    "devices.py gaps --since 7d": 2.0,
}
GAPS_YEARS = "devices.py gaps --since 1826d"
GAPS_MIB = 60  # with ten sensors, so fifty device-years
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
    """Run a process that must exit with 0 or 1; return its wall and processor seconds."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=CHECKOUT, env=unmeasured(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        print(f"  {' '.join(command[1:])} ended with {process.returncode}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def furnish(folder: Path, simulator: Simulator, readings: int) -> Home:
    """Return the home in a folder, configured for the bridge; a new one gets so many readings."""
    home = Home(folder)
    home.settings["storage"] = {"keep_cycles_days": 3650}
    home.point_at(simulator)
    is_new = not home.database.exists()
    assert home.process().code == 0
    if is_new and readings:
        started = time.perf_counter()
        years.fill(home.database, readings, kept=timedelta(days=3650))
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
    """Print the time to find every device's newest reading, by the program's look-up and by a scan."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        started = time.perf_counter()
        found = [readings.newest(connection, each) for each in readings.device_ids(connection)]
        looked_up = time.perf_counter() - started
        started = time.perf_counter()
        assert len(connection.execute(NEWEST_BY_SCANNING).fetchall()) == len(found)
        print(f"newest readings of {len(found)} devices: {looked_up * 1000:.1f} ms looked up, "
              f"{time.perf_counter() - started:.1f} s scanned")


def compare(small: Home, large: Home, pairs: int) -> bool:
    """Run cycles on both homes alternately, print the ratio, return whether it is within the limit."""
    taken = []
    for number in range(pairs):
        small.wait_for_the_next_second()  # two cycles in one second would be one
        commands = [small.command(), large.command()]
        order = -1 if number % 2 else 1
        taken.append([spent(command) for command in commands[::order]][::order])
    wall, processor = (statistics.median(pair[1][which] / pair[0][which] for pair in taken) for which in (0, 1))
    milliseconds = [statistics.median(pair[which][0] for pair in taken) * 1000 for which in (0, 1)]
    print(f"hue cycle, with hardly any readings {milliseconds[0]:.0f} ms, with all {milliseconds[1]:.0f} ms: "
          f"{wall:.2f} times the time, {processor:.2f} times the processor time (medians of {pairs} pairs, "
          f"limit {LARGEST_RATIO:.2f}){'' if max(wall, processor) <= LARGEST_RATIO else ', missed'}")
    return max(wall, processor) <= LARGEST_RATIO


def ask(home: Home) -> bool:
    """Run the interactive commands, print their times, return whether all are within their limits."""
    missed = False
    for what, limit in LIMITS.items():
        seconds = statistics.median(spent(on(home, what))[0] for _ in range(RUNS))
        missed |= seconds > limit
        verdict = ", missed" if seconds > limit else ""
        print(f"{what:<28} {seconds:.2f} s (median of {RUNS}, limit {limit:.1f}){verdict}")
    _, processor, mebibytes = weighed(on(home, GAPS_YEARS))
    print(f"{GAPS_YEARS:<28} {processor:.1f} s of processor time, {mebibytes:.0f} MiB (limit {GAPS_MIB})")
    return not missed and mebibytes <= GAPS_MIB


def on(home: Home, what: str) -> list[str]:
    script, *arguments = what.split()
    return [sys.executable, script, "--config", str(home.config), *arguments]


def main() -> int:
    """Make or reuse the homes, measure, print."""
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
