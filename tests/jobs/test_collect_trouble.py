"""A cycle in trouble: streams that are closed or full, folders we may not use, a log that cannot rotate, bugs."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from storage.reading import Reading
from tests.checkout import CHECKOUT
from tests.home import Home, Outcome
from tests.jobs.fake_source import degrees, source
from tests.simulator.server import Simulator
from tests.storage.samples import in_a_process

ORDINARY = 54321


@pytest.fixture
def closed_home() -> Iterator[Home]:
    """A home outside pytest's own folders, which an ordinary user cannot enter anyway."""
    folder = Path(tempfile.mkdtemp(prefix="home-"))
    folder.chmod(0o755)
    yield Home(folder / "home")
    shutil.rmtree(folder)


def as_ordinary_user(home: Home) -> Outcome:
    """Run one cycle in a process of a user who owns nothing; without root we are such a user already."""
    outcome = in_a_process(home.run, ORDINARY)
    assert isinstance(outcome, Outcome)
    return outcome


@pytest.mark.parametrize("stream", ["1>&-", "2>&-", "1>/dev/full", "2>/dev/full", "| true"])
@pytest.mark.parametrize(("refused", "code"), [(False, 0), (True, 2)])
def test_closed_and_full_streams_change_nothing(home: Home, simulator: Simulator, stream: str, refused: bool,
                                                  code: int) -> None:
    home.point_at(simulator)
    if refused:
        simulator.faults.add("key-refused")
    line = shlex.join(home.command("--verbose"))
    done = subprocess.run(["bash", "-c", f"{line} {stream}; exit ${{PIPESTATUS[0]}}"], cwd=CHECKOUT, timeout=60,
                          capture_output=True, text=True)
    assert done.returncode == code and "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert len(home.rows()) == (0 if refused else 5)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_home_that_may_not_be_entered_is_reported_in_one_line(closed_home: Home) -> None:
    closed_home.write_config()
    closed_home.folder.chmod(0o700)
    done = as_ordinary_user(closed_home)
    assert done.code == 2 and done.err.count("\n") == 1 and "Remedy: " in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_authoritys_file_that_may_not_be_seen_asks_for_a_human(closed_home: Home, simulator: Simulator) -> None:
    closed_home.point_at(simulator, certificate_fingerprint=None, ca_file="/root/hidden/ca.pem")
    closed_home.secrets.chmod(0o644)
    os.chown(closed_home.data, ORDINARY, ORDINARY)
    done = as_ordinary_user(closed_home)
    assert done.code == 2 and "identifies the bridge" in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_data_that_may_not_be_written_asks_for_a_human(closed_home: Home, simulator: Simulator) -> None:
    """Reported with the command that fixes it."""
    closed_home.point_at(simulator)
    closed_home.secrets.chmod(0o644)
    done = as_ordinary_user(closed_home)
    assert done.code == 2 and f"sudo chown {ORDINARY} " in done.err and "Traceback" not in done.err


def test_a_log_that_cannot_rotate_does_not_outlast_the_cycle(written: Home) -> None:
    """Its retries keep to the cycle's deadline, at which the run would be ended, and the readings are stored."""
    written.write_config(collection={"cycle_deadline_seconds": 10}, logging={"max_bytes": 10_000, "backup_count": 1},
                         retry={"max_attempts": 10, "base_delay_seconds": 3})
    written.log_file.parent.mkdir()
    written.log_file.write_text("x" * 9_990 + "\n")
    blocked = written.log_file.with_name("home_monitor.log.1")
    blocked.mkdir()
    (blocked / "in the way").touch()
    assert written.run(collector=source(degrees(20))).code == 0
    assert len(written.rows()) == 1
    assert " CRITICAL made_up " in written.log()


def test_an_uncaught_bug_is_redacted(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Python would print it raw, with whatever values its message holds."""
    script = ("import sys; from jobs import collect; from storage import manager\n"
              "def fail(*a, **k): raise RuntimeError('about canary-secret-value')\n"
              "manager.writing = fail\n"
              "from collectors import hue; raise SystemExit(collect.run(hue, sys.argv[1:]))")
    with Simulator() as simulator:
        home.point_at(simulator)
        home.write_secrets({"hue": {"api_key": simulator.key}, "nest": {"token": "canary-secret-value"}})
        done = subprocess.run([*home.command()[:1], "-c", script, "--config", str(home.config)], cwd=CHECKOUT,
                              capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "RuntimeError: about ***" in done.stderr
    assert done.stderr.count("\n") == 1 and "canary" not in done.stderr


def test_a_secret_that_a_source_repeats_reaches_no_table(written: Home) -> None:
    """A device named after our key, or a raw response with it, is stored redacted."""
    written.write_secrets({"nest": {"token": "canary-secret-value"}})
    telltale = Reading(timestamp=datetime.now(timezone.utc), device_id="d:1", device_type="t", temperature_celsius=20.0,
                       name="my canary-secret-value", raw_response='{"echo": "canary-secret-value"}')
    assert written.run(collector=source(telltale)).code == 0
    assert written.rows()[0]["name"] == "my ***" and written.rows()[0]["raw_response"] == '{"echo": "***"}'
    assert b"canary" not in b"".join(path.read_bytes() for path in written.data.rglob("*") if path.is_file())
