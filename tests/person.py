"""A user at the terminal who completes `devices.py pair amazon_aqm` with a simulated browser."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.fake_clock import tidy_up_after
from tests.simulator.server import Simulator


def sign_in(command: Sequence[str], simulator: Simulator, folder: Path,
            environment: Mapping[str, str] | None = None) -> int:
    """Run the command in a folder, sign in as it asks, paste the address of the last page; return the exit code.
    """
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as pairing:
        assert pairing.stderr is not None
        seen = [pairing.stderr.readline() for _ in range(2)]
        pairing.communicate(simulator.alexa.sign_in(seen[1].strip()) + "\n", timeout=60)
    tidy_up_after(pairing.pid)
    return pairing.returncode
