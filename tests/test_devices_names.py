"""Names, places and offsets set with devices.py appear in the list and in the next readings."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from collectors import amazon_aqm
from tests.checkout import CHECKOUT
from tests.home import Home, as_printed
from tests.simulator.server import Simulator
from tests.storage.legacy_databases import NEWEST, REGISTRY, awkward_rows, leave
from tests.storage.samples import a_cycle, a_reading, at, store
from tests.test_devices_history import shown, start_on_terminal

UTILITY = "hue:00:17:88:01:cc:75:00:01-02-0402"


@pytest.fixture
def used_home(home: Home, simulator: Simulator) -> Home:
    home.introduce(simulator)
    assert home.run().code == 0 and home.run(collector=amazon_aqm).code == 0
    return home


def cycle(home: Home) -> None:
    home.wait_for_the_next_second()
    assert home.run().code == 0


def listed(home: Home, *arguments: str) -> dict[str, dict[str, Any]]:
    run = home.desk("list", "--json", *arguments)
    assert run.code == 0, run.err
    return {item["name"]: item for item in json.loads(run.out)}


def newest(home: Home, device_id: str = UTILITY) -> dict[str, Any]:
    return [row for row in home.rows() if row["device_id"] == device_id][-1]


def test_the_list_shows_each_device_with_its_newest_reading(used_home: Home) -> None:
    """US6-1."""
    devices = listed(used_home)
    assert len(devices) == 6
    device, reading = devices["Utility"], newest(used_home)
    assert 0 <= device.pop("age_seconds") < 60
    assert device == {
        "device_id": UTILITY, "name": "Utility", "location": "Utility", "device_type": "hue_sensor",
        "last_reading": reading["timestamp"], "battery_level": reading["battery_level"], "active": True,
        "temperature_offset": 0.0}


def test_the_list_can_be_of_one_type(used_home: Home) -> None:
    assert [each["device_type"] for each in listed(used_home, "--type", "alexa_aqm").values()] == ["alexa_aqm"]
    run = used_home.desk("list", "--type", "toaster")
    assert (run.code, run.out) == (0, "") and "no devices of this type; the types are alexa_aqm, hue_sensor" in run.err


def test_a_name_is_used_from_the_next_reading_on(used_home: Home) -> None:
    """US6-2."""
    run = used_home.devices("set-name", "Utility", "Speisekammer 食品庫")
    assert (run.code, run.out) == (0, f"{UTILITY} (Utility) is now called Speisekammer 食品庫.\n")
    assert listed(used_home)["Speisekammer 食品庫"]["location"] == "Speisekammer 食品庫"
    cycle(used_home)
    first, last = (row for row in used_home.rows() if row["device_id"] == UTILITY)
    assert (first["name"], last["name"], last["location"]) == ("Utility", "Speisekammer 食品庫", "Speisekammer 食品庫")


def test_a_device_can_be_named_before_it_is_seen(home: Home, simulator: Simulator) -> None:
    """Even before there is a database."""
    home.point_at(simulator)
    run = home.desk("set-name", UTILITY, "Larder")
    assert run.code == 0 and "It has not been seen yet; its first reading will have this name." in run.out
    assert listed(home)["Larder"]["last_reading"] is None
    assert home.run().code == 0
    assert [row["name"] for row in home.rows() if row["device_id"] == UTILITY] == ["Larder"]


def test_a_new_name_needs_the_full_id(used_home: Home) -> None:
    run = used_home.desk("set-name", "cc:75:00:99", "Larder")
    assert run.code == 2 and "give its full id, hue:... or alexa:..., as --discover shows it" in run.err
    assert len(listed(used_home)) == 6


@pytest.mark.parametrize("text", ["hue:new", "hue:00:17:88:01:ff:ff:ff:ff", "alexa:G1", "toaster:0123456789"])
def test_a_new_name_needs_a_well_formed_id(used_home: Home, text: str) -> None:
    assert used_home.desk("set-name", text, "Larder").code == 2
    assert len(listed(used_home)) == 6


@pytest.mark.parametrize(("text", "device_id"), [
    ("HUE:00:17:88:01:FF:FF:FF:FF-02-0402", "hue:00:17:88:01:ff:ff:ff:ff-02-0402"),
    ("alexa:g0000000000009", "alexa:G0000000000009")])
def test_a_new_id_may_be_in_either_case_and_is_forgotten_without_a_trace(
        used_home: Home, text: str, device_id: str) -> None:
    assert used_home.desk("set-name", text, "Phantom").code == 0
    assert listed(used_home)["Phantom"]["device_id"] == device_id
    run = used_home.desk("forget", "Phantom")
    assert (run.code, run.out) == (0, f"{device_id} (Phantom) was never seen, and is removed.\n")
    assert len(listed(used_home)) == 6


def test_a_new_sensor_replaces_an_old_one(used_home: Home) -> None:
    used_home.desk("set-name", "utility", "Larder")
    used_home.desk("set-location", "larder", "Cellar")
    used_home.desk("set-offset", "larder", "-1.5")
    new, before = "hue:00:17:88:01:ff:ff:ff:ff-02-0402", used_home.rows()
    assert used_home.desk("replace", "larder", new.upper()).code == 0
    devices = {item["device_id"]: item for item in json.loads(used_home.desk("list", "--json").out)}
    assert [devices[new][key] for key in ("name", "location", "active", "temperature_offset")] == [
        "Larder", "Cellar", True, 0.0]
    assert devices[UTILITY]["active"] is False and used_home.rows() == before
    assert used_home.desk("amend-name", "larder", "Pantry").out.startswith(new), "the active one has the name"


def test_a_device_does_not_replace_itself(used_home: Home) -> None:
    assert used_home.desk("replace", "utility", UTILITY).code == 2
    assert listed(used_home)["Utility"]["active"] is True


@pytest.mark.parametrize(("option", "usage"), [
    ("--set-name", "set-name ID NAME"), ("--amend-name", "amend-name ID NAME"), ("--list-devices", "list")])
def test_an_option_of_old_names_the_command(home: Home, option: str, usage: str) -> None:
    run = home.devices(option, "a", "b")
    assert run.code == 2 and f"use: devices.py {usage}" in run.err


@pytest.mark.parametrize("command", ["set-name", "amend-name"])
def test_an_unknown_name_is_reported_with_the_nearest(used_home: Home, command: str) -> None:
    for text in ("zzz", "Wintergarten", "\U0001f321", "x" * 300):
        run = used_home.desk(command, text, "Larder")
        assert run.code == 2 and 1 <= run.err.count("hue:00:") + run.err.count("alexa:G") <= 3
        assert "; the nearest are " in run.err and as_printed("python devices.py list shows all devices") in run.err


@pytest.mark.parametrize("part", ["UTIL", "cc:75", UTILITY.upper(), "tilit", "Utility"])
def test_a_device_is_found_by_any_unambiguous_part(used_home: Home, part: str) -> None:
    assert used_home.desk("amend-name", part, "Larder").code == 0
    assert listed(used_home)["Larder"]["device_id"] == UTILITY


@pytest.mark.parametrize("part", ["kuche", "Ku\u0308che", "KÜCHE"])
def test_accents_count_however_they_are_composed(used_home: Home, part: str) -> None:
    run = used_home.desk("amend-name", part, "Kitchen")
    assert run.code == (2 if part == "kuche" else 0) and ("nearest are" in run.err) is (part == "kuche")
    assert "Küche" in run.err + run.out


def test_an_ambiguous_part_lists_the_candidates(used_home: Home) -> None:
    run = used_home.desk("set-offset", "hue:", "1")
    assert run.code == 2 and run.err.count("hue:00:17:88:01:") == 5 and "give more of the id, or of the name" in run.err
    assert {each["temperature_offset"] for each in listed(used_home).values()} == {0.0}


def test_a_whole_name_goes_before_a_part_of_another(used_home: Home) -> None:
    used_home.desk("amend-name", "Utility", "Living")
    assert used_home.desk("amend-name", "living", "Larder").code == 0
    assert set(listed(used_home)) >= {"Larder", "Living room"}


def test_a_place_can_be_given_to_past_readings(used_home: Home) -> None:
    cycle(used_home)
    run = used_home.desk("set-location", "utility", "Cellar", "--recursive")
    assert run.code == 0 and "Past readings rewritten: 2." in run.out
    assert [row["location"] for row in used_home.rows() if row["device_id"] == UTILITY] == ["Cellar"] * 2
    assert "Cellar" not in {row["location"] for row in used_home.rows() if row["device_id"] != UTILITY}


def test_a_place_in_the_configuration_takes_precedence_with_a_hint(used_home: Home) -> None:
    """US6-4."""
    used_home.configure_hue(sensor_locations={UTILITY.removeprefix("hue:"): "Attic"})
    run = used_home.desk("set-location", "utility", "Cellar")
    assert run.code == 0
    assert f"But in {used_home.config} it is Attic, which takes precedence: remove that line." in run.err
    assert listed(used_home)["Utility"]["location"] == "Attic"
    cycle(used_home)
    assert newest(used_home)["location"] == "Attic"
    used_home.configure_hue(sensor_locations={})
    cycle(used_home)
    assert newest(used_home)["location"] == listed(used_home)["Utility"]["location"] == "Cellar"


def test_a_monitors_configured_place_is_listed(used_home: Home) -> None:
    device, = listed(used_home, "--type", "alexa_aqm").values()
    serial = device["device_id"].removeprefix("alexa:")
    used_home.settings["collectors"]["amazon_aqm"]["device_locations"] = {serial: "Attic"}
    used_home.write_config()
    assert [each["location"] for each in listed(used_home, "--type", "alexa_aqm").values()] == ["Attic"]


@pytest.mark.parametrize("degrees", ["-1.5", "-1,5"])
def test_an_offset_corrects_later_temperatures_and_is_listed(used_home: Home, degrees: str) -> None:
    run = used_home.desk("set-offset", "utility", degrees)
    assert (run.code, run.out) == (0, f"-1.5 °C will be added to the temperatures of {UTILITY} (Utility).\n")
    cycle(used_home)
    first, last = (row for row in used_home.rows() if row["device_id"] == UTILITY)
    assert first["temperature_celsius"] == first["temperature_raw"]
    assert last["temperature_celsius"] == round(last["temperature_raw"] - 1.5, 2)
    assert listed(used_home)["Utility"]["temperature_offset"] == -1.5
    assert "  -1.5    yes" in used_home.desk("list").out


@pytest.mark.parametrize(("arguments", "complaint"), [
    (["set-offset", "utility", "warm"], "not a number"), (["set-name", "utility", "  "], "no printable character"),
    (["set-location", "utility", "x" * 200], "it has 200 characters"),
    (["set-name", "hue:\x1b[31m\udc80", "Larder"], "give its full id"),
    (["amend-name", "", "Larder"], "no device has '' in its id or name"),
    (["amend-name", "hue:00:17:88:01:02:03:04:05-02-0402", "Larder"], "in its id or name"),
    (["gaps", "--since", "yesterday"], "is not a duration"),
    (["set-name", "utility"], "Missing argument 'NAME'"), (["sell", "utility"], "No such command 'sell'")])
def test_invalid_arguments_change_nothing(used_home: Home, arguments: list[str], complaint: str) -> None:
    before = listed(used_home)
    run = used_home.desk(*arguments)
    assert run.code == 2 and complaint in run.err and "Traceback" not in run.err
    assert {name: each["location"] for name, each in listed(used_home).items()} == {
        name: each["location"] for name, each in before.items()}


def test_a_name_full_of_escape_codes_is_made_harmless(used_home: Home) -> None:
    run = used_home.desk("set-name", "utility", "\x1b]0;gotcha\x07\n'); DROP TABLE readings; --\u202e")
    assert run.code == 0 and "\x1b" not in run.out and "]0;gotcha '); DROP TABLE readings; --" in listed(used_home)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_all_characters_causes_no_error(
        used_home: Home, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    assert used_home.desk("set-name", "utility", "食品庫").code == 0
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(used_home.config), "list"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0 and UTILITY.encode() in done.stdout and b"Traceback" not in done.stderr


def test_changes_are_logged(used_home: Home) -> None:
    used_home.desk("set-name", "utility", "Larder")
    assert f" INFO devices context {UTILITY} (Utility) is now called Larder.\n" in used_home.log()


def test_a_long_rewriting_logs_no_more_lines_than_a_short_one(used_home: Home) -> None:
    store(used_home.database, *(a_cycle(a_reading(UTILITY, at(seconds=n)), at=at(seconds=n)) for n in range(100)))
    before = len(used_home.log().splitlines())
    assert "Past readings rewritten: 101." in used_home.desk("amend-name", UTILITY, "Larder", "--recursive").out
    assert len(used_home.log().splitlines()) == before + 3


def test_reading_commands_leave_no_trace(used_home: Home) -> None:
    def traces() -> tuple[str, bytes, list[str]]:
        names = [path.name for path in used_home.data.iterdir() if not path.name.endswith(("-wal", "-shm"))]  # SQLite's
        return used_home.log(), used_home.database.read_bytes(), sorted(names)
    before = traces()
    assert used_home.devices("list").code == used_home.devices("gaps").code == 0
    assert traces() == before


def test_a_forgotten_device_is_inactive_and_keeps_its_readings(used_home: Home) -> None:
    run = used_home.desk("forget", "utility")
    assert run.code == 0 and "is now inactive, until its source reports it again" in run.out
    assert listed(used_home)["Utility"]["active"] is False and newest(used_home)["name"] == "Utility"
    cycle(used_home)
    assert listed(used_home)["Utility"]["active"] is True


def test_the_history_is_deleted_after_the_id_has_been_typed(used_home: Home) -> None:
    used_home.desk("set-name", "utility", "Larder")
    run = used_home.desk("forget", "larder", "--delete-history", answer=f"{UTILITY}\n")
    assert run.code == 0 and f"delete its 1 reading permanently, type {UTILITY}: " in run.err
    assert "Past readings deleted: 1." in run.out
    assert {row["device_id"] for row in used_home.rows()}.isdisjoint({UTILITY}) and len(used_home.rows()) == 5
    assert (listed(used_home)["Larder"]["active"], listed(used_home)["Larder"]["last_reading"]) == (False, None)
    assert used_home.desk("forget", "larder", "--delete-history").code == 0


@pytest.mark.parametrize("answer", ["", "\n", "utility\n", "yes\n"])
def test_any_other_answer_changes_nothing(used_home: Home, answer: str) -> None:
    run = used_home.desk("forget", "utility", "--delete-history", answer=answer)
    assert run.code == 2 and "That is not its id; nothing was changed." in run.err
    assert listed(used_home)["Utility"]["active"] is True and len(used_home.rows()) == 6


def test_a_predecessors_devices_are_listed_after_migration(home: Home) -> None:
    registry = REGISTRY, """
        INSERT INTO device_registry (device_type, device_name, location, unique_id, last_seen)
        VALUES ('hue_sensor', 'Mr. X', 'Larder', 'hue:00:17:88:01-02-0402', '2025-11-18T14:50:00')
    """
    home.write_config()
    leave(home.database, awkward_rows(), NEWEST, *registry)
    early = home.desk("list")
    assert early.code == 1
    assert home.as_printed("has still to be brought up to date. Remedy: python devices.py migrate") in early.err
    run = home.desk("migrate")
    copy = home.data / "readings.db.before-v1"
    assert (run.code, run.err) == (0, "") and f"is now up to date; {copy} is a copy of the old one." in run.out
    assert home.desk("migrate").out == f"{home.database} was already up to date.\n"
    found = listed(home)
    assert list(found) == ["Mr. X", None]  # whose rows have no name
    assert [(each["device_id"], each["location"], each["last_reading"], each["active"]) for each in found.values()] == [
        ("hue:00:17:88:01-02-0402", "Larder", "2025-11-18T14:50:00+01:00", True),
        ("alexa:GAJ1", "Hall", "2025-11-18T15:35:00", False)]
    assert found["Mr. X"]["age_seconds"] > 0
    assert home.desk("amend-name", "GAJ1", "Air", "--recursive").code == 0
    assert [row["name"] for row in home.rows() if row["device_id"] == "alexa:GAJ1"] == ["Air", "Air"]


def test_any_command_that_makes_the_database_reads_the_predecessors_names(home: Home) -> None:
    home.write_config()
    (home.config.parent / "device_registry.yaml").write_text("hue:00:17:88:01:02:03:04:05-02-0402: {name: Larder}\n")
    assert home.desk("set-name", "alexa:GA00000000001", "Air").code == 0
    assert set(listed(home)) == {"Air", "Larder"}


@pytest.mark.parametrize(("width", "line"), [
    (200, f"^{UTILITY}  Utility  +Utility "), (100, f"^    {UTILITY}  hue_sensor  20"),
    (80, f"^    {UTILITY}  hue_sensor  20"), (60, f"^id +{UTILITY}\r$")])
def test_the_list_fits_the_terminal(used_home: Home, monkeypatch: pytest.MonkeyPatch, width: int, line: str) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    process, terminal = start_on_terminal(used_home, "list")
    text = shown(terminal)
    assert process.wait() == 0 and re.search(line, text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= width


def test_the_program_can_be_installed_under_the_name_that_shells_complete() -> None:
    assert "devices = devices:main" in Path(CHECKOUT / "setup.cfg").read_text(encoding="utf-8")
