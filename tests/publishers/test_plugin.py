"""A further publisher is one new file: dropped into a checkout it runs, is configured, checked and listed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.files import locked
from tests.checkout import TRIAL, make_checkout
from tests.home import Home, Outcome
from tests.jobs.fake_source import at, degrees, source

ALERT = "ALERT_ARCHIVE_NEEDS_YOU.txt"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the program into which the one file has been dropped."""
    folder = tmp_path / "checkout"
    make_checkout(folder, "publishers/archive")
    return folder


@pytest.fixture
def lived_in(home: Home) -> Home:
    """A home with three stored readings, whose archive is enabled."""
    configure(home)
    with at(0):
        home.run(collector=source(*(degrees(20 + number, f"made_up:{number}") for number in range(3))))
    return home


def configure(home: Home, name: str = "archive", **settings: Any) -> None:
    publishers = home.settings.setdefault("publishers", {})
    publishers[name] = {"enabled": True, "path": str(home.folder / f"{name}.jsonl"), **settings}
    home.write_config()


def archived(home: Home, name: str = "archive") -> list[float]:
    """Return the temperatures in the archive."""
    path = home.folder / f"{name}.jsonl"
    return [json.loads(line)["temperature_celsius"] for line in path.read_text().splitlines()] if path.exists() else []


def publish(home: Home, checkout: Path, *arguments: str, module: str = "publishers.archive") -> Outcome:
    return home.process(*arguments, module=module, folder=checkout)


def test_it_publishes_every_reading_once(lived_in: Home, checkout: Path) -> None:
    first = publish(lived_in, checkout)
    assert (first.code, first.out, first.err, archived(lived_in)) == (0, "", "", [20, 21, 22])
    with at(1):
        lived_in.run(collector=source(degrees(23)))
    assert [publish(lived_in, checkout).code for _ in range(2)] == [0, 0] and archived(lived_in) == [20, 21, 22, 23]
    assert " INFO archive publish archived 3 readings" in lived_in.log()
    assert "published_at" in json.loads((lived_in.data / "archive.session.json").read_text())


def test_it_prints_what_it_did_when_asked(lived_in: Home, checkout: Path) -> None:
    assert "archive: archived 3 readings\n" == publish(lived_in, checkout, "--verbose").out
    document = publish(lived_in, checkout, "--json").json
    assert (document["publisher"], document["outcome"], document["message"], document["error"]) == (
        "archive", "ok", "archived 0 readings", None)


def test_a_dry_run_asks_the_destination_and_sends_nothing(lived_in: Home, checkout: Path) -> None:
    run = publish(lived_in, checkout, "--dry-run")
    assert (run.code, run.out, archived(lived_in)) == (0, "archive: the archive can be written\n", [])
    assert not (lived_in.data / "archive.session.json").exists()


def test_its_configuration_is_checked(lived_in: Home, checkout: Path) -> None:
    configure(lived_in, batch_rows=0)
    run = publish(lived_in, checkout)
    assert run.code == 2 and "publishers.archive.batch_rows" in run.err
    configure(lived_in, batch_row=5)
    run = publish(lived_in, checkout, "--dry-run")
    assert run.code == 0 and "publishers.archive.batch_row: unknown key" in run.err


def test_the_collectors_do_not_check_its_section(lived_in: Home, checkout: Path) -> None:
    configure(lived_in, batch_rows=0)
    lived_in.write_secrets({"hue": {"api_key": "a-key-of-some-length"}})
    lived_in.configure_hue(bridge_ip="http://127.0.0.1:9", discovery_url=None)
    run = lived_in.process("--dry-run", folder=checkout)
    assert run.code == 1 and "archive" not in run.err


def test_a_refusal_raises_an_alert_that_the_next_success_clears(lived_in: Home, checkout: Path) -> None:
    configure(lived_in, how="refuse")
    run = publish(lived_in, checkout)
    assert run.code == 2 and run.err == "archive: the archive refused us. Remedy: unlock the archive\n"
    assert (lived_in.data / ALERT).exists()
    configure(lived_in)
    assert publish(lived_in, checkout).code == 0 and not (lived_in.data / ALERT).exists()


@pytest.mark.parametrize("settings", [{"how": "bug"}, {"path": "/"}])
def test_a_failure_exits_with_1_and_publishes_at_the_next_run(lived_in: Home, checkout: Path,
                                                            settings: dict[str, str]) -> None:
    configure(lived_in, **settings)
    run = publish(lived_in, checkout)
    assert run.code == 1 and run.err.count("\n") == 1 and not (lived_in.data / ALERT).exists()
    configure(lived_in)
    assert publish(lived_in, checkout).code == 0 and archived(lived_in) == [20, 21, 22]


def test_a_lost_database_needs_a_human(lived_in: Home, checkout: Path) -> None:
    lived_in.database.unlink()
    assert publish(lived_in, checkout).code == 2
    assert [path.name for path in lived_in.folder.rglob("ALERT_*")] == ["ALERT_STORAGE_FAILING.txt"], "the collectors' own"


def test_a_second_run_leaves_it_to_the_first(lived_in: Home, checkout: Path) -> None:
    with locked(lived_in.data / "archive.lock", 0):
        assert publish(lived_in, checkout).code == 0
    assert archived(lived_in) == []


def test_a_disabled_publisher_does_nothing(lived_in: Home, checkout: Path) -> None:
    configure(lived_in, enabled=False)
    for module in ("publishers", "publishers.archive"):
        run = publish(lived_in, checkout, module=module)
        assert (run.code, run.out, run.err, archived(lived_in)) == (0, "", "", [])


def test_all_enabled_publishers_run_even_if_one_crashes(lived_in: Home, checkout: Path) -> None:
    shutil.copy(TRIAL / "archive.py", checkout / "publishers" / "a_broken_one.py")
    configure(lived_in, "a_broken_one", how="crash")
    assert publish(lived_in, checkout, module="publishers").code == 1 and archived(lived_in) == [20, 21, 22]
    configure(lived_in, "a_broken_one", how="refuse")
    assert publish(lived_in, checkout, module="publishers").code == 2


def test_a_configuration_that_cannot_be_read_stops_them_all_and_is_printed_once_a_day(home: Home,
                                                                                    checkout: Path) -> None:
    home.config.write_text("publishers: [")
    runs = [publish(home, checkout, module="publishers") for _ in range(2)]
    assert [(run.code, run.err.count("\n")) for run in runs] == [(2, 1), (2, 0)]


def test_help_lists_it(checkout: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "publishers", "--help"], cwd=checkout, capture_output=True, text=True,
                          check=True)
    assert "archive" in done.stdout


def test_the_health_check_checks_and_lists_it(lived_in: Home, checkout: Path) -> None:
    def check(*arguments: str) -> str:
        return subprocess.run([sys.executable, checkout / "healthcheck.py", *arguments], capture_output=True,
                              text=True).stdout

    publish(lived_in, checkout)
    component, = json.loads(check("--config", str(lived_in.config), "--json", "--only", "archive"))["components"]
    assert (component["name"], component["status"]) == ("archive", "pass")
    assert "archive" in check("--help")
