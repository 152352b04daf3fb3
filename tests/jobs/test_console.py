"""What a run prints on stdout: for a person, for a program, and nothing for cron."""

import re
from datetime import datetime, timezone
from typing import Any

import pytest

from collectors import amazon_aqm
from jobs import collect
from runtime import VERSION
from runtime.files import locked
from runtime.tables import columns
from storage.reading import Reading, Sighting
from tests.home import Home
from tests.jobs.fake_source import degrees, source
from tests.simulator.server import Simulator

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)


def test_json_holds_the_whole_result(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    result = home.run("--json").json
    assert set(result) == {"collector", "started_at", "outcome", "readings", "stored", "spooled", "duration_ms",
                           "payload_bytes", "requests", "retries", "error"}
    assert (result["collector"], result["outcome"], result["stored"], result["error"]) == ("hue", "ok", 5, None)
    row = home.rows()[0]
    assert (result["readings"][0]["temperature_celsius"], result["readings"][0]["location"]) == (
        row["temperature_celsius"], row["location"])


def test_a_dry_run_prints_on_a_pipe_and_touches_no_file(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    outcome = home.run("--dry-run")
    assert outcome.code == 0 and outcome.out.count("°C [Battery: ") == 5 and "✅ Utility: " in outcome.out
    assert list(home.data.iterdir()) == []


def test_discover_lists_all_that_the_source_offers(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    simulator.faults.add("stale", sensor="Utility")
    outcome = home.run("--discover")
    header, *rows = outcome.out.splitlines()
    assert header.split() == ["id", "name", "location", "model", "value"] and len(rows) == 5
    assert sum("°C" in row for row in rows) == 4, "one has no fresh value"
    assert list(home.data.iterdir()) == []
    assert {device["model_info"] for device in home.run("--discover", "--json").json["devices"]} >= {"SML001"}


def test_discover_aligns_wide_characters(written: Home) -> None:
    """A Japanese character takes two columns of a terminal, a combining mark none."""
    devices = [Sighting(device_id=f"d:{number}", device_type="t", name=name, location="North")
               for number, name in enumerate(("居間", "Cafe\u0301", "Hall"))]
    _, *rows = written.run("--discover", collector=source(*devices)).out.splitlines()
    assert {columns(row[:row.index("North")]) for row in rows} == {len("d:0  name  ")}


def test_verbose_prints_readings_and_log_lines_on_a_pipe(written: Home) -> None:
    run = written.run("--verbose", collector=source(degrees(20.294)))
    assert run.out == "✅ made_up:1: 20.29°C\n" and " INFO made_up cycle stored 1 reading" in run.err


def test_quiet_prints_nothing_even_of_a_dry_run(written: Home) -> None:
    assert written.run("-q", "--dry-run", collector=source(degrees(20))).out == ""


def test_an_implausible_value_and_a_device_without_one_are_marked(written: Home) -> None:
    hot = Reading(timestamp=NOW, device_id="a:1", device_type="t", name="Attic", temperature_celsius=55.0,
                  battery_level=7, is_anomalous=True)
    doubt = Sighting(device_id="a:1", device_type="t", name="Attic", doubt="outside 0 to 40")
    silent = Sighting(device_id="a:2", device_type="t", name="Cellar", trouble="last heard of 3 h 0 min ago")
    assert written.run("--dry-run", collector=source(doubt, hot, silent)).out.splitlines() == [
        "⚠️ Attic: 55.00°C (outside 0 to 40) [Battery: 7%]", "⚠️ Cellar: last heard of 3 h 0 min ago"]


def test_a_line_has_the_name_of_the_registry_and_every_value(home: Home, simulator: Simulator) -> None:
    home.introduce(simulator)
    assert home.run().code == 0
    assert home.desk("set-name", "utility", "Washroom").code == 0
    assert home.desk("set-location", "washroom", "Back kitchen").code == 0
    home.wait_for_the_next_second()
    lines = home.run("-v").out.splitlines() + home.run("-v", collector=amazon_aqm).out.splitlines()
    assert any(re.fullmatch(r"✅ Washroom: [\d.]+°C \[Battery: \d+%\]", line) for line in lines)
    assert re.fullmatch(r"✅ Air quality monitor: [\d.]+°C [\d.]+% PM2\.5 [\d.]+ µg/m³ VOC [\d.]+ CO [\d.]+ ppm "
                        r"IAQ [\d.]+ PM10 [\d.]+ µg/m³", lines[-1])


def test_two_devices_of_one_name_are_told_apart(written: Home) -> None:
    devices = [Reading(timestamp=NOW, device_id=f"d:{number}", device_type="t", name="Hall", location="North",
                       temperature_celsius=20.0) for number in (1, 2)]
    assert written.run("--dry-run", collector=source(*devices)).out.splitlines() == [
        "✅ Hall (d:1): 20.00°C", "✅ Hall (d:2): 20.00°C"]


def test_a_reading_without_a_place_is_shown_by_its_name(written: Home) -> None:
    reading = Reading(timestamp=NOW, device_id="d:1", device_type="t", name="Cellar", temperature_celsius=8.5)
    shown = written.run("--dry-run", "--json", collector=source(reading)).json
    assert shown["readings"][0]["location"] == "Cellar"


def test_a_source_without_devices_is_reported(written: Home) -> None:
    assert written.run("--dry-run", collector=source()).out.startswith("made_up: the source answered")


@pytest.mark.parametrize("arguments", [["--json", "-v"], ["--json", "--dry-run"]])
def test_the_json_stands_alone_on_stdout(written: Home, arguments: list[str]) -> None:
    written.write_config(retry={"max_atempts": 1})
    assert written.run(*arguments, collector=source(degrees(20))).json["outcome"] == "ok"


def test_a_run_that_does_nothing_prints_an_object_too(written: Home) -> None:
    with locked(written.data / "made_up.lock", 0):
        busy = written.run("--json", collector=source(degrees(20))).json
    written.write_config(collectors={"made_up": {"enabled": False}})
    disabled = written.run("--json", collector=source(degrees(20))).json
    assert (busy["outcome"], disabled["outcome"]) == ("skipped", "skipped")
    assert "another run is active" in busy["error"] and "disabled in " in disabled["error"]
    written.write_config(retry={"max_attempts": 0})
    run = written.run("--json", collector=source())
    assert run.code == 2 and "retry.max_attempts" in run.json["error"]


def test_the_json_says_that_storing_failed(written: Home) -> None:
    written.database.write_bytes(b"this is no database at all" * 100)
    run = written.run("--json", collector=source(degrees(20)))
    assert (run.code, run.json["outcome"], run.json["stored"]) == (2, "partial", 0) and run.json["error"]
    assert "stored 0 readings" not in written.log()


def test_a_hostile_name_breaks_no_json(written: Home) -> None:
    """What looks like a secret is redacted within its own text, not across the object."""
    names = ["Cookie: a=b", 'x?key=abc"', "Authorization: Basic abc", "/api/" + "k" * 40]
    devices = [Sighting(device_id=f"d:{number}", device_type="t", name=name) for number, name in enumerate(names)]
    result: Any = written.run("--discover", "--json", collector=source(*devices)).json
    assert len(result["devices"]) == 4 and all("***" in device["name"] for device in result["devices"])


def test_version_is_printed(written: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        collect.run(source(), ["--version"])
    assert capsys.readouterr().out == f"{VERSION}\n"
