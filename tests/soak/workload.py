"""Run a phase, from cycle to cycle, and record each run and the end of each cycle."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from runtime.formats import format_time
from tests.faults.forked import WAITING
from tests.soak.mishaps import KINDS
from tests.soak.place import Place, ended
from tests.soak.plan import Mishap

POLL_SECONDS = 0.005
LONGEST_SECONDS = 180
LOOKED_AT = 20  # at every so many cycles each poll looks at open files and memory


@dataclass
class Run:
    """One process that cron started.

    `kept` means that the readings of a killed run were in the spool, so that they must not be lost.
    """

    what: str
    moment: datetime
    code: int = 0
    said: str = ""
    seconds: float = 0.0
    memory_kb: int = 0
    files: int = 0
    killed: bool = False
    kept: bool = False


@dataclass
class Diary:
    """All runs, and the alerts and the size of the log after each cycle."""

    runs: list[Run] = field(default_factory=list)
    alerts: dict[str, list[str]] = field(default_factory=dict)
    log_bytes: int = 0
    disk_bytes: int = 0


def run_cycles(place: Place, schedule: list[Mishap], progress: Callable[[str], None]) -> Diary:
    diary, under_way = Diary(), list[tuple[Mishap, ExitStack]]()
    moments = place.phase.moments()
    try:
        for turn, moment in enumerate(moments):
            place.be_at(moment)
            for mishap, stack in [each for each in under_way if not each[0].covers(moment)]:
                under_way.remove((mishap, stack))
                stack.close()
            for mishap in [each for each in schedule if each.start == moment]:
                stack = ExitStack()
                stack.enter_context(KINDS[mishap.kind].play(place, mishap))
                under_way.append((mishap, stack))
            present = [mishap for mishap, _ in under_way]
            if all(mishap.kind != "computer off" for mishap in present):
                diary.runs += cycle(place, present, look=turn % LOOKED_AT == 0 or len(place.due()) > 2)
                _note(place, diary)
            if turn % 60 == 0:
                progress(f"{moment:%Y-%m-%d %H:%M} ({turn} of {len(moments)} cycles)")
    finally:
        for _, stack in under_way:
            stack.close()
    return diary


def cycle(place: Place, present: list[Mishap], look: bool) -> list[Run]:
    """Start the due commands side by side and wait for them; carry out the kills."""
    kills = {str(each.options["collector"]): float(str(each.options["seconds"]))
             for each in present if each.kind == "kill -9"}
    started = time.monotonic()
    running = [(place.start(command), Run(_name(command), place.moment)) for command in place.due()]
    runs = [run for _, run in running]
    try:
        while running:
            time.sleep(POLL_SECONDS)
            if time.monotonic() - started > LONGEST_SECONDS:
                raise TimeoutError(f"after {LONGEST_SECONDS} s there still run {running}")
            for process, run in running[:]:
                run.seconds = time.monotonic() - started
                if look:
                    _look(process.pid, run)
                if _is_over(place, process, run, kills.get(run.what, 3600)):
                    running.remove((process, run))
    finally:
        for process, _ in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return runs


def _is_over(place: Place, process: "subprocess.Popen[bytes]", run: Run, kill_after: float) -> bool:
    if run.seconds >= kill_after and not run.killed:
        os.killpg(process.pid, signal.SIGKILL)
        run.killed = True
    result = ended(process)
    if result:
        run.code, run.said = result
        run.killed = run.killed and run.code == -signal.SIGKILL
        run.kept = run.killed and _waits(place, run)
    return result is not None


def _note(place: Place, diary: Diary) -> None:
    data = place.home.data
    diary.alerts[format_time(place.moment)] = sorted(
        path.name for folder in (data, place.home.config.parent) for path in folder.glob("ALERT_*"))
    diary.log_bytes = max(diary.log_bytes, sum(path.stat().st_size for path in (data / "logs").glob("home_monitor.*")))
    ballast = [path for path in data.iterdir() if "ballast" not in path.name and path.is_file()]
    diary.disk_bytes = max(diary.disk_bytes, sum(path.stat().st_size for path in ballast))


def _name(command: str) -> str:
    found = re.search(r"-m (?:collectors\.)?(\w+)", command)
    return found[1] if found else "healthcheck"


def _waits(place: Place, run: Run) -> bool:
    found = WAITING.findall((place.home.data / "spool.journal").read_bytes())
    return any(collector.decode() == run.what and place.phase.cycle_of(started.decode()) == run.moment
               for collector, started in found)


def _look(pid: int, run: Run) -> None:
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            _look(int(child), run)
            run.files = max(run.files, len(os.listdir(f"/proc/{child}/fd")))
            peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{child}/status").read_text())
            run.memory_kb = max(run.memory_kb, int(peak[1]) if peak else 0)
