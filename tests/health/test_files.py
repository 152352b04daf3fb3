"""The health check's components of files: disk_space, spool, alerts and log_rotation, beyond what docs/running.md lists."""

import os
import shutil
from pathlib import Path

import pytest

from storage import spool
from storage.alert_files import Alert, raise_alert
from tests.health import checks
from tests.home import Home, as_printed
from tests.storage.samples import a_cycle, a_reading, at, in_a_process


def test_each_disk_is_reported_once(written: Home) -> None:
    written.write_config(logging={"log_file_path": "elsewhere/deep/log"})
    finding, = checks.findings("disk_space", checks.read(written))
    assert finding.figures[0].startswith("'disk_free'=")


def test_an_empty_spool_and_none_at_all_pass(written: Home) -> None:
    assert [finding.level for finding in checks.findings("spool", checks.read(written))] == ["pass"]
    spool.mark_stored(written.data, [spool.append(written.data, a_cycle(a_reading()), 12.0)])
    before = (written.data / spool.NAME).read_bytes()
    assert [finding.level for finding in checks.findings("spool", checks.read(written))] == ["pass"]
    assert (written.data / spool.NAME).read_bytes() == before


def test_waiting_readings_are_reported_with_their_age(written: Home) -> None:
    spool.append(written.data, a_cycle(a_reading(), a_reading("hue:bath")), 12.0)
    finding, = checks.findings("spool", checks.read(written, now=at(hours=5)))
    assert finding.level == "warn" and "'spool_readings'=2;0" in finding.figures
    assert "2 readings of 1 cycle, the oldest since 2026-11-22T00:55:00+00:00 (5.0 h)" in finding.sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_spool_that_cannot_be_read_fails(written: Home) -> None:
    spool.append(written.data, a_cycle(a_reading()), 12.0)
    (written.data / spool.NAME).chmod(0)
    finding, = checks.findings("spool", checks.read(written))
    assert finding.level == "fail" and "sudo chown" in finding.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_spool_in_a_closed_folder_is_not_taken_for_an_empty_one(shared_folder: Path) -> None:
    """From Python 3.14 on, Path.exists says no where access is denied."""
    home = Home(shared_folder / "home")
    home.write_config()
    home.data.chmod(0o700)

    def look() -> object:
        try:
            return [finding.sentence for finding in checks.findings("spool", checks.read(home))]
        except PermissionError as error:  # the health check reports it
            return error.filename
    assert in_a_process(look, user=65534) == str(home.data / spool.NAME)


def test_a_spool_that_is_no_file_fails(written: Home) -> None:
    (written.data / spool.NAME).mkdir()
    assert [finding.level for finding in checks.findings("spool", checks.read(written))] == ["fail"]


def test_damage_that_is_not_set_aside_yet_has_a_remedy_that_does_so_first(written: Home) -> None:
    spool.append(written.data, a_cycle(a_reading()), 12.0)
    with (written.data / spool.NAME).open("r+b") as journal:
        journal.seek(40)
        journal.write(b"?")
    finding = checks.findings("spool", checks.read(written))[-1]
    assert finding.level == "fail"
    assert finding.remedy.index(as_printed("python -m collectors.hue; then")) < finding.remedy.index("rm ")


def test_each_alert_has_its_own_remedy(written: Home) -> None:
    for name in ("ALERT_ONE.txt", "ALERT_TWO.txt"):
        raise_alert(written.data / name, Alert(
            sentence="A human is needed.", raised_at="2026-11-22T00:55:00+00:00", last_seen_at="", occurrences=1,
            collector="hue", error=f"{name} was raised", remedy=f"do what {name} says", url=""))
    (written.data / ".ALERT_ONE.txt.0a.tmp").touch()
    findings = checks.findings("alerts", checks.read(written))
    assert [finding.level for finding in findings] == ["fail", "fail", "pass"]
    assert "ALERT_ONE.txt" in findings[0].sentence and findings[1].remedy.startswith("do what ALERT_TWO.txt says")


def test_a_rotated_log_is_reported_with_its_time(written: Home) -> None:
    written.log_file.parent.mkdir()
    written.log_file.write_text("one line\n", encoding="utf-8")
    shutil.copy(written.log_file, f"{written.log_file}.1")
    finding, = checks.findings("log_rotation", checks.read(written))
    assert finding.level == "pass" and "1 of 5 backups, 18 bytes in all, last rotated 20" in finding.sentence


def test_a_file_for_the_folder_of_the_log_or_a_folder_for_the_log_fails(written: Home) -> None:
    written.log_file.parent.touch()
    assert checks.worst("log_rotation", checks.read(written)).level == "fail"
    written.log_file.parent.unlink()
    written.log_file.mkdir(parents=True)
    assert "set logging.log_file_path" in checks.worst("log_rotation", checks.read(written)).remedy
