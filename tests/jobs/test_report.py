"""What a cycle tells: people, programs, the log, and cron, which mails whatever is printed."""

import shutil
from datetime import datetime, timezone
from typing import Any

from runtime.errors import CannotReach, NotAuthorised
from runtime.files import locked
from storage.reading import Reading, Sighting
from tests.home import Home
from tests.jobs.fake_source import at, degrees, source
from tests.simulator.server import Simulator


def test_json_tells_the_whole_result(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    result = home.run("--json").json
    assert set(result) == {"collector", "started_at", "outcome", "readings", "stored", "spooled", "duration_ms",
                           "payload_bytes", "requests", "retries", "error"}
    assert (result["collector"], result["outcome"], result["stored"], result["error"]) == ("hue", "ok", 5, None)
    assert result["readings"][0]["temperature_celsius"] == home.rows()[0]["temperature_celsius"]
    assert result["readings"][0]["location"] == home.rows()[0]["location"]


def test_a_dry_run_prints_on_a_pipe_and_touches_no_file(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    outcome = home.run("--dry-run")
    assert outcome.code == 0 and outcome.out.count("°C [Battery: ") == 5 and "✅ Utility: " in outcome.out
    assert list(home.data.iterdir()) == []


def test_discover_lists_all_that_the_source_offers(home: Home, simulator: Simulator) -> None:
    """Also what has no fresh value: id, name, location, model, value."""
    home.point_at(simulator)
    simulator.faults.add("stale", sensor="Utility")
    outcome = home.run("--discover")
    header, *rows = outcome.out.splitlines()
    assert header.split() == ["id", "name", "location", "model", "value"] and len(rows) == 5
    assert sum("°C" in row for row in rows) == 4 and sum("last heard of" in row for row in rows) == 1
    assert list(home.data.iterdir()) == []


def test_discover_as_json_lists_the_devices(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    assert {device["model_info"] for device in home.run("--discover", "--json").json["devices"]} >= {"SML001"}


def test_trouble_is_told_with_its_remedy_on_one_line(written: Home) -> None:
    run = written.run(collector=source(NotAuthorised("the key\nwas refused", "python devices.py pair made_up")))
    assert run.err == "made_up: the key was refused. Remedy: python devices.py pair made_up\n"


def test_a_permanent_refusal_is_logged_as_critical_and_a_passing_one_as_error(written: Home) -> None:
    written.run(collector=source(NotAuthorised("no")))
    written.run(collector=source(CannotReach("away")))
    assert " CRITICAL made_up cycle not_authorised: no;" in written.log()
    assert " ERROR made_up cycle unreachable: away;" in written.log()


def said(home: Home, hours: float, *items: Any) -> bool:
    """Tell whether a cycle at that hour said anything on stderr."""
    with at(hours):
        return home.run(collector=source(*items)).err != ""


def test_a_trouble_that_goes_on_is_told_at_first_and_then_once_in_24_hours(written: Home) -> None:
    told = [said(written, hours, CannotReach("away")) for hours in (0, 1, 12, 23.9, 24, 25, 47, 48)]
    assert told == [True, False, False, False, True, False, False, True]
    assert [row["outcome"] for row in written.cycles()] == ["unreachable"] * 8


def test_a_trouble_that_comes_back_is_told_again(written: Home) -> None:
    assert said(written, 0, CannotReach("away"))
    assert not said(written, 1, degrees(20))
    assert said(written, 2, CannotReach("away"))


def test_a_log_that_cannot_be_written_is_told_once_in_24_hours_and_again_when_it_comes_back(written: Home) -> None:
    folder = written.log_file.parent
    folder.write_text("a file where the folder should be")
    assert [said(written, hours, degrees(20)) for hours in (0, 1, 23.9, 24, 25)] == [True, False, False, True, False]
    folder.unlink()
    assert not said(written, 26, degrees(20))
    shutil.rmtree(folder)
    folder.write_text("a file again")
    assert said(written, 27, degrees(20)) and len(written.rows()) == 7


def test_one_trouble_is_told_at_a_time_that_of_the_log_last(written: Home) -> None:
    """However long another one goes on."""
    written.log_file.parent.write_text("a file where the folder should be")
    told = []
    for hours in (0, 1, 2, 24, 25, 26):
        with at(hours):
            told.append(written.run(collector=source(CannotReach("away"))).err.partition(":")[0])
    assert told == ["made_up", "The log cannot be opened", "", "made_up", "The log cannot be opened", ""]


def test_a_skipped_run_tells_no_more_of_the_log_than_others(written: Home) -> None:
    written.log_file.parent.write_text("a file where the folder should be")
    assert said(written, 0, degrees(20))
    with locked(written.data / "made_up.lock", 0):
        assert not said(written, 1, degrees(20))


def test_another_kind_of_trouble_is_told_at_once(written: Home) -> None:
    assert said(written, 0, CannotReach("away"))
    assert said(written, 1, NotAuthorised("no"))
    assert not said(written, 2, CannotReach("away"))


def test_verbose_tells_it_always(written: Home) -> None:
    written.run(collector=source(CannotReach("away")))
    run = written.run("-v", collector=source(CannotReach("away")))
    assert "made_up: away\n" in run.err


def test_verbose_prints_readings_and_log_lines_on_a_pipe(written: Home) -> None:
    run = written.run("--verbose", collector=source(degrees(20.294)))
    assert run.out == "✅ made_up:1: 20.29°C\n" and " INFO made_up cycle stored 1 reading" in run.err


def test_quiet_prints_nothing_even_of_a_dry_run(written: Home) -> None:
    assert written.run("-q", "--dry-run", collector=source(degrees(20))).out == ""


def test_an_implausible_value_and_a_device_without_one_are_shown_as_such(written: Home) -> None:
    hot = Reading(timestamp=datetime.now(timezone.utc), device_id="a:1", device_type="t", name="Attic",
                  temperature_celsius=55.0, battery_level=7, is_anomalous=True)
    mute = Sighting(device_id="a:2", device_type="t", name="Cellar", trouble="last heard of 3 h 0 min ago")
    assert written.run("--dry-run", collector=source(hot, mute)).out.splitlines() == [
        "⚠️ Attic: 55.00°C [Battery: 7%]", "⚠️ Cellar: last heard of 3 h 0 min ago"]


def test_a_device_without_a_fresh_value_is_no_failure_but_stands_in_the_log(written: Home) -> None:
    mute = Sighting(device_id="a:2", device_type="t", name="Cellar", trouble="last heard of 3 h 0 min ago")
    assert written.run(collector=source(degrees(20), mute)).code == 0
    assert "; no fresh value: Cellar (last heard of 3 h 0 min ago)" in written.log()
    devices = written.rows("SELECT * FROM device_registry ORDER BY device_id")
    assert [row["device_name"] for row in devices] == ["Cellar", "made_up:1"]


def test_a_wrong_configuration_tells_no_more_of_the_log_than_others(home: Home) -> None:
    home.write_config(storage={"busy_timeout_ms": "long"})
    (home.data / "logs").write_text("a file where the folder should be")
    told = [home.run().err for _ in range(3)]
    assert [text.count("\n") for text in told] == [1, 1, 0]
    assert "busy_timeout_ms" in told[0] and told[1].startswith("The log cannot be opened")


def test_a_wrong_configuration_is_told_once_in_24_hours_too(home: Home) -> None:
    home.write_config(storage={"busy_timeout_ms": "long"})
    told = []
    for hours in (0, 1, 24):
        with at(hours):
            run = home.run()
            told.append((run.code, bool(run.err)))
    assert told == [(2, True), (2, False), (2, True)]


def test_another_mistake_in_the_configuration_is_told_at_once(home: Home) -> None:
    home.write_config(storage={"busy_timeout_ms": "long"})
    with at(0):
        assert home.run().err
    home.write_config(storage={"busy_timeout_ms": -1})
    with at(1):
        assert "-1" in home.run().err


def test_a_run_that_does_nothing_says_so_to_programs_too(written: Home) -> None:
    """A script that reads the JSON gets an object in any case."""
    with locked(written.data / "made_up.lock", 0):
        skipped = written.run("--json", collector=source(degrees(20))).json
    written.write_config(collectors={"made_up": {"enabled": False}})
    disabled = written.run("--json", collector=source(degrees(20))).json
    assert (skipped["outcome"], disabled["outcome"]) == ("skipped", "skipped")
    assert "another run is active" in skipped["error"] and "disabled in " in disabled["error"]


def test_a_source_without_devices_is_no_silence(written: Home) -> None:
    assert written.run("--dry-run", collector=source()).out == "made_up: the source answers, but knows no device\n"


def test_a_fault_in_the_program_is_told_as_one(written: Home) -> None:
    run = written.run(collector=source(KeyError("id")))
    assert run.err == "made_up: a fault in the program, please report it: KeyError: 'id'\n"


def test_a_dry_run_whose_source_fails_says_one_sentence(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    simulator.faults.add("503")
    run = home.process("--dry-run")
    assert run.code == 1 and run.err.count("\n") == 1 and "HTTP 503" in run.err


def test_an_odd_configuration_is_told_in_the_log_and_to_who_tries_it(written: Home) -> None:
    written.write_config(colection={})
    assert "did you mean collection" in written.run("--dry-run", collector=source(degrees(20))).err
    assert written.run(collector=source(degrees(20))).err == ""
    assert " WARNING made_up cycle colection: unknown key" in written.log()


def test_the_log_says_in_one_line_how_it_went(home: Home, simulator: Simulator) -> None:
    """FR-014: `2026-11-22T00:55:00+0000 INFO hue cycle stored 5 readings in 212 ms (11.2 kB, 0 retries)`."""
    home.point_at(simulator)
    home.run()
    lines = [line for line in home.log().splitlines() if " cycle " in line]
    assert len(lines) == 1
    stamp, level, collector, rest = lines[0].split(" ", 3)
    assert datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S%z").tzinfo == timezone.utc
    assert (level, collector) == ("INFO", "hue")
    assert rest.startswith("cycle stored 5 readings in ") and rest.endswith(" kB, 0 retries)")
