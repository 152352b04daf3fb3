"""What can be wrong, each produced for real: the component that finds it, the exit code, and a remedy that works.

A scenario wounds a healthy home; the remedy is then carried out to the letter, by a shell where it is a command, and
the component must be well again.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from storage import replacement
from tests.home import CHECKOUT, unmeasured
from tests.patient import IS_ROOT, Patient
from tests.storage.samples import a_cycle, a_reading, store

PAIR_HUE = "python devices.py pair hue"
PAIR_AMAZON = "python devices.py pair amazon_aqm"
COLLECT = "python -m collectors.hue"
ACCEPT = replacement.ACCEPT


@dataclass(frozen=True)
class Scenario:
    """What is done to the patient, and what must come of it; `heal` is handed the remedy."""

    wound: Callable[[Patient], None]
    component: str
    status: str
    code: int
    said: str
    heal: Callable[[Patient, str], None]
    as_root_only: bool = False


def command(text: str, *after: str) -> Callable[[Patient, str], None]:
    """Return what carries out a command, once it is seen in the remedy; then cycles come by, as cron has them."""
    def heal(patient: Patient, remedy: str) -> None:
        wanted = text.format(home=patient.folder, data=patient.data, config=patient.config, secrets=patient.secrets,
                             log=patient.log_file)
        assert wanted in remedy
        if wanted.startswith("python"):
            patient.hand_over(os.geteuid())
        done = patient.obey(wanted)
        assert done.code == 0, done
        patient.hand_over()
        patient.collect(*after) if after else None
        patient.hand_over()
    return heal


def pair_with_hue(patient: Patient, remedy: str) -> None:
    """Run the command while the button is pressed."""
    patient.simulator.press_link_button()
    command(PAIR_HUE)(patient, remedy)


def pair_with_amazon(patient: Patient, remedy: str) -> None:
    """Run the command and sign in at the address that it shows."""
    assert PAIR_AMAZON in remedy
    patient.hand_over(os.geteuid())
    program = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(patient.config), "pair", "amazon_aqm"]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=unmeasured()) as process:
        assert process.stderr is not None
        told = ""
        while "/ap/signin" not in told:
            told = process.stderr.readline()
            assert told
        process.communicate(patient.simulator.alexa.sign_in(told.strip()) + "\n", timeout=60)
    assert process.returncode == 0
    patient.hand_over()


def key(name: str, change: Callable[[Patient], None]) -> Callable[[Patient, str], None]:
    """Return what changes a key of config.yaml, or the file, once the remedy names it."""
    def heal(patient: Patient, remedy: str) -> None:
        assert name.format(config=patient.config, secrets=patient.secrets) in remedy
        change(patient)
        patient.hand_over()
    return heal


def write(patient: Patient, path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def only_hue(patient: Patient) -> None:
    patient.configure("amazon_aqm", enabled=False)


def without_config(patient: Patient) -> None:
    patient.config.unlink()


def copy_config(patient: Patient, remedy: str) -> None:
    assert f"copy the config/config.yaml of the project to {patient.config}" in remedy
    shutil.copy(CHECKOUT / "config" / "config.yaml", patient.config)
    patient.hand_over()


def wrong_values(patient: Patient) -> None:
    patient.write_config(collection={"interval_seconds": 5}, storage={"busy_timeout_ms": "long"},
                         logging={"level": "LOUD"})


def right_values(patient: Patient) -> None:
    for section in ("collection", "storage", "logging", "colection"):
        patient.settings.pop(section, None)
    patient.write_config()


def without_secrets(patient: Patient) -> None:
    only_hue(patient)
    patient.secrets.unlink()


def execute(patient: Patient, statement: str) -> None:
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as connection:
        connection.execute(statement)


def damage(patient: Patient) -> None:
    """Write over the pages in the middle, while nothing has the database open."""
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    with patient.database.open("r+b") as file:
        size = patient.database.stat().st_size
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def lose_database(patient: Patient) -> None:
    for path in patient.data.glob("readings.db*"):
        path.unlink()


def wall_up(patient: Patient) -> None:
    """A database that is to be made where only root may make anything."""
    (patient.data / replacement.MARKER).unlink()
    patient.write_config(storage={"database_path": "vault/deep/readings.db"})
    os.chown(patient.folder, 0, 0)


def become_folder(patient: Patient) -> None:
    lose_database(patient)
    patient.database.mkdir()


def other_database(patient: Patient) -> None:
    patient.write_config(storage={"database_path": "data/other.db"})
    patient.obey(ACCEPT)
    patient.collect("hue")


def become_diary(patient: Patient) -> None:
    lose_database(patient)
    write(patient, patient.database, "Dear diary, " * 500)


def turn_wal(patient: Patient, on: bool) -> None:
    patient.write_config(storage={"enable_wal_mode": on})
    patient.collect("hue")


def unrotatable(patient: Patient) -> None:
    """Settings that are in range, but that no disk of this machine can serve."""
    patient.write_config(logging={"max_bytes": 1_000_000_000, "backup_count": 100, "min_free_mb": 1_000_000})


def unmasked(patient: Patient) -> None:
    """The bridge is itself again, and asked where it is."""
    patient.simulator.faults.clear()
    reachable(patient)


def refuse_login(patient: Patient) -> None:
    patient.simulator.alexa.revoke()
    patient.simulator.alexa.expire_cookies()


def make_room(patient: Patient, remedy: str) -> None:
    assert "the next cycle that succeeds removes it" in remedy
    patient.collect("hue")


def unreachable(patient: Patient) -> None:
    patient.configure("hue", bridge_ip="https://127.0.0.1:9", discovery_url=None)


def reachable(patient: Patient) -> None:
    patient.configure("hue", bridge_ip=patient.simulator.https_url)


def stranger(patient: Patient) -> None:
    """The bridge has moved, and its neighbour's is now where it was."""
    patient.configure("hue", discovery_url=None)
    patient.simulator.move(stranger=True)


def impostor(patient: Patient) -> None:
    """Over http, and it takes our key."""
    patient.configure("hue", discovery_url=None, bridge_ip=patient.simulator.http_url)
    patient.simulator.faults.add("wrong-bridge", accepts_key=True)


def forgotten(patient: Patient) -> None:
    """Somebody has removed our key from the bridge."""
    patient.simulator.bridge.keys.clear()


def throttle(patient: Patient) -> None:
    patient.simulator.faults.add("throttled")


def wait_for_amazon(patient: Patient, remedy: str) -> None:
    """Time has passed, and the cloud answers again; the remedy says how to ask at once."""
    patient.simulator.faults.clear()
    assert "wait; to ask at once: python healthcheck.py --only amazon_aqm" in remedy


def silence(patient: Patient) -> None:
    """A device that told something an hour ago, and nothing since."""
    hour_ago = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(hours=1)
    store(patient.database, a_cycle(a_reading("hue:cellar", at=hour_ago, name="Cellar"), at=hour_ago))


def speak(patient: Patient, remedy: str) -> None:
    """What the remedy shows is that its battery was empty, say; with a new one it tells something again."""
    done = patient.obey(f"{COLLECT} --discover")
    assert f"{COLLECT} --discover" in remedy and done.code == 0
    now = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=1)
    store(patient.database, a_cycle(a_reading("hue:cellar", at=now, name="Cellar"), at=now))
    patient.hand_over()


def stop_cron(patient: Patient) -> None:
    execute(patient, "UPDATE readings SET timestamp = '2026-01-01T00:00:00+00:00'")


def ask_for_human(patient: Patient) -> None:
    """Our key was refused at a cycle."""
    forgotten(patient)
    assert [run.code for run in patient.collect("hue")] == [2]


def pair_and_collect(patient: Patient, remedy: str) -> None:
    assert "the next cycle that succeeds removes the file" in remedy
    pair_with_hue(patient, remedy)
    patient.collect("hue")


def fill_spool(patient: Patient) -> None:
    """Somebody held the database while a cycle wanted to store."""
    patient.write_config(storage={"busy_timeout_ms": 50})
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert [run.code for run in patient.collect("hue")] == [1]


def take_spool_away(patient: Patient) -> None:
    """A run of root's, long ago."""
    journal = patient.data / "spool.journal"
    assert journal.exists()
    os.chown(journal, 0, 0)
    journal.chmod(0o644)


def damage_spool(patient: Patient) -> None:
    with (patient.data / "spool.journal").open("r+b") as file:
        file.write(b"+00000000 12 no such line")
    patient.collect("hue")


def grow_wal(patient: Patient) -> None:
    """A reader that never ends, and 17 MB written meanwhile."""
    reader = sqlite3.connect(patient.database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM readings").fetchone()
    patient.reader = reader  # type: ignore[attr-defined]  # ended when the remedy is obeyed
    with closing(sqlite3.connect(patient.database, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE notes (note BLOB)")
        writer.executemany("INSERT INTO notes VALUES (zeroblob(1000000))", [()] * 17)


def end_reader(patient: Patient, remedy: str) -> None:
    assert f"fuser -v {patient.database}" in remedy and "the next cycle makes the -wal small again" in remedy
    patient.reader.close()  # type: ignore[attr-defined]  # opened when the patient was wounded
    patient.collect("hue")
    patient.hand_over()


def lock_away(patient: Patient) -> None:
    patient.take_back(patient.secrets, 0o600)


SCENARIOS = {
    "config.yaml is missing": Scenario(
        without_config, "configuration", "fail", 2, "there is no such file", copy_config),
    "config.yaml cannot be read": Scenario(
        lambda patient: patient.take_back(patient.config, 0o600), "configuration", "fail", 2, "Permission denied",
        command("sudo chown 54321 {config} && sudo chmod u+rw {config}"), as_root_only=True),
    "config.yaml is no YAML": Scenario(
        lambda patient: write(patient, patient.config, "collection: [1, 2\nretry: }"), "configuration", "fail", 2,
        "line 2", key("correct {config}", Patient.write_config)),
    "wrong types and ranges, all at once": Scenario(
        wrong_values, "configuration", "fail", 2, "collection.interval_seconds: 5 is out of range; allowed is 30 to "
        "86400; storage.busy_timeout_ms: 'long' is not a whole number; allowed is 0 to 60000; logging.level: 'LOUD' is "
        "not one of the choices; allowed is DEBUG", key("correct {config}", right_values)),
    "an unknown key": Scenario(
        lambda patient: patient.write_config(colection={}), "configuration", "warn", 0, "did you mean collection?",
        key("correct {config}, or take that line out", right_values)),
    "secrets.yaml is missing": Scenario(
        without_secrets, "secrets", "fail", 2, "there is no", pair_with_hue),
    "secrets.yaml is no YAML": Scenario(
        lambda patient: write(patient, patient.secrets, "hue: {"), "secrets", "fail", 2, "not valid YAML",
        key("correct {secrets}", Patient.keep_secrets)),
    "secrets.yaml cannot be read": Scenario(
        lock_away, "secrets", "fail", 2, "Permission denied",
        command("sudo chown 54321 {secrets} && sudo chmod u+rw {secrets}"), as_root_only=True),
    "secrets.yaml can be read by others": Scenario(
        lambda patient: patient.secrets.chmod(0o644), "secrets", "warn", 0, "others on this machine may read",
        command("chmod 600 {secrets}")),
    "the Hue key is missing": Scenario(
        lambda patient: patient.keep_secrets(hue={"api_key": None}), "secrets", "fail", 1, "hue.api_key is missing",
        pair_with_hue),
    "Amazon's token is missing": Scenario(
        lambda patient: patient.keep_secrets(amazon_aqm={"refresh_token": None}), "secrets", "fail", 1,
        "amazon_aqm.refresh_token is missing", pair_with_amazon),
    "the database is read-only": Scenario(
        lambda patient: patient.take_back(patient.database, 0o444), "database_write", "fail", 2, "not permitted to use",
        command("sudo chown 54321 {data}/readings.db* && sudo chmod u+rw {data}/readings.db*"), as_root_only=True),
    "the folder of the database is read-only": Scenario(
        lambda patient: patient.data.chmod(0o555), "database_write", "fail", 2, "not permitted to use",
        command("sudo chown 54321 {data} && sudo chmod u+rwx {data}"), as_root_only=True),
    "the folder of the database cannot be made": Scenario(
        wall_up, "database_write", "fail", 2, "none can be made", command(
            "sudo mkdir -p {home}/vault/deep && sudo chown 54321 {home}/vault/deep && sudo chmod u+rwx "
            "{home}/vault/deep", "hue"), as_root_only=True),
    "the database is a folder": Scenario(
        become_folder, "database_write", "fail", 2, "is a folder",
        key("set storage.database_path in config.yaml to a file", other_database)),
    "the database is none": Scenario(
        become_diary, "database_write", "fail", 2, "damaged or not a database", command(ACCEPT, "hue")),
    "the database is damaged": Scenario(
        damage, "database_write", "fail", 2, "damaged or not a database", command(ACCEPT, "hue")),
    "the database is gone": Scenario(
        lose_database, "database_write", "fail", 2, "is gone, though readings were stored", command(ACCEPT, "hue")),
    "the database is newer than the program": Scenario(
        lambda patient: execute(patient, "PRAGMA user_version = 99"), "database_write", "fail", 2,
        "written by a newer version", key("git pull && make install", lambda patient: execute(
            patient, "PRAGMA user_version = 1"))),
    "WAL is off": Scenario(
        lambda patient: execute(patient, "PRAGMA journal_mode = DELETE"), "database_wal", "fail", 1,
        "write-ahead logging is off", command(COLLECT)),
    "WAL is turned off": Scenario(
        lambda patient: turn_wal(patient, False), "database_wal", "fail", 1, "write-ahead logging is off",
        key("set storage.enable_wal_mode to true", lambda patient: turn_wal(patient, True))),
    "the log cannot be written": Scenario(
        lambda patient: patient.log_file.parent.chmod(0o555), "log_rotation", "fail", 1, "cannot be written or rotated",
        command("sudo chown 54321 {data}/logs && sudo chmod u+rwx {data}/logs"), as_root_only=True),
    "rotation settings are wrong": Scenario(
        lambda patient: patient.write_config(logging={"max_bytes": 10}), "log_rotation", "fail", 2,
        "logging.max_bytes: 10 is out of range", key("correct logging.max_bytes in config.yaml", right_values)),
    "the logs may outgrow the disk": Scenario(
        unrotatable, "log_rotation", "fail", 1, "disk", key("set logging.", right_values)),
    "a folder is in the way of the rotation": Scenario(
        lambda patient: Path(f"{patient.log_file}.1").mkdir(), "log_rotation", "fail", 1, "cannot be rotated",
        command("mv {log}.1 {log}.1.folder")),
    "the bridge does not answer": Scenario(
        unreachable, "hue", "fail", 1, "cannot be reached: connection refused",
        key("set collectors.hue.bridge_ip in config.yaml to its address", reachable)),
    "another bridge is at the address": Scenario(
        stranger, "hue", "fail", 1, "presents a certificate that is not the one to trust",
        key("set collectors.hue.bridge_ip in config.yaml to ours", reachable)),
    "another bridge takes our key": Scenario(
        impostor, "hue", "fail", 1, "another bridge than",
        key("set collectors.hue.bridge_ip in config.yaml to ours", unmasked)),
    "the bridge refuses our key": Scenario(
        forgotten, "hue", "fail", 1, "the bridge refuses our key", pair_with_hue),
    "Amazon refuses our login": Scenario(
        refuse_login, "amazon_aqm", "fail", 1, "Amazon refuses our login", pair_with_amazon),
    "Amazon asks for patience": Scenario(
        throttle, "amazon_aqm", "warn", 0, "asks for patience", wait_for_amazon),
    "the wrong country": Scenario(
        lambda patient: patient.configure("amazon_aqm", domain="amazon.fr"), "amazon_aqm", "fail", 1,
        "no monitor in this account on amazon.fr", key(
            "set collectors.amazon_aqm.domain to the Amazon site", lambda patient: patient.configure(
                "amazon_aqm", domain="amazon.co.uk"))),
    "readings wait in the spool": Scenario(
        fill_spool, "spool", "warn", 0, "5 readings of 1 cycle wait for the database", command(COLLECT)),
    "a part of the spool was damaged": Scenario(
        damage_spool, "spool", "fail", 1, "bytes of the spool were damaged", command("rm {data}/spool.bad")),
    "the spool is not ours to write": Scenario(
        take_spool_away, "spool", "fail", 1, "spool.journal cannot be written: no reading can wait there",
        command("sudo chown 54321 {data}/spool.journal* && sudo chmod u+rw {data}/spool.journal*"), as_root_only=True),
    "a device is silent": Scenario(
        silence, "freshness", "fail", 1, "Cellar (hue:cellar) has been silent since", speak),
    "nothing is collected any more": Scenario(
        stop_cron, "freshness", "fail", 1, "no reading of any device since 2026-01-01T00:00:00+00:00: is cron running?",
        command(COLLECT, "amazon_aqm")),
    "a human is needed already": Scenario(
        ask_for_human, "alerts", "fail", 1, "ALERT_HUE_PAIRING_NEEDED.txt since", pair_and_collect),
    "an alert for which the disk had no room": Scenario(
        lambda patient: (patient.data / "ALERT_STORAGE_FAILING.txt").touch(), "alerts", "fail", 1,
        "ALERT_STORAGE_FAILING.txt stands, but says nothing", make_room),
    "the -wal has grown": Scenario(grow_wal, "database_wal", "warn", 0, "-wal has grown to 17 MB", end_reader),
}


@dataclass(frozen=True)
class Row:
    """A line of docs/running.md, under the heading of its component."""

    component: str
    status: str
    code: str
    said: str
    remedy: str

    def tells(self, told: dict[str, str], code: int) -> bool:
        """Tell whether this is what the program really says."""
        return ((self.component, self.status, self.code) == (told["name"], told["status"], str(code))
                and bool(pattern(self.said).search(told["message"]) and pattern(self.remedy).search(told["remedy"])))


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace("…", ".+"))


@cache
def runbook() -> dict[str, Row]:
    """Return the lines of the page by what is wrong."""
    rows, components = {}, [""]
    for line in (CHECKOUT / "docs" / "running.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            components = re.findall(r"`(\w+)`", line) or components
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("| ") else []
        if len(cells) == 5 and cells[1] in ("warn", "fail"):
            component = SCENARIOS[cells[0]].component
            assert component in components, f"{cells[0]} stands under {components}"
            rows[cells[0]] = Row(component, *cells[1:])
    return rows


def test_the_runbook_has_a_line_for_each_scenario_and_no_other() -> None:
    assert sorted(runbook()) == sorted(SCENARIOS)
    assert len(SCENARIOS) >= 25


def test_a_healthy_home_is_found_healthy(patient: Patient) -> None:
    """SC-004: well below the time limit, whatever SQLite this Python links."""
    run = patient.check("--json")
    assert (run.code, run.json["status"] in ("pass", "warn"), run.err) == (0, True, "")
    assert run.json["duration_ms"] < 2000
    well = {each["name"]: each["status"] for each in run.json["components"]}
    assert list(well) == ["configuration", "secrets", "database_wal", "database_write", "log_rotation", "disk_space",
                          "spool", "alerts", "freshness", "amazon_aqm", "hue"]
    assert {status for name, status in well.items() if name not in ("database_wal", "configuration")} == {"pass"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_is_wrong_is_found_and_its_remedy_works(name: str, patient: Patient) -> None:
    """FR-020 to FR-030: right component, right status, right exit code; obeyed, the remedy makes it well."""
    scenario = SCENARIOS[name]
    if scenario.as_root_only and not IS_ROOT:
        pytest.skip("only root can take things away from the user")
    owner = os.stat(patient.folder).st_uid
    scenario.wound(patient)
    if not scenario.as_root_only and owner:
        patient.hand_over()
    code, found = patient.components()
    wounded = found[scenario.component]
    assert (wounded["status"], code) == (scenario.status, scenario.code), found
    assert scenario.said in wounded["message"]
    assert runbook()[name].tells(wounded, code), wounded
    scenario.heal(patient, wounded["remedy"])
    is_source = scenario.component in ("hue", "amazon_aqm")
    _, found = patient.components(*[] if is_source else ["--offline"], environment=unmeasured())
    assert scenario.said not in found[scenario.component]["message"]
    well = ("pass", "warn") if scenario.component == "database_wal" else ("pass",)
    assert found[scenario.component]["status"] in well, found[scenario.component]
