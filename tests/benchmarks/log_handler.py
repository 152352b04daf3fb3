"""Several processes write one log as cron scripts do: open, write 50 lines, close, over and over.

    python -m tests.benchmarks.log_handler [--lines 200000] [--rotations 20]

Runs our handler, then the standard library's RotatingFileHandler, and prints how many lines each lost, tore and doubled,
and the microseconds per line. There are enough backups to keep every line. Ours redacts 8 secrets and escapes each line,
the other writes it as it is.
"""

import argparse
import logging
import logging.handlers
import multiprocessing
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from config.settings import Logging
from runtime import log

PROCESSES = 4
SESSION = 50
LINE_BYTES = 105
SECRETS = [f"{number}-{'Zx9+/=|q' * 5}-{number}" for number in range(7)] + ["Atnr|" + "EwICIa0B" * 90]
WHOLE_LINE = re.compile(r"\S+ INFO hue log_handler (\d+-\d+) stored 5 readings in 212 ms \(11\.2 kB, 0 retries\) end")

Opening = Callable[[Path, int, int], None]


@dataclass(frozen=True)
class Result:
    """One handler's counts of lines and rotated files, microseconds per line, seconds in all."""

    handler: str
    lost: int
    torn: int
    doubled: int
    rotations: int
    p50: float
    p99: float
    seconds: float


def open_ours(path: Path, max_bytes: int, backup_count: int) -> None:
    """Attach our handler to the root logger, as a script does at its start."""
    settings = Logging(log_file_path=path, max_bytes=max_bytes, backup_count=backup_count, min_free_mb=0)
    log.set_up(settings, "hue", log.Redactor(SECRETS))


def open_standard(path: Path, max_bytes: int, backup_count: int) -> None:
    """Attach the standard handler to the root logger, writing lines of the same form."""
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=max_bytes, backupCount=backup_count)
    form = "%(asctime)s %(levelname)s hue %(name)s %(message)s"
    handler.setFormatter(logging.Formatter(form, "%Y-%m-%dT%H:%M:%S+0000"))
    logging.raiseExceptions = False
    logging.getLogger().setLevel("INFO")
    logging.getLogger().addHandler(handler)


def close_all() -> None:
    """Detach and close every handler of the root logger."""
    for handler in logging.getLogger().handlers[:]:
        logging.getLogger().removeHandler(handler)
        handler.close()


def measure(name: str, opening: Opening, lines: int, rotations: int) -> Result:
    """Let the processes write that many lines with one handler into a fresh folder, and count them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "home_monitor.log"
        started = time.perf_counter()
        max_bytes = lines * LINE_BYTES // rotations
        times = sorted(_written_by_all(opening, path, lines // PROCESSES, max_bytes, 4 * rotations))
        seconds = time.perf_counter() - started
        files = [file for file in Path(folder).iterdir() if file.name.startswith(path.name)]
        written = [line for file in files for line in file.read_text(errors="replace").splitlines()]
    whole = Counter(match[1] for match in map(WHOLE_LINE.fullmatch, written) if match)
    return Result(name, lost=lines // PROCESSES * PROCESSES - len(whole), torn=len(written) - whole.total(),
                  doubled=whole.total() - len(whole), rotations=len(files) - 1,
                  p50=statistics.median(times), p99=times[len(times) * 99 // 100], seconds=seconds)


def _written_by_all(opening: Opening, path: Path, lines: int, max_bytes: int, backups: int) -> list[float]:
    work = partial(_written_by_one, opening, path, lines=lines, max_bytes=max_bytes, backups=backups)
    # Not a Pool, which ends its processes by SIGTERM: one that is about to wait for a lock may miss the signal.
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as processes:
        return [duration for times in processes.map(work, range(PROCESSES)) for duration in times]


def _written_by_one(opening: Opening, path: Path, worker: int, *, lines: int, max_bytes: int,
                    backups: int) -> list[float]:
    """Return the microseconds that each line took; opening and closing are not counted."""
    logger = logging.getLogger("log_handler")
    times = []
    for first in range(0, lines, SESSION):
        opening(path, max_bytes, backups)
        for number in range(first, min(first + SESSION, lines)):
            before = time.perf_counter_ns()
            logger.info("%d-%06d stored 5 readings in %d ms (11.2 kB, 0 retries) end", worker, number, 212)
            times.append((time.perf_counter_ns() - before) / 1000)
        close_all()
    return times


def main() -> None:
    """Print one row per handler, and the ratios of their times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--rotations", type=int, default=20)
    wanted = parser.parse_args()
    ours = measure("RotatingLog", open_ours, wanted.lines, wanted.rotations)
    standard = measure("RotatingFileHandler", open_standard, wanted.lines, wanted.rotations)
    print("handler                 lost   torn  doubled  rotations   p50 µs   p99 µs      s")
    for result in (ours, standard):
        print(f"{result.handler:<20} {result.lost:>7} {result.torn:>6} {result.doubled:>8} {result.rotations:>10} "
              f"{result.p50:>8.1f} {result.p99:>8.1f} {result.seconds:>6.1f}")
    print(f"ours to standard: p50 {ours.p50 / standard.p50:.2f}, p99 {ours.p99 / standard.p99:.2f}")


if __name__ == "__main__":
    main()
