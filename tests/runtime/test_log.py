"""The log file: shared by processes, rotated, bounded, made again when deleted."""

import fcntl
import logging
import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from config.settings import Logging
from runtime import log
from tests.benchmarks import log_handler
from tests.runtime.log_writer import attach, family, lines, lock_file, numbers, say, say_all

PROCESSES = 4


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The log's path; its folders do not exist yet."""
    yield tmp_path / "data" / "logs" / "home_monitor.log"
    log.shut_down()


def test_every_script_writes_the_same_file_under_its_own_name(path: Path) -> None:
    for collector in ("hue", "amazon_aqm"):
        log.set_up(Logging(log_file_path=path), collector, log.Redactor())
        logging.getLogger(f"collectors.{collector}").warning("said by %s", collector)
    assert [line.partition(" ")[2] for line in lines(path)] == [
        "WARNING hue hue said by hue", "WARNING amazon_aqm amazon_aqm said by amazon_aqm"]


def test_the_file_is_not_for_everyone_to_read(path: Path) -> None:
    attach(path)
    assert path.stat().st_mode & 0o777 == 0o640 & ~_umask()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def test_the_level_applies_to_the_file_and_stderr_shows_all(
        path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(Logging(log_file_path=path, level="ERROR"), "hue", log.Redactor(), stderr=True)
    logging.getLogger("collectors.hue").debug("whispered")
    assert "DEBUG hue hue whispered" in capsys.readouterr().err and path.read_text() == ""


def test_without_any_handler_python_prints_no_warning(
        capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(None, "hue", log.Redactor())
    logging.getLogger("collectors.hue").warning("odd")
    assert capsys.readouterr().err == ""


def test_after_shut_down_nothing_is_written(path: Path) -> None:
    attach(path)
    log.shut_down()
    say(1)
    assert lines(path) == []


def test_stderr_gets_redacted_lines_when_asked_for(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attach(path, stderr=True)
    logging.getLogger("collectors.hue").info("canary-secret")
    assert capsys.readouterr().err.split(" ", 1)[1] == "INFO hue hue ***\n"
    assert len(lines(path)) == 1


def test_without_settings_no_file_is_touched(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert log.set_up(None, "hue", log.Redactor(), stderr=True) is None
    say(1)
    assert "0-000001" in capsys.readouterr().err
    assert not path.parent.exists()


def test_a_full_file_is_rotated_and_the_oldest_dropped(path: Path) -> None:
    """FR-014, US3-1."""
    attach(path, backup_count=2)
    say_all(range(1000))
    assert [each.name for each in family(path)] == ["home_monitor.log", "home_monitor.log.1", "home_monitor.log.2"]
    kept = numbers(path)
    assert kept == list(range(kept[0], 1000)) and len(kept) > 150


def test_a_file_leaves_room_for_lines_of_other_processes(path: Path) -> None:
    attach(path)
    say_all(range(1000))
    assert all(8_000 < each.stat().st_size <= 8_750 for each in family(path)[1:])


def test_without_backups_the_file_starts_again(path: Path) -> None:
    attach(path, backup_count=0)
    say_all(range(200))
    kept = numbers(path)
    assert family(path) == [path] and kept == list(range(kept[0], 200)) and len(kept) < 150


def test_backups_beyond_a_lowered_count_are_dropped(path: Path) -> None:
    """FR-015."""
    for count in (5, 1):
        attach(path, backup_count=count)
        say_all(range(600))
    assert len(family(path)) == 2


def test_the_longest_line_fits_the_smallest_file(path: Path) -> None:
    attach(path)
    for number in range(3):
        say(number, length=20_000)
    assert [file.stat().st_size for file in family(path)] == pytest.approx([8190] * 3, abs=4)


def test_a_line_longer_than_the_file_is_written(path: Path) -> None:
    attach(path, max_bytes=500)
    for number in range(3):
        say(number, length=1000)
    assert numbers(path) == [0, 1, 2] and len(family(path)) == 3


def test_processes_that_open_write_and_close_lose_no_line(tmp_path: Path) -> None:
    """FR-016, US3-2."""
    result = log_handler.measure("ours", log_handler.open_ours, lines=8000, rotations=16)
    assert (result.lost, result.torn, result.doubled) == (0, 0, 0)
    assert result.rotations >= 16


def test_threads_lose_no_line(path: Path) -> None:
    attach(path, backup_count=100)
    threads = [threading.Thread(target=say_all, args=(range(200),)) for _ in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers(path)) == sorted([*range(200)] * PROCESSES)


def write_many(path: Path, backup_count: int, worker: int) -> None:
    """Write 2000 lines, some of them long, into files of 50 kB: the work of one process."""
    attach(path, max_bytes=50_000, backup_count=backup_count)
    for number in range(2000):
        say(number, worker, length=60 if number % 20 else 5000)


def started(path: Path, backup_count: int) -> list[BaseProcess]:
    spawning = multiprocessing.get_context("spawn")
    processes = [spawning.Process(target=write_many, args=(path, backup_count, worker)) for worker in range(PROCESSES)]
    for process in processes:
        process.start()
    return list(processes)


def joined(processes: list[BaseProcess]) -> list[int | None]:
    """Wait for the processes, and return their exit codes."""
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def held(path: Path) -> int:
    """Return the size of the log with its backups while the lock prevents a rotation."""
    with open(lock_file(path)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return sum(file.stat().st_size for file in family(path))


def test_the_family_stays_within_its_bound_while_processes_write(path: Path) -> None:
    """FR-017."""
    writers = started(path, backup_count=3)
    samples = []
    while any(writer.is_alive() for writer in writers):
        if lock_file(path).exists():
            samples.append(held(path))
    assert joined(writers) == [0] * PROCESSES
    assert len(samples) > 20 and 150_000 < max(samples) <= 200_000


def test_a_log_deleted_while_processes_write_comes_back(path: Path) -> None:
    """EDGE-7."""
    writers = started(path, backup_count=100)
    while not path.with_name(f"{path.name}.1").exists() and writers[0].is_alive():
        time.sleep(0)
    path.parent.rename(path.parents[1] / "gone")
    assert joined(writers) == [0] * PROCESSES
    assert numbers(path).count(1999) == PROCESSES and len(numbers(path)) < PROCESSES * 2000


@pytest.mark.parametrize("deleted", [0, 1, 2], ids=["the file", "its folder", "the folder above"])
def test_a_deleted_file_or_folder_is_made_again_for_the_next_line(path: Path, deleted: int) -> None:
    attach(path)
    say(1)
    subprocess.run(["rm", "-r", [path, *path.parents][deleted]], check=True)
    say(2)
    assert numbers(path) == [2]
