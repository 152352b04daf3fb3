"""What the folders tell: disks, the spool, the files that ask for a human."""

import os
from pathlib import Path

import pytest

from health import folder
from health.finding import Finding, Findings
from storage import spool
from storage.alert_files import Alert, raise_alert
from tests.storage.samples import a_cycle, a_reading, at


def found(check: Findings) -> list[Finding]:
    return [each for each in check if isinstance(each, Finding)]


def test_folders_of_one_disk_are_told_of_once(tmp_path: Path) -> None:
    told = found(folder.disk_space((tmp_path, tmp_path / "not" / "there", tmp_path.parent)))
    assert len(told) == 1 and told[0].figures[0].startswith("'disk_free'=")


def test_an_empty_spool_and_none_at_all_are_well(tmp_path: Path) -> None:
    assert [each.level for each in found(folder.waiting(tmp_path, at()))] == ["pass"]
    spool.mark_stored(tmp_path, [spool.append(tmp_path, a_cycle(a_reading()), 12.0)])
    before = (tmp_path / spool.NAME).read_bytes()
    assert [each.level for each in found(folder.waiting(tmp_path, at()))] == ["pass"]
    assert (tmp_path / spool.NAME).read_bytes() == before


def test_what_waits_is_told_with_its_age(tmp_path: Path) -> None:
    spool.append(tmp_path, a_cycle(a_reading(), a_reading("hue:bath")), 12.0)
    told, = found(folder.waiting(tmp_path, at(hours=5)))
    assert told.level == "warn" and "'spool_readings'=2;0" in told.figures
    assert "2 readings of 1 cycle wait for the database, the oldest since 2026-11-22T00:55:00+00:00 (5.0 h)" \
        in told.sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_spool_that_cannot_be_read_fails(tmp_path: Path) -> None:
    spool.append(tmp_path, a_cycle(a_reading()), 12.0)
    (tmp_path / spool.NAME).chmod(0)
    told, = found(folder.waiting(tmp_path, at()))
    assert told.level == "fail" and "sudo chown" in told.remedy


def test_a_spool_that_is_no_file_fails(tmp_path: Path) -> None:
    (tmp_path / spool.NAME).mkdir()
    assert [each.level for each in found(folder.waiting(tmp_path, at()))] == ["fail"]


def test_each_alert_is_told_with_its_own_remedy(tmp_path: Path) -> None:
    for name in ("ALERT_ONE.txt", "ALERT_TWO.txt"):
        raise_alert(tmp_path / name, Alert(
            sentence="A human is needed.", raised_at="2026-11-22T00:55:00+00:00", last_seen_at="", occurrences=1,
            collector="hue", error=f"{name} was raised", remedy=f"do what {name} says", url=""))
    (tmp_path / ".ALERT_ONE.txt.0a.tmp").touch()
    told = found(folder.alerts(tmp_path))
    assert [each.level for each in told] == ["fail", "fail", "pass"]
    assert told[0].sentence == "ALERT_ONE.txt since 2026-11-22T00:55:00+00:00: ALERT_ONE.txt was raised"
    assert told[1].remedy.startswith("do what ALERT_TWO.txt says")


def test_what_is_damaged_but_not_set_aside_yet_is_told_with_who_does_that(tmp_path: Path) -> None:
    spool.append(tmp_path, a_cycle(a_reading()), 12.0)
    with (tmp_path / spool.NAME).open("r+b") as journal:
        journal.seek(40)
        journal.write(b"?")
    told = found(folder.waiting(tmp_path, at()))[-1]
    assert told.level == "fail" and told.remedy.startswith("python -m collectors.hue puts it there; then, a line of it")
