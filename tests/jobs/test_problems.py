"""What a run prints on stderr, which cron mails, and what it writes to the log."""

import shutil
from datetime import datetime, timezone
from typing import Any

import pytest

from runtime.errors import CannotReach, NotAuthorised, NotUnderstood
from runtime.files import locked
from storage.reading import Sighting
from tests.home import Home
from tests.jobs.fake_source import at, degrees, source
from tests.simulator.server import Simulator

EVIL = "\x1b]0;pwned\x07\x1b[31mred\u202e\nsecond line"


def is_printed(home: Home, hours: float, *items: Any) -> bool:
    """Return whether a cycle at that hour printed anything on stderr."""
    with at(hours):
        return home.run(collector=source(*items)).err != ""


def test_a_problem_is_printed_with_its_remedy_on_one_line(written: Home) -> None:
    run = written.run(collector=source(NotAuthorised("the key\nwas refused", "python devices.py pair made_up")))
    assert run.err == "made_up: the key was refused. Remedy: python devices.py pair made_up\n"


@pytest.mark.parametrize(("error", "line"), [
    (NotAuthorised("no"), " CRITICAL made_up cycle not_authorised: no;"),
    (CannotReach("away"), " ERROR made_up cycle unreachable: away;")])
def test_a_refusal_is_logged_as_critical_and_a_passing_problem_as_error(written: Home, error: Exception,
                                                                        line: str) -> None:
    written.run(collector=source(error))
    assert line in written.log()


def test_a_lasting_problem_is_printed_at_first_and_then_once_in_24_hours(written: Home) -> None:
    printed = [is_printed(written, hours, CannotReach("away")) for hours in (0, 1, 12, 23.9, 24, 25, 47, 48)]
    assert printed == [True, False, False, False, True, False, False, True]
    assert [row["outcome"] for row in written.cycles()] == ["unreachable"] * 8


@pytest.mark.parametrize(("between", "printed"), [
    (degrees(20), [True, False, True]), (NotAuthorised("no"), [True, True, False])])
def test_a_problem_that_comes_back_is_printed_again_and_another_kind_at_once(written: Home, between: Any,
                                                                             printed: list[bool]) -> None:
    items = (CannotReach("away"), between, CannotReach("away"))
    assert [is_printed(written, hours, item) for hours, item in enumerate(items)] == printed
    assert "made_up: away\n" in written.run("-v", collector=source(CannotReach("away"))).err, "-v prints it always"


def test_a_log_that_cannot_be_written_is_reported_once_in_24_hours_and_again_when_it_comes_back(written: Home) -> None:
    folder = written.log_file.parent
    folder.write_text("a file where the folder should be")
    printed = [is_printed(written, hours, degrees(20)) for hours in (0, 1, 23.9, 24, 25)]
    assert printed == [True, False, False, True, False]
    folder.unlink()
    assert not is_printed(written, 26, degrees(20))
    shutil.rmtree(folder)
    folder.write_text("a file again")
    assert is_printed(written, 27, degrees(20)) and len(written.rows()) == 7


def test_one_problem_is_printed_at_a_time_the_logs_own_last(written: Home) -> None:
    written.log_file.parent.write_text("a file where the folder should be")
    printed = []
    for hours in (0, 1, 2, 24, 25, 26):
        with at(hours):
            run = written.run(collector=source(CannotReach("away")))
            printed.append(run.err.partition(":")[0].partition(" can")[0])
    assert printed == ["made_up", "The log", "", "made_up", "The log", ""]


def test_a_skipped_run_repeats_nothing_about_the_log(written: Home) -> None:
    written.log_file.parent.write_text("a file where the folder should be")
    assert is_printed(written, 0, degrees(20))
    with locked(written.data / "made_up.lock", 0):
        assert not is_printed(written, 1, degrees(20))


def test_a_wrong_configuration_is_printed_once_in_24_hours_and_then_the_logs_problem(home: Home) -> None:
    home.write_config(storage={"busy_timeout_ms": "long"})
    (home.data / "logs").write_text("a file where the folder should be")
    printed = []
    for hours in (0, 1, 2, 24):
        with at(hours):
            run = home.run()
            printed.append((run.code, run.err.count("\n"), "busy_timeout_ms" in run.err))
    assert printed == [(2, 1, True), (2, 1, False), (2, 0, False), (2, 1, True)]


def test_another_mistake_in_the_configuration_is_printed_at_once(home: Home) -> None:
    for hours, value in enumerate(("long", -1)):
        home.write_config(storage={"busy_timeout_ms": value})
        with at(hours):
            assert str(value) in home.run().err


def test_wrong_secrets_are_logged_at_every_cycle(home: Home) -> None:
    home.write_config()
    home.write_secrets({"hue": {"api_key": ["a", "list"]}})
    assert [home.run().code, home.run().code] == [2, 2]
    assert home.log().count(" CRITICAL hue job ") == 2


def test_a_warning_about_the_configuration_is_logged_and_printed_by_a_dry_run(written: Home) -> None:
    written.write_config(retry={"max_atempts": 1})
    assert "did you mean max_attempts" in written.run("--dry-run", collector=source(degrees(20))).err
    assert written.run(collector=source(degrees(20))).err == ""
    assert " WARNING made_up job retry.max_atempts: unknown key" in written.log()


def test_a_misspelt_section_stops_the_run(written: Home) -> None:
    written.write_config(colectors={})
    run = written.run(collector=source(degrees(20)))
    assert run.code == 2 and "colectors: unknown section; did you mean collectors?" in run.err


def test_a_bug_is_reported_as_one(written: Home) -> None:
    run = written.run(collector=source(KeyError("id")))
    assert run.err == "made_up: a fault in the program, please report it: KeyError: 'id'\n"


def test_what_a_source_says_reaches_no_terminal_and_no_row_raw(written: Home) -> None:
    """No escape codes and no line breaks of a stranger's, on stderr, in the log or in the database."""
    run = written.run(collector=source(NotUnderstood(f"the source says {EVIL}")))
    texts = [run.err, written.cycles()[0]["error"], *written.log().splitlines()]
    assert all(text.rstrip("\n").isprintable() for text in texts) and "pwned" in run.err


def test_a_device_without_a_fresh_value_is_no_failure_but_stands_in_the_log(written: Home) -> None:
    silent = Sighting(device_id="a:2", device_type="t", name="Cellar", trouble="last heard of 3 h 0 min ago")
    assert written.run(collector=source(degrees(20), silent)).code == 0
    assert "; no fresh value: Cellar (last heard of 3 h 0 min ago)" in written.log()
    devices = written.rows("SELECT * FROM device_registry ORDER BY device_id")
    assert [row["device_name"] for row in devices] == ["Cellar", "made_up:1"]


def test_the_log_says_in_one_line_how_the_cycle_went(home: Home, simulator: Simulator) -> None:
    """`2026-11-22T00:55:00+0000 INFO hue cycle stored 5 readings in 212 ms (11.2 kB, 0 retries)`."""
    home.point_at(simulator)
    home.run()
    line, = [line for line in home.log().splitlines() if " cycle " in line]
    stamp, level, collector, rest = line.split(" ", 3)
    assert datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S%z").tzinfo == timezone.utc
    assert (level, collector) == ("INFO", "hue")
    assert rest.startswith("cycle stored 5 readings in ") and rest.endswith(" kB, 0 retries)")
