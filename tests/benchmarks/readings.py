"""What readings.py costs beside hand-written scripts: `python -m tests.benchmarks.readings [ROWS]`.

It makes a home with ten million readings of ten sensors, or so many, below the temporary folder. Each command alternates with
its script, so that other load affects both; the ratio is the median of the pairs. Compiling to bytecode, which `make install`
does, is not counted. Exits with 1 if a limit is exceeded.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import years
from tests.checkout import CHECKOUT, ROOMS
from tests.home import MEASURE, Home, unmeasured
from tests.storage.samples import NOW, a_cycle, a_reading, store

DEVICES = 10
LARGEST_RATIO = 2.0  # of `latest`
OPEN = """
import click, csv, sqlite3, sys, yaml, zoneinfo  # what readings.py needs, too
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
device, = connection.execute("SELECT MIN(device_id) FROM readings").fetchone()
"""
LATEST = """
for device, in connection.execute("SELECT device_id FROM device_registry").fetchall():
    print(connection.execute("SELECT * FROM readings WHERE device_id = ? ORDER BY timestamp DESC LIMIT 1",
                             (device,)).fetchone())
"""
HISTORY = """
last, = connection.execute("SELECT MAX(timestamp) FROM readings").fetchone()
for row in connection.execute("SELECT * FROM readings WHERE device_id = ? AND timestamp > datetime(?, '-1 day')",
                              (device, last)):
    print(row)
"""
STATS = """
for row in connection.execute('''SELECT substr(timestamp, 1, 7), MIN(temperature_celsius), AVG(temperature_celsius),
        MAX(temperature_celsius), COUNT(*) FROM readings WHERE device_id = ? GROUP BY 1''', (device,)):
    print(row)
"""
EXPORT = """
csv.writer(sys.stdout).writerows(connection.execute("SELECT * FROM readings ORDER BY timestamp"))
"""


class Limit(NamedTuple):
    """In seconds and MiB, None for none."""

    arguments: str
    by_hand: str
    pairs: int
    wall: float | None = None
    processor: float | None = None
    mebibytes: float | None = None


LIMITS = (
    Limit("latest", LATEST, 15, wall=0.3),
    Limit("history {device} --since 24h", HISTORY, 15, wall=0.5),
    Limit("stats {device} --by month", STATS, 3, processor=3.0),
    Limit("export", EXPORT, 1, mebibytes=60),
)
ROWS_PER_SECOND = 100_000


def spent(command: list[str]) -> tuple[float, float, float]:
    """Run a process; return its wall and processor seconds, and its MiB."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        subprocess.run([sys.executable, *MEASURE, *command], cwd=CHECKOUT, env=unmeasured(), check=True, stdout=output,
                       stderr=subprocess.DEVNULL)
        output.seek(max(0, output.seek(0, os.SEEK_END) - 200))
        kilobytes, processor, wall = map(float, output.read().splitlines()[-1].split())
    return wall, processor, kilobytes / 1024


def compared(ours: list[str], hand: list[str], pairs: int) -> tuple[tuple[float, ...], float]:
    """Return the medians of our costs, and of the ratios of processor time."""
    taken = [(spent(ours), spent(hand)) for _ in range(pairs)]
    return tuple(map(statistics.median, zip(*(cost for cost, _ in taken)))), statistics.median(
        cost[1] / floor[1] for cost, floor in taken)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="?", type=int, default=10_000_000)
    wanted = parser.parse_args().rows
    subprocess.run([sys.executable, "-m", "compileall", "-q", *(
        str(CHECKOUT / name) for name in (*ROOMS, "readings.py"))], check=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.write_config()
        store(home.database, a_cycle(*(a_reading(f"hue:{number}") for number in range(DEVICES)), at=NOW))
        years.fill(home.database, wanted)
        return compare(home)


def compare(home: Home) -> int:
    database, is_missed = home.database, False
    ask = f"{OPEN}print(device, *connection.execute('SELECT COUNT(*) FROM readings').fetchone())"
    asked = subprocess.run([sys.executable, "-c", ask, str(database)], capture_output=True, text=True, check=True)
    device, rows = asked.stdout.split()
    for limit in LIMITS:
        arguments = limit.arguments.format(device=device).split()
        ours, ratio = compared([sys.executable, "readings.py", "--config", str(home.config), *arguments],
                               [sys.executable, "-c", f"{OPEN}{limit.by_hand}", str(database)], limit.pairs)
        missed = any(most is not None and taken > most for taken, most in zip(ours, limit[3:]))
        missed |= limit.arguments == "latest" and ratio > LARGEST_RATIO
        missed |= limit.arguments == "export" and int(rows) / ours[1] < ROWS_PER_SECOND
        is_missed |= missed
        print(f"{limit.arguments:<28} {ours[0]:.2f} s, {ours[1]:.2f} s of processor time ({ratio:.2f} times a script), "
              f"{ours[2]:.0f} MiB{', missed' if missed else ''}", flush=True)
    print(f"{rows} readings, of which export wrote {int(rows) / ours[1]:,.0f} in a second of processor time")
    return int(is_missed)


if __name__ == "__main__":
    raise SystemExit(main())
