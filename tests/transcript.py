"""A new user's first session, for docs/commands.md: pairing with a simulated bridge, collecting, naming, listing.

`python -m tests.transcript` writes it into docs/commands.md; tests/test_transcript.py checks that it is up to date.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from time import sleep, time

from tests.checkout import CHECKOUT, ROOMS, SETTINGS
from tests.home import unmeasured
from tests.simulator.server import Simulator

PAGE = CHECKOUT / "docs" / "commands.md"
BLOCK = re.compile(r"(<!-- A first session, .*? -->\n\n)((?:    .*\n|\n(?=    ))+)")
COLUMNS = "80"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)  # of the house, which is then as warm in every session
SESSION = (
    "devices.py pair hue --bridge {bridge}",
    "-m collectors.hue",
    "devices.py list",
    "devices.py set-name utility Larder",
    "devices.py set-offset larder -1.5",
    "-m collectors.hue",
    "devices.py list",
    "devices.py gaps",
)


def record(folder: Path) -> str:
    """Run the session in a fresh checkout, made in an empty folder; return what the terminal showed."""
    for name in ROOMS:
        shutil.copytree(CHECKOUT / name, folder / name, ignore=SETTINGS)
    shutil.copy(CHECKOUT / "devices.py", folder)
    shutil.copy(folder / "config" / "config.example.yaml", folder / "config" / "config.yaml")
    (folder / "data").mkdir()
    ours = {name: value for name, value in unmeasured().items() if name not in ("HOME_MONITOR_CONFIG", "PYTHONPATH")}
    seen = []
    with Simulator(clock=lambda: NOON) as simulator:
        # As warm as then, but with the clock of now: the collector compares it with its own.
        simulator.faults.add("clock", seconds=(datetime.now(timezone.utc) - NOON).total_seconds())
        simulator.press_link_button()
        for line in SESSION:
            typed = line.format(bridge=simulator.https_url)
            sleep(1.001 - time() % 1)  # the times of cycles are stored in whole seconds
            seen.append(f"$ python {typed}\n{_shown(typed, folder, ours | {'COLUMNS': COLUMNS})}")
    return "\n".join(seen).replace(str(folder), "/home/you/monitor")


def normalised(text: str) -> str:
    """Replace what differs between sessions: times, ages, the simulator's port."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "(time)", text)
    text = re.sub(r"  \d s  ", "  (age)  ", text)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:(port)", text)


def documented() -> str:
    """Return the transcript in docs/commands.md."""
    match = BLOCK.search(PAGE.read_text(encoding="utf-8"))
    assert match, "docs/commands.md has no first session"
    return "".join(line.removeprefix("    ") for line in match[2].splitlines(keepends=True))


def _shown(typed: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command on a terminal; return what it shows there."""
    controller, terminal = pty.openpty()
    with subprocess.Popen([sys.executable, *typed.split()], stdin=terminal, stdout=terminal, stderr=terminal,
                          cwd=folder, env=environment) as process:
        os.close(terminal)
        content = b""
        while True:
            try:
                content += os.read(controller, 65536)
            except OSError:  # on Linux, once the terminal is closed
                break
    os.close(controller)
    text = content.decode().replace("\r\n", "\n")
    assert process.returncode == 0, text
    return text


def main() -> int:
    """Write the session into docs/commands.md."""
    with tempfile.TemporaryDirectory() as folder:
        lines = record(Path(folder)).splitlines(keepends=True)
    block = "".join(f"    {line}" if line.strip() else line for line in lines)
    text = BLOCK.sub(lambda match: match[1] + block, PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
