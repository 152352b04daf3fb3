"""Problems of a home: how each is caused, which component reports it, and how its remedy is carried out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests import damage
from tests.checked_home import CheckedHome
from tests.remedies import (
    ACCEPT,
    COLLECT,
    by_hand,
    collect_hue,
    command,
    end_reader,
    pair_and_collect,
    pair_with_amazon,
    pair_with_hue,
    report_again,
    wait_for_amazon,
)


@dataclass(frozen=True)
class Scenario:
    """How a home gets a problem, which component reports it, and how its remedy is carried out."""

    damage: Callable[[CheckedHome], None]
    component: str
    repair: Callable[[CheckedHome, str], None]
    as_root_only: bool = False


SCENARIOS = {
    "config.yaml is missing": Scenario(damage.without_config, "configuration",
                                       command("python devices.py --config {config} init")),
    "config.yaml cannot be read": Scenario(
        lambda home: home.give_to_root(home.config, 0o600), "configuration",
        command("sudo chown 54321 {config} && sudo chmod u+rw {config}"), as_root_only=True),
    "config.yaml is not YAML": Scenario(
        lambda home: damage.write(home, home.config, "collection: [1, 2\nretry: }"), "configuration",
        by_hand(CheckedHome.write_config)),
    "wrong types and ranges, all at once": Scenario(
        damage.wrong_values, "configuration", by_hand(damage.right_values)),
    "an unknown key": Scenario(
        lambda home: home.write_config(colection={}), "configuration",
        by_hand(damage.right_values)),
    "secrets.yaml is missing": Scenario(damage.without_secrets, "secrets", pair_with_hue),
    "secrets.yaml is not YAML": Scenario(
        lambda home: damage.write(home, home.secrets, "hue: {"), "secrets",
        by_hand(CheckedHome.keep_secrets)),
    "secrets.yaml cannot be read": Scenario(
        damage.give_secrets_to_root, "secrets", command("sudo chown 54321 {secrets} && sudo chmod u+rw {secrets}"),
        as_root_only=True),
    "secrets.yaml can be read by others": Scenario(
        lambda home: home.secrets.chmod(0o644), "secrets", command("chmod 600 {secrets}")),
    "the Hue key is missing": Scenario(lambda home: home.keep_secrets(hue={"api_key": None}), "secrets", pair_with_hue),
    "Amazon's token is missing": Scenario(
        lambda home: home.keep_secrets(amazon_aqm={"refresh_token": None}), "secrets", pair_with_amazon),
    "the database is read-only": Scenario(
        lambda home: home.give_to_root(home.database, 0o444), "database_write",
        command("sudo chown 54321 {data}/readings.db* && sudo chmod u+rw {data}/readings.db*"), as_root_only=True),
    "the folder of the database is read-only": Scenario(
        lambda home: home.data.chmod(0o555), "database_write",
        command("sudo chown 54321 {data} && sudo chmod u+rwx {data}"), as_root_only=True),
    "the folder of the database cannot be created": Scenario(
        damage.close_folder, "database_write",
        command("sudo mkdir -p {home}/vault/deep && sudo chown 54321 {home}/vault/deep && "
                "sudo chmod u+rwx {home}/vault/deep", "hue"), as_root_only=True),
    "the database is a folder": Scenario(
        damage.replace_by_folder, "database_write",
        by_hand(damage.other_database)),
    "the database is another kind of file": Scenario(damage.replace_by_text, "database_write", command(ACCEPT, "hue")),
    "the database is damaged": Scenario(damage.overwrite_pages, "database_write", command(ACCEPT, "hue")),
    "the database is gone": Scenario(damage.lose_database, "database_write", command(ACCEPT, "hue")),
    "the database is newer than the program": Scenario(
        lambda home: damage.execute(home, "PRAGMA user_version = 99"), "database_write",
        by_hand(lambda home: damage.execute(home, "PRAGMA user_version = 1"))),
    "WAL is off": Scenario(
        lambda home: damage.execute(home, "PRAGMA journal_mode = DELETE"), "database_wal", command(COLLECT)),
    "WAL is turned off": Scenario(
        lambda home: damage.turn_wal(home, False), "database_wal",
        by_hand(lambda home: damage.turn_wal(home, True))),
    "the log cannot be written": Scenario(
        lambda home: home.log_file.parent.chmod(0o555), "log_rotation",
        command("sudo chown 54321 {data}/logs && sudo chmod u+rwx {data}/logs"), as_root_only=True),
    "rotation settings are wrong": Scenario(
        lambda home: home.write_config(logging={"max_bytes": 10}), "log_rotation",
        by_hand(damage.right_values)),
    "the logs may outgrow the disk": Scenario(
        damage.unrotatable, "log_rotation", by_hand(damage.right_values)),
    "a folder blocks the rotation": Scenario(
        lambda home: Path(f"{home.log_file}.1").mkdir(), "log_rotation", command("mv {log}.1 {log}.1.folder")),
    "the bridge does not answer": Scenario(
        damage.unreachable, "hue",
        by_hand(damage.reachable)),
    "another bridge is at the address": Scenario(
        damage.stranger, "hue", by_hand(damage.reachable)),
    "another bridge takes our key": Scenario(
        damage.stranger_over_http, "hue", by_hand(damage.original_bridge)),
    "the bridge refuses our key": Scenario(damage.remove_key, "hue", pair_with_hue),
    "Amazon refuses our login": Scenario(damage.refuse_login, "amazon_aqm", pair_with_amazon),
    "Amazon is rate-limiting us": Scenario(damage.throttle, "amazon_aqm", wait_for_amazon),
    "the wrong country": Scenario(
        lambda home: home.configure("amazon_aqm", domain="amazon.fr"), "amazon_aqm",
        by_hand(lambda home: home.configure("amazon_aqm", domain="amazon.co.uk"))),
    "readings wait in the spool": Scenario(damage.fill_spool, "spool", command(COLLECT)),
    "a part of the spool was damaged": Scenario(damage.damage_spool, "spool", command("rm {data}/spool.bad")),
    "the spool belongs to another account": Scenario(
        damage.give_spool_to_root, "spool",
        command("sudo chown 54321 {data}/spool.journal* && sudo chmod u+rw {data}/spool.journal*"),
        as_root_only=True),
    "a device is silent": Scenario(damage.add_silent_device, "freshness", report_again),
    "nothing is collected any more": Scenario(damage.stop_cron, "freshness", command(COLLECT, "hue")),
    "an alert is active": Scenario(damage.raise_alert, "alerts", pair_and_collect),
    "an alert for which the disk had no room": Scenario(
        lambda home: (home.data / "ALERT_STORAGE_FAILING.txt").touch(), "alerts", by_hand(collect_hue)),
    "the -wal has grown": Scenario(damage.grow_wal, "database_wal", end_reader),
}
