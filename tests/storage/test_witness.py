"""config/record.id: a record that is gone, or another one, is reported and never replaced; its readings wait in config/."""

import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from collectors import amazon_aqm
from storage import manager, spool
from tests.home import Home
from tests.simulator.server import Simulator
from tests.storage.samples import a_cycle, a_reading, in_a_process, store

UTILITY = "hue:00:17:88:01:cc:75:00:01-02-0402"
ALERT = "ALERT_STORAGE_FAILING.txt"
NOBODY = 65534
LINE = re.compile(r"(/.+)\t([0-9a-f]{32})\t(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00)\n")


@pytest.fixture
def lived_in(home: Home, simulator: Simulator) -> Home:
    """A home whose first cycle is stored."""
    home.point_at(simulator)
    assert home.run().code == 0
    home.wait_for_the_next_second()
    return home


def run(home: Home) -> int:
    """Run a cycle with a time of its own."""
    code = home.run().code
    home.wait_for_the_next_second()
    return code


def record_file(home: Home) -> Path:
    return home.config.with_name("record.id")


def times(home: Home) -> int:
    """Return how many cycles have readings in the database."""
    return len({row["timestamp"] for row in home.rows()})


def held_id(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        value, = connection.execute("SELECT value FROM record WHERE key = 'record_id'").fetchone()
    return str(value)


def test_the_first_store_writes_the_witness(lived_in: Home) -> None:
    line = LINE.fullmatch(record_file(lived_in).read_text())
    assert line is not None
    assert line.groups() == (str(lived_in.database), held_id(lived_in.database), lived_in.rows()[0]["timestamp"])
    assert record_file(lived_in).stat().st_mode & 0o777 == 0o644
    before = record_file(lived_in).stat()
    assert run(lived_in) == 0 and record_file(lived_in).stat() == before


def test_an_installation_from_before_the_witness_gets_it_at_the_next_store(lived_in: Home) -> None:
    """No row is rewritten, no copy made, and the time is that of the oldest reading."""
    record_file(lived_in).unlink()
    (lived_in.data / "readings.stored").write_text("Readings have been stored in the database.\n")
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.executescript("DROP TABLE record; PRAGMA user_version = 2")
    before = lived_in.rows()
    assert run(lived_in) == 0 and lived_in.rows()[:5] == before
    line = LINE.fullmatch(record_file(lived_in).read_text())
    assert line and line[2] == held_id(lived_in.database) and line[3] == before[0]["timestamp"]
    assert not list(lived_in.data.glob("*.before-*"))


def delete(home: Home) -> None:
    shutil.rmtree(home.data)


def leave_dangling(home: Home) -> None:
    """Leave a link to a disk that is not mounted."""
    home.data.rename(home.folder / "kept")
    home.data.symlink_to(home.folder / "disk" / "monitor")


def unmount(home: Home) -> None:
    """Leave what a checkout has below the mount point."""
    home.data.rename(home.folder / "kept")
    home.data.mkdir()
    (home.data / ".gitkeep").touch()


def another_home(home: Home) -> None:
    """Put the data folder of another home in its place."""
    other = Home(home.folder / "other")
    other.settings = home.settings
    other.write_config()
    other.write_secrets({})
    shutil.copy(home.secrets, other.secrets)
    assert other.run().code == 0
    home.data.rename(home.folder / "kept")
    other.data.rename(home.data)


def content(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder; SQLite's own, which change as others read, by name only."""
    return {str(path.relative_to(folder)): b"" if "readings.db" in path.name else path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("lose", [delete, leave_dangling, unmount, another_home])
def test_a_lost_data_folder_is_reported_and_nothing_is_begun(lived_in: Home, lose: object) -> None:
    """Exit 2, an alert and a log in config/; nothing is written where data/ was; nothing is lost once it is back."""
    assert callable(lose)
    lose(lived_in)
    lived_in.wait_for_the_next_second()
    before, rows = content(lived_in.data), lived_in.rows()
    first = lived_in.run()
    assert first.code == 2 and first.err.count("\n") == 1
    assert "Remedy: is " in first.err and "disk mounted?" in first.err and "accept-new-database" in first.err
    assert "mkdir" not in first.err
    lived_in.wait_for_the_next_second()
    assert run(lived_in) == 2
    assert content(lived_in.data) == before and lived_in.rows() == rows
    assert lived_in.data.is_dir() or not os.path.exists(lived_in.data)
    config = lived_in.config.parent
    assert spool.status(config, "waiting.journal").readings == 10
    assert "occurrences: 2" in (config / ALERT).read_text() and (config / "logs" / "home_monitor.log").exists()
    if not (lived_in.folder / "kept").exists():
        return
    if lived_in.data.is_symlink():
        lived_in.data.unlink()
    elif lived_in.data.exists():
        lived_in.data.rename(lived_in.folder / "wrong")
    (lived_in.folder / "kept").rename(lived_in.data)
    assert lived_in.run().code == 0 and times(lived_in) == 4
    assert not (config / "waiting.journal").exists() and not (config / ALERT).exists()


def test_another_record_in_the_place_of_the_database_stays_as_it_is(lived_in: Home) -> None:
    """data/ is the right one; the readings wait in config/ all the same."""
    kept, other = lived_in.folder / "kept.db", lived_in.folder / "other.db"
    store(other, a_cycle(a_reading()))
    lived_in.database.rename(kept)
    other.rename(lived_in.database)
    before = lived_in.rows()
    first = lived_in.run()
    assert first.code == 2 and "another record" in first.err and "is the right disk mounted?" in first.err
    assert lived_in.rows() == before and (lived_in.data / ALERT).exists()
    assert spool.status(lived_in.config.parent, "waiting.journal").readings == 5
    for command in (["list"], ["gaps"], ["set-name", UTILITY, "Larder"], ["migrate"]):
        answer = lived_in.desk(*command)
        assert answer.code == 2 and "another record" in answer.err
    lived_in.database.unlink()
    kept.rename(lived_in.database)
    lived_in.wait_for_the_next_second()
    assert lived_in.run().code == 0 and times(lived_in) == 3 and not (lived_in.data / ALERT).exists()
    assert not (lived_in.config.parent / "waiting.journal").exists()


def test_another_record_can_be_accepted(lived_in: Home) -> None:
    lived_in.database.unlink()
    store(lived_in.database, a_cycle(a_reading()))
    assert run(lived_in) == 2
    accepted = lived_in.desk("accept-new-database")
    assert accepted.code == 0 and held_id(lived_in.database) in record_file(lived_in).read_text()
    assert run(lived_in) == 0 and times(lived_in) == 3


def test_a_new_database_renews_the_witness(lived_in: Home) -> None:
    """In place of a lost data folder, with the readings that have waited."""
    old = record_file(lived_in).read_text()
    delete(lived_in)
    assert run(lived_in) == 2
    assert lived_in.desk("accept-new-database").code == 0
    assert run(lived_in) == 0 and times(lived_in) == 2
    assert LINE.fullmatch(record_file(lived_in).read_text()) and record_file(lived_in).read_text() != old


@pytest.mark.parametrize("command", [["list"], ["gaps"], ["set-name", UTILITY, "Larder"], ["migrate"]])
def test_devices_does_not_begin_a_record_either(lived_in: Home, command: list[str]) -> None:
    unmount(lived_in)
    answer = lived_in.desk(*command)
    assert answer.code == 2 and "disk mounted?" in answer.err
    assert [path.name for path in lived_in.data.iterdir()] == [".gitkeep"]


def test_both_collectors_wait_at_once(home: Home, simulator: Simulator) -> None:
    home.introduce(simulator)
    assert home.run().code == home.run(collector=amazon_aqm).code == 0
    home.wait_for_the_next_second()
    unmount(home)
    assert [home.run().code, home.run(collector=amazon_aqm).code] == [2, 2]
    shutil.rmtree(home.data)
    (home.folder / "kept").rename(home.data)
    home.wait_for_the_next_second()
    assert home.run().code == 0 and not home.config.with_name("waiting.journal").exists()
    assert len(home.rows()) == 5 + 1 + 5 + 1 + 5


def test_two_configurations_share_a_witness(lived_in: Home) -> None:
    """Each database has its line; the second configuration's begins after a person's consent, as before."""
    first = record_file(lived_in).read_text()
    second = Home(lived_in.folder)
    second.config = lived_in.config.with_name("second.yaml")
    second.settings = {**lived_in.settings, "storage": {"database_path": "data/second.db"}}
    second.database = second.data / "second.db"
    second.write_config()
    assert second.desk("accept-new-database").code == 0
    assert run(second) == 0 and run(lived_in) == 0 and run(second) == 0
    text = record_file(lived_in).read_text()
    assert text.startswith(first) and len(LINE.findall(text)) == 2
    unmount(lived_in)
    assert [run(lived_in), run(second)] == [2, 2]


@pytest.mark.parametrize("damage", [b"\0" * 100, b"no such line\n", b"\xff\xfe"])
def test_a_damaged_witness_is_written_again(lived_in: Home, damage: bytes) -> None:
    before = record_file(lived_in).read_bytes()
    record_file(lived_in).write_bytes(damage)
    assert run(lived_in) == 0 and record_file(lived_in).read_bytes() == before


def test_a_damaged_witness_of_a_lost_record_begins_nothing(lived_in: Home) -> None:
    record_file(lived_in).write_bytes(b"\0" * 100)
    unmount(lived_in)
    lost = lived_in.run()
    assert lost.code == 2 and "record.id is damaged" in lost.err and "disk mounted?" in lost.err
    assert [path.name for path in lived_in.data.iterdir()] == [".gitkeep"]
    assert spool.status(lived_in.config.parent, "waiting.journal").readings == 5
    assert lived_in.desk("accept-new-database").code == 0
    lived_in.wait_for_the_next_second()
    assert run(lived_in) == 0 and times(lived_in) == 2 and LINE.fullmatch(record_file(lived_in).read_text())


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
@pytest.mark.parametrize("lost", [False, True])
def test_a_closed_config_folder_costs_no_reading(shared_folder: Path, simulator: Simulator, lost: bool) -> None:
    """The record is there: stored, exit 0. It is lost: exit 2, and cron mails the readings."""
    home = Home(shared_folder / "home")
    home.point_at(simulator)
    assert not lost or home.run().code == 0
    for path in (home.folder, *home.folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.chown(home.config.parent, 0, 0)
    if lost:
        unmount(home)
    home.wait_for_the_next_second()
    outcome = in_a_process(home.run, user=NOBODY)
    if lost:
        assert outcome.code == 2 and outcome.err.count("not stored: ") == 1 and "disk mounted?" in outcome.err
    else:
        assert (outcome.code, outcome.err, len(home.rows())) == (0, "", 5) and not record_file(home).exists()


def test_a_backup_from_before_ids_is_the_same_record(lived_in: Home) -> None:
    """It gets the id that the witness holds."""
    before = record_file(lived_in).read_text()
    with closing(sqlite3.connect(lived_in.database)) as connection:
        connection.executescript("DROP TABLE record; PRAGMA user_version = 2")
    assert run(lived_in) == 0 and held_id(lived_in.database) in before
    assert record_file(lived_in).read_text() == before and times(lived_in) == 2


def test_each_database_has_an_id_of_its_own(tmp_path: Path) -> None:
    ids = set()
    for name in ("one.db", "two.db"):
        store(tmp_path / name, a_cycle(a_reading()))
        with manager.reading(tmp_path / name) as connection:
            ids.add(manager.record_id(connection))
    assert len(ids) == 2 and None not in ids
