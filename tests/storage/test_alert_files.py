"""Alert files are whole whenever they are read, whatever their content, also on a full disk."""

import os
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import NotAuthorised
from storage import alert_files, lost_database
from storage.alert_files import Alert
from tests.home import Home
from tests.jobs.fake_source import source
from tests.storage.samples import FORK, start

NAME = "ALERT_MADE_UP_NEEDS_YOU.txt"
KEYS = ["status", "raised_at", "last_seen_at", "occurrences", "collector", "error", "remedy", "url"]
MORNING, EVENING = "2026-11-22T06:00:00+00:00", "2026-11-22T18:00:00+00:00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


def an_alert(moment: str = MORNING, **values: Any) -> Alert:
    return Alert(**{"sentence": "The home monitor needs a human: the key was refused.", "raised_at": moment,
                    "last_seen_at": moment, "occurrences": 1, "collector": "made_up", "error": "the key was refused",
                    "remedy": "python devices.py pair made_up", "url": "https://example.org/help", **values})


def fields(text: str) -> dict[str, str]:
    """Return the keys and values of an alert's text. Fail unless it is whole: a sentence, all keys, a last newline."""
    sentence, *lines = text.split("\n")
    assert sentence and lines.pop() == "" and len(text.splitlines()) == len(KEYS) + 1
    pairs = [line.partition(": ") for line in lines]
    assert [key for key, _, _ in pairs] == KEYS
    return {key: value for key, _, value in pairs}


def test_an_alert_is_a_sentence_and_eight_lines(path: Path) -> None:
    assert alert_files.raise_alert(path, an_alert())
    assert path.read_text() == """\
The home monitor needs a human: the key was refused.
status: active
raised_at: 2026-11-22T06:00:00+00:00
last_seen_at: 2026-11-22T06:00:00+00:00
occurrences: 1
collector: made_up
error: the key was refused
remedy: python devices.py pair made_up
url: https://example.org/help
"""


def test_everybody_may_read_it(path: Path) -> None:
    mask = os.umask(0o022)
    try:
        alert_files.raise_alert(path, an_alert())
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644 and os.listdir(path.parent) == [NAME]


def test_an_active_one_counts_occurrences_and_keeps_its_first_time(path: Path) -> None:
    alert_files.raise_alert(path, an_alert())
    assert not alert_files.raise_alert(path, an_alert("2026-11-22T12:00:00+00:00"))
    assert not alert_files.raise_alert(path, an_alert(EVENING, error="it is refused still"))
    values = fields(path.read_text())
    assert (values["raised_at"], values["last_seen_at"], values["occurrences"]) == (MORNING, EVENING, "3")
    assert values["error"] == "it is refused still"


def test_a_cleared_one_starts_again(path: Path) -> None:
    alert_files.raise_alert(path, an_alert())
    assert alert_files.clear(path) and not path.exists()
    assert not alert_files.clear(path)
    assert alert_files.raise_alert(path, an_alert(EVENING))
    assert (fields(path.read_text())["raised_at"], fields(path.read_text())["occurrences"]) == (EVENING, "1")


@pytest.mark.parametrize("value", [
    "two\nlines", "two\r\nlines", "status: cleared\nstatus: cleared", "a\x00b", "\x1b[2J\x1b]0;title\x07",
    "a\x0bb\x0cc", "a\x1cb\x1db\x1ee", "a\x85b", "a\u2028b\u2029c", "\u202egnirts", "\ud800", "", "   ", ": ", "😀 ü",
    "x" * 10_000, "x\n" * 10_000])
def test_no_value_breaks_the_form(path: Path, value: str) -> None:
    hostile = an_alert(sentence=f"It says: {value}", collector=value, error=value, remedy=value, url=value)
    for _ in range(2):
        alert_files.raise_alert(path, hostile)
    values = fields(path.read_text(encoding="utf-8"))
    assert (values["status"], values["raised_at"], values["occurrences"]) == ("active", MORNING, "2")
    assert path.stat().st_size < 10_000
    assert all(character.isprintable() for character in path.read_text(encoding="utf-8").replace("\n", ""))


@pytest.mark.parametrize("damage", [
    b"", b"\n", b"\x00" * 4096, os.urandom(500), b"\xff\xfe", b"half a senten", b"A sentence.\nraised_at",
    b"A sentence.\noccurrences: many\nraised_at: yesterday\n", b"A sentence.\nraised_at: 0001-01-01T00:00:00+23:59\n",
    b"A sentence.\noccurrences: " + b"9" * 5000, "A sentence.\noccurrences: ²\n".encode(), b": \n: \n"])
def test_a_damaged_alert_is_still_active_and_is_repaired(path: Path, damage: bytes) -> None:
    """It is the name that counts: this alert is not new, and no second mail is sent."""
    path.write_bytes(damage)
    assert not alert_files.raise_alert(path, an_alert())
    values = fields(path.read_text())
    assert (values["raised_at"], values["occurrences"]) == (MORNING, "2")
    assert alert_files.clear(path)


def test_a_missing_file_and_an_empty_one_differ(path: Path) -> None:
    assert alert_files.read(path) is None
    path.touch()
    assert alert_files.read(path) == {}


def watch_while(path: Path, write: Callable[[int], None], duration_seconds: float) -> tuple[int, list[str]]:
    """Read a file 1000 times a second from another process while `write` is called with 0, 1, 2 …

    Return how often it was a whole alert, and the first other content.
    """
    ours, theirs = FORK.Pipe()
    done = FORK.Event()

    def watch() -> None:
        whole, others = 0, list[str]()
        while not done.is_set() and not others:
            with suppress(FileNotFoundError):
                text = path.read_text(encoding="utf-8")
                try:
                    fields(text)
                    whole += 1
                except (AssertionError, IndexError):
                    others.append(text)
            time.sleep(0.001)
        theirs.send((whole, others))

    watcher = start(watch)
    count, end = 0, time.monotonic() + duration_seconds
    while time.monotonic() < end and not ours.poll():
        write(count)
        count += 1
    done.set()
    seen: tuple[int, list[str]] = ours.recv()
    watcher.join()
    ours.close()
    theirs.close()
    return seen


@pytest.mark.alone
def test_a_watcher_sees_a_whole_alert_or_none(path: Path) -> None:
    def write(count: int) -> None:
        alert_files.raise_alert(path, an_alert(error="x" * 900))
        if count % 5 == 4:
            alert_files.clear(path)

    whole, others = watch_while(path, write, 1.0)
    assert others == [] and whole > 50


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
                                      capture_output=True).returncode:
        pytest.skip("NOT TESTED: what happens on a full disk. It takes root, and leave to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    path = folder / "filler"
    with path.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"x" * 4096)
    return path


def test_on_a_full_disk_the_file_is_empty_until_there_is_room(small_disk: Path) -> None:
    filler, path = fill(small_disk), small_disk / NAME
    assert alert_files.raise_alert(path, an_alert())
    assert path.read_bytes() == b"" and sorted(os.listdir(small_disk)) == [NAME, "filler"]
    assert not alert_files.raise_alert(path, an_alert())
    assert path.read_bytes() == b""
    filler.unlink()
    assert not alert_files.raise_alert(path, an_alert(EVENING))
    assert fields(path.read_text())["last_seen_at"] == EVENING


def test_on_a_full_disk_an_active_one_stays_whole_and_can_be_cleared(small_disk: Path) -> None:
    path = small_disk / NAME
    alert_files.raise_alert(path, an_alert())
    before = path.read_bytes()
    fill(small_disk)
    assert not alert_files.raise_alert(path, an_alert(EVENING))
    assert path.read_bytes() == before and sorted(os.listdir(small_disk)) == [NAME, "filler"]
    assert alert_files.clear(path) and not path.exists()


def test_that_readings_were_stored_is_recorded_on_a_full_disk_too(small_disk: Path) -> None:
    fill(small_disk)
    lost_database.mark_has_data(small_disk / "readings.stored", "0" * 32)
    assert (small_disk / "readings.stored").read_bytes() == b""


def test_a_cycle_on_a_full_disk_still_raises_an_alert(small_disk: Path) -> None:
    home = Home(small_disk / "home")
    home.write_config()
    fill(small_disk)
    assert home.run(collector=source(NotAuthorised("the key was refused"))).code == 2
    assert (home.data / NAME).read_bytes() == b""
