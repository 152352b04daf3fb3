"""When a cycle raises an alert, and when it clears it."""

from pathlib import Path

import runtime.http_client  # noqa: F401 - now: another user may not read this Python
from runtime.errors import CannotReach, NotAuthorised
from storage import alert_files
from tests.checkout import needs_public_checkout
from tests.home import Home, as_printed
from tests.jobs.fake_source import at, degrees, source
from tests.simulator.server import Simulator
from tests.storage.samples import in_a_process

NAME = "ALERT_MADE_UP_NEEDS_YOU.txt"
REFUSED = NotAuthorised("the key was refused", "python devices.py pair made_up")


@needs_public_checkout
def test_a_folder_that_may_not_be_written_does_not_stop_the_cycle(shared_folder: Path) -> None:
    """The source is asked, its readings are printed, and the failed alert is logged."""
    home = Home(shared_folder / "home")
    home.write_config()
    (home.data / "made_up.lock").touch(0o666)
    (home.data / "made_up.lock").chmod(0o666)
    home.log_file.parent.mkdir()
    home.log_file.parent.chmod(0o777)
    home.data.chmod(0o555)
    run = in_a_process(lambda: home.run(collector=source(degrees(20), REFUSED)), user=65534)
    home.data.chmod(0o755)
    assert run.code == 2 and "made_up: the key was refused. Remedy: python devices.py pair made_up\n" in run.err
    assert '"temperature_celsius": 20' in run.err and not (home.data / NAME).exists()
    assert f"cannot write the alert {NAME}: Permission denied" in home.log()


def test_an_alert_that_cannot_be_removed_does_not_stop_the_cycle(written: Home) -> None:
    (written.data / NAME).mkdir()
    assert written.run(collector=source(degrees(20))).code == 0
    assert f"cannot remove the alert {NAME}" in written.log() and len(written.rows()) == 1


def story(home: Home, *items: object) -> list[tuple[int, bool]]:
    """Return, of one cycle an hour, the exit codes and whether the alert stood afterwards."""
    cycles = []
    for hours, item in enumerate(items):
        with at(hours):
            cycles.append((home.run(collector=source(item)).code, (home.data / NAME).exists()))
    return cycles


def test_an_alert_stands_while_a_human_is_needed(written: Home) -> None:
    """An unreachable source does not show whether it would still refuse us. FR-011."""
    assert story(written, CannotReach("away"), REFUSED, CannotReach("away"), REFUSED, degrees(20), degrees(20)) == [
        (1, False), (2, True), (1, True), (2, True), (0, False), (0, False)]


def test_a_dry_run_neither_raises_nor_clears_one(written: Home) -> None:
    assert written.run("--dry-run", collector=source(REFUSED)).code == 2
    assert not (written.data / NAME).exists()
    written.run(collector=source(REFUSED))
    assert written.run("--dry-run", collector=source(degrees(20))).code == 0
    assert (written.data / NAME).exists()


def test_disabling_a_collector_clears_its_alert_but_not_in_a_dry_run(written: Home) -> None:
    written.run(collector=source(REFUSED))
    written.write_config(collectors={"made_up": {"enabled": False}})
    assert written.run("--dry-run", collector=source(REFUSED)).code == 0 and (written.data / NAME).exists()
    assert written.run(collector=source(REFUSED)).code == 0 and not (written.data / NAME).exists()


def test_a_refused_key_needs_a_human_until_the_key_is_accepted(home: Home, simulator: Simulator) -> None:
    """Each cycle makes one request with the key. FR-013, EDGE-9."""
    home.point_at(simulator)
    path = home.data / "ALERT_HUE_PAIRING_NEEDED.txt"
    simulator.faults.add("key-refused")
    for hours in range(3):
        with at(hours):
            assert home.run().code == 2
    assert [request.path.rpartition("/")[2] for request in simulator.requests] == ["sensors"] * 3
    alert = alert_files.read(path) or {}
    assert alert["remedy"] == as_printed("python devices.py pair hue") and alert["collector"] == "hue" and alert["url"]
    assert (alert["raised_at"][:13], alert["last_seen_at"][:13], alert["occurrences"]) == (
        "2026-11-22T00", "2026-11-22T02", "3")
    assert simulator.key not in path.read_text()
    simulator.faults.clear()
    with at(3):
        assert home.run().code == 0
    assert not path.exists()


def test_a_damaged_database_needs_a_human_until_it_is_replaced(written: Home) -> None:
    path = written.data / "ALERT_STORAGE_FAILING.txt"
    written.database.write_bytes(b"this is no database at all" * 100)
    for hours in range(2):
        with at(hours):
            assert written.run(collector=source(degrees(20))).code == 2
    alert = alert_files.read(path) or {}
    assert alert["occurrences"] == "2" and alert["remedy"] and "readings.db" in alert["error"]
    assert not (written.data / NAME).exists()
    written.database.unlink()
    with at(2):
        assert written.run(collector=source(degrees(20))).code == 0
    assert not path.exists()


def test_a_source_and_the_database_have_an_alert_each(written: Home) -> None:
    path = written.data / "ALERT_STORAGE_FAILING.txt"
    written.database.write_bytes(b"this is no database at all" * 100)
    written.run(collector=source(REFUSED))
    assert path.exists() and (written.data / NAME).exists()
    written.run(collector=source(degrees(20)))
    assert path.exists() and not (written.data / NAME).exists()
