"""What can be wrong with a home: which component finds it, what it says, and what makes it well again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests import damage
from tests.checked_home import Patient
from tests.remedies import (
    ACCEPT,
    COLLECT,
    command,
    copy_config,
    end_reader,
    key,
    make_room,
    pair_and_collect,
    pair_with_amazon,
    pair_with_hue,
    speak,
    wait_for_amazon,
)


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


SCENARIOS = {
    "config.yaml is missing": Scenario(
        damage.without_config, "configuration", "fail", 2, "there is no such file", copy_config),
    "config.yaml cannot be read": Scenario(
        lambda patient: patient.take_back(patient.config, 0o600), "configuration", "fail", 2, "Permission denied",
        command("sudo chown 54321 {config} && sudo chmod u+rw {config}"), as_root_only=True),
    "config.yaml is no YAML": Scenario(
        lambda patient: damage.write(patient, patient.config, "collection: [1, 2\nretry: }"), "configuration", "fail",
        2, "line 2", key("correct {config}", Patient.write_config)),
    "wrong types and ranges, all at once": Scenario(
        damage.wrong_values, "configuration", "fail", 2,
        "collection.interval_seconds: 5 is out of range; allowed is 30 to 86400; "
        "storage.busy_timeout_ms: 'long' is not a whole number; allowed is 0 to 60000; "
        "logging.level: 'LOUD' is not one of the choices; allowed is DEBUG",
        key("correct {config}", damage.right_values)),
    "an unknown key": Scenario(
        lambda patient: patient.write_config(colection={}), "configuration", "warn", 0, "did you mean collection?",
        key("correct {config}, or take that line out", damage.right_values)),
    "secrets.yaml is missing": Scenario(
        damage.without_secrets, "secrets", "fail", 2, "there is no", pair_with_hue),
    "secrets.yaml is no YAML": Scenario(
        lambda patient: damage.write(patient, patient.secrets, "hue: {"), "secrets", "fail", 2, "not valid YAML",
        key("correct {secrets}", Patient.keep_secrets)),
    "secrets.yaml cannot be read": Scenario(
        damage.lock_away, "secrets", "fail", 2, "Permission denied",
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
        lambda patient: patient.data.chmod(0o555), "database_write", "fail", 2, "nothing can be made in",
        command("sudo chown 54321 {data} && sudo chmod u+rwx {data}"), as_root_only=True),
    "the folder of the database cannot be made": Scenario(
        damage.wall_up, "database_write", "fail", 2, "none can be made", command(
            "sudo mkdir -p {home}/vault/deep && sudo chown 54321 {home}/vault/deep && sudo chmod u+rwx "
            "{home}/vault/deep", "hue"), as_root_only=True),
    "the database is a folder": Scenario(
        damage.become_folder, "database_write", "fail", 2, "is a folder",
        key("set storage.database_path in config.yaml to a file", damage.other_database)),
    "the database is none": Scenario(
        damage.become_diary, "database_write", "fail", 2, "damaged or not a database", command(ACCEPT, "hue")),
    "the database is damaged": Scenario(
        damage.damage, "database_write", "fail", 2, "damaged or not a database", command(ACCEPT, "hue")),
    "the database is gone": Scenario(
        damage.lose_database, "database_write", "fail", 2, "is gone, though readings were stored",
        command(ACCEPT, "hue")),
    "the database is newer than the program": Scenario(
        lambda patient: damage.execute(patient, "PRAGMA user_version = 99"), "database_write", "fail", 2,
        "written by a newer version", key(
            "git pull --rebase --autostash && make install",
            lambda patient: damage.execute(patient, "PRAGMA user_version = 1"))),
    "WAL is off": Scenario(
        lambda patient: damage.execute(patient, "PRAGMA journal_mode = DELETE"), "database_wal", "fail", 1,
        "write-ahead logging is off", command(COLLECT)),
    "WAL is turned off": Scenario(
        lambda patient: damage.turn_wal(patient, False), "database_wal", "fail", 1, "write-ahead logging is off",
        key("set storage.enable_wal_mode to true", lambda patient: damage.turn_wal(patient, True))),
    "the log cannot be written": Scenario(
        lambda patient: patient.log_file.parent.chmod(0o555), "log_rotation", "fail", 1, "cannot be written or rotated",
        command("sudo chown 54321 {data}/logs && sudo chmod u+rwx {data}/logs"), as_root_only=True),
    "rotation settings are wrong": Scenario(
        lambda patient: patient.write_config(logging={"max_bytes": 10}), "log_rotation", "fail", 2,
        "logging.max_bytes: 10 is out of range", key("correct logging.max_bytes in config.yaml", damage.right_values)),
    "the logs may outgrow the disk": Scenario(
        damage.unrotatable, "log_rotation", "fail", 1, "disk", key("set logging.", damage.right_values)),
    "a folder is in the way of the rotation": Scenario(
        lambda patient: Path(f"{patient.log_file}.1").mkdir(), "log_rotation", "fail", 1, "cannot be rotated",
        command("mv {log}.1 {log}.1.folder")),
    "the bridge does not answer": Scenario(
        damage.unreachable, "hue", "fail", 1, "cannot be reached: connection refused",
        key("set collectors.hue.bridge_ip in config.yaml to its address", damage.reachable)),
    "another bridge is at the address": Scenario(
        damage.stranger, "hue", "fail", 1, "presents a certificate that is not the one to trust",
        key("set collectors.hue.bridge_ip in config.yaml to ours", damage.reachable)),
    "another bridge takes our key": Scenario(
        damage.impostor, "hue", "fail", 1, "another bridge than",
        key("set collectors.hue.bridge_ip in config.yaml to ours", damage.unmasked)),
    "the bridge refuses our key": Scenario(
        damage.forgotten, "hue", "fail", 1, "the bridge refuses our key", pair_with_hue),
    "Amazon refuses our login": Scenario(
        damage.refuse_login, "amazon_aqm", "fail", 1, "Amazon refuses our login", pair_with_amazon),
    "Amazon asks for patience": Scenario(
        damage.throttle, "amazon_aqm", "warn", 0, "is rate-limiting us", wait_for_amazon),
    "the wrong country": Scenario(
        lambda patient: patient.configure("amazon_aqm", domain="amazon.fr"), "amazon_aqm", "fail", 1,
        "no monitor in this account on amazon.fr", key(
            "set collectors.amazon_aqm.domain to the Amazon site", lambda patient: patient.configure(
                "amazon_aqm", domain="amazon.co.uk"))),
    "readings wait in the spool": Scenario(
        damage.fill_spool, "spool", "warn", 0, "5 readings of 1 cycle wait for the database", command(COLLECT)),
    "a part of the spool was damaged": Scenario(
        damage.damage_spool, "spool", "fail", 1, "bytes of the spool were damaged", command("rm {data}/spool.bad")),
    "the spool is not ours to write": Scenario(
        damage.take_spool_away, "spool", "fail", 1, "spool.journal cannot be written: no reading can wait there",
        command("sudo chown 54321 {data}/spool.journal* && sudo chmod u+rw {data}/spool.journal*"), as_root_only=True),
    "a device is silent": Scenario(
        damage.silence, "freshness", "fail", 1, "Cellar (hue:cellar) has been silent since", speak),
    "nothing is collected any more": Scenario(
        damage.stop_cron, "freshness", "fail", 1,
        "no reading of any device since 2026-01-01T00:00:00+00:00: is cron running?", command(COLLECT, "amazon_aqm")),
    "a human is needed already": Scenario(
        damage.ask_for_human, "alerts", "fail", 1, "ALERT_HUE_PAIRING_NEEDED.txt since", pair_and_collect),
    "an alert for which the disk had no room": Scenario(
        lambda patient: (patient.data / "ALERT_STORAGE_FAILING.txt").touch(), "alerts", "fail", 1,
        "ALERT_STORAGE_FAILING.txt stands, but says nothing", make_room),
    "the -wal has grown": Scenario(damage.grow_wal, "database_wal", "warn", 0, "-wal has grown to 17 MB", end_reader),
}
