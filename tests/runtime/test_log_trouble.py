"""A log file that cannot be rotated, written or opened: the program goes on."""

import fcntl
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import log
from runtime.log.rotating import GRACE
from runtime.retry import RetryPolicy
from tests.home import unmeasured
from tests.runtime.log_writer import attach, family, lock_file, numbers, say, say_all

ROOT = Path(__file__).parents[2]
SCRIPT = """
import logging, resource, sys
from pathlib import Path
from tests.runtime.log_writer import attach, say_all
{before}
attach(Path(sys.argv[1]))
say_all(range(500))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # coverage has files too
print("done")
"""


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The log's path; its folders do not exist yet."""
    yield tmp_path / "data" / "logs" / "home_monitor.log"
    log.shut_down()


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the retry would have waited."""
    return []


@pytest.fixture
def retry(waits: list[float]) -> RetryPolicy:
    """The retry as the configuration has it by default, without the waiting."""
    return RetryPolicy(sleep=waits.append)


@pytest.fixture
def blocked(path: Path) -> Path:
    """A folder with something in it, where the only backup should go."""
    obstacle = path.with_name("home_monitor.log.1")
    (obstacle / "something").mkdir(parents=True)
    return obstacle


def run(path: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script that logs 500 lines to that path, and return what it printed."""
    return subprocess.run([sys.executable, "-c", SCRIPT.format(before=before), str(path)], cwd=ROOT,
                          capture_output=True, text=True, timeout=30, check=True, env=unmeasured())


def test_a_refused_rotation_is_retried_and_then_the_file_goes_on(
        path: Path, blocked: Path, retry: RetryPolicy, waits: list[float]) -> None:
    """FR-019, US3-4."""
    attach(path, backup_count=1, retry=retry)
    say_all(range(300))
    text = path.read_text()
    assert waits == [1.0, 2.0]
    assert text.count(" CRITICAL hue rotating The log cannot be rotated: ") == 1 and str(blocked) in text
    assert text.count("x end\n") == 300 and path.stat().st_size > 20_000


def test_a_rotation_that_works_at_the_second_attempt_is_no_trouble(path: Path, blocked: Path) -> None:
    retry = RetryPolicy(sleep=lambda _: shutil.rmtree(blocked))
    attach(path, backup_count=1, retry=retry)
    say_all(range(120))
    assert numbers(path) == list(range(120))
    assert len(family(path)) == 2 and "CRITICAL" not in path.read_text()


@pytest.mark.usefixtures("blocked")
def test_a_file_that_cannot_be_rotated_grows_by_two_megabytes_and_one_line_on_stderr(
        path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attach(path, backup_count=1)
    for number in range(300):
        say(number, length=8000)
    assert GRACE < path.stat().st_size <= 10_000 + GRACE
    log.shut_down()
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "loses lines" in told and "xxx end" in told


def test_on_a_nearly_full_disk_one_warning_replaces_the_rotation(
        path: Path, retry: RetryPolicy, waits: list[float]) -> None:
    """FR-018, US3-3."""
    attach(path, min_free_mb=10**9, retry=retry)
    say_all(range(300))
    assert numbers(path) == list(range(300)) and family(path) == [path] and waits == []
    assert path.read_text().count(" WARNING hue rotating The log is not rotated: less than 1000000000 MB") == 1


def test_a_lock_that_is_never_released_stops_no_writer(path: Path) -> None:
    attach(path)
    with open(lock_file(path), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        say_all(range(200))
    assert numbers(path) == list(range(200)) and family(path) == [path]
    assert path.read_text().count(" CRITICAL ") == 1


def test_a_long_line_waits_half_a_second_for_the_lock(path: Path) -> None:
    attach(path)
    with open(lock_file(path), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        say(1)
        assert "CRITICAL" not in path.read_text()
        say(2, length=1000)
    assert numbers(path) == [1, 2]
    assert " CRITICAL hue rotating The log cannot be locked: another process" in path.read_text()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, which only Linux has")
def test_a_log_that_cannot_be_written_costs_one_redacted_line_on_stderr() -> None:
    ran = run(Path("/dev/full"), before="say_all = lambda numbers: [logging.error('canary-secret') for n in numbers]")
    assert ran.stdout == "done\n"
    assert ran.stderr.count("\n") == 1 and "No space left on device" in ran.stderr
    assert "canary" not in ran.stderr and "***" in ran.stderr


def test_a_folder_that_cannot_be_made_costs_one_redacted_line_on_stderr(path: Path) -> None:
    path.parents[1].mkdir()
    path.parent.write_text("a file where the folder should be")
    ran = run(path.parent / "canary-secret" / path.name)
    assert ran.stdout == "done\n"
    assert ran.stderr.startswith("The log cannot be opened: ") and ran.stderr.count("\n") == 1
    assert "canary-secret" not in ran.stderr and "/***" in ran.stderr


def test_a_line_that_the_disk_takes_in_part_is_removed(path: Path) -> None:
    ran = run(path, before="resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))")
    assert ran.stdout == "done\n" and ran.stderr.count("\n") == 1 and "File too large" in ran.stderr
    assert numbers(path) == list(range(len(numbers(path)))) and len(numbers(path)) > 40


def test_a_full_disk_tears_no_line_and_stops_nothing(path: Path) -> None:
    path.parent.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", path.parent], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk can be mounted by root only: {mounted.stderr.decode().strip()}")
    try:
        ran = run(path)
        assert ran.stdout == "done\n" and ran.stderr.count("\n") == 1 and "No space left" in ran.stderr
        assert 0 < len(numbers(path)) < 500
    finally:
        subprocess.run(["umount", path.parent], check=True)


def test_a_closed_stderr_stops_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    attach(path, stderr=True)
    closed.close()
    say(1)
    assert numbers(path) == [1]


def test_without_stderr_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    attach(Path("/dev/null/impossible.log"))
    say(1)
    log.shut_down()


@pytest.mark.skipif(not os.path.exists("/proc/sys/kernel/ostype"), reason="needs a file that not even root may write")
def test_a_log_without_write_permission_is_reported_with_a_command() -> None:
    """FR-024."""
    ran = run(Path("/proc/sys/kernel/ostype"))
    assert ran.stdout == "done\n" and ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("The log cannot be opened: [Errno 13] Permission denied")
    assert ". Remedy: sudo chown " in ran.stderr
