"""Problems of a home: how each is caused, which component reports it, and how its remedy is carried out.

A remedy is carried out as by a person: to the letter, by a shell where it is a command.
"""

import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from storage.schema import MIGRATIONS
from tests import damage
from tests.checked_home import CheckedHome
from tests.mail_server import MailServer, email_section
from tests.storage.samples import a_cycle, a_reading, store

COLLECT = "python -m collectors.amazon_aqm"
DISCOVER = "python -m collectors.hue --discover"
DISCOVER_AMAZON = f"{COLLECT} --discover"
ACCEPT = "python devices.py accept-new-database"
Repair = Callable[[CheckedHome, str], None]  # of a home, by its remedy


class Scenario(NamedTuple):
    damage: Callable[[CheckedHome], object]
    component: str
    repair: Repair
    as_root_only: bool = False


def command(text: str, *after: str) -> Repair:
    """Return a function that runs a command of the remedy, then a cycle of each of the collectors."""
    def repair(home: CheckedHome, remedy: str) -> None:
        wanted = home.as_printed(text.format(home=home.folder, data=home.data, config=home.config,
                                             secrets=home.secrets, log=home.log_file))
        assert wanted in remedy
        if text.startswith("python"):
            home.hand_over(os.geteuid())
        done = home.carry_out(wanted)
        assert done.code == 0, done
        home.hand_over()
        home.collect(*after) if after else None
        home.hand_over()
    return repair


def by_hand(change: Callable[[CheckedHome], None]) -> Repair:
    """Return a function that makes a change which the remedy describes in words."""
    def repair(home: CheckedHome, _remedy: str) -> None:
        change(home)
        home.hand_over()
    return repair


def collect_hue(home: CheckedHome) -> None:
    home.collect("hue")


def collect_both(home: CheckedHome) -> None:
    home.collect()


def in_turn(*repairs: Repair) -> Repair:
    """Return a function that carries out all of a remedy's alternatives and steps."""
    def repair(home: CheckedHome, remedy: str) -> None:
        for step in repairs:
            step(home, remedy)
    return repair


def restore(home: CheckedHome, remedy: str) -> None:
    """Run the command with the name of a backup in place of FILE."""
    named = home.as_printed(f"python readings.py restore {home.backup}")
    assert named.replace(str(home.backup), "FILE") in remedy
    home.hand_over(os.geteuid())
    done = home.carry_out(named)
    assert done.code == 0, done
    home.hand_over()


def pair_with_stranger(home: CheckedHome, remedy: str) -> None:
    home.simulator.stranger.press_link_button(home.simulator.now())
    command("python devices.py pair hue")(home, remedy)


def pair_with_hue(home: CheckedHome, remedy: str) -> None:
    home.simulator.press_link_button()
    command("python devices.py pair hue")(home, remedy)


def pair_with_amazon(home: CheckedHome, remedy: str) -> None:
    """Run the command, and sign in at the address that it prints."""
    home.hand_over(os.geteuid())
    assert remedy == home.as_printed("python devices.py pair amazon_aqm")
    with home.shell(remedy) as process:
        assert process.stderr is not None
        line = ""
        while "/ap/signin" not in line:
            line = process.stderr.readline()
            assert line
        process.communicate(home.simulator.alexa.sign_in(line.strip()) + "\n", timeout=60)
    assert process.returncode == 0
    home.hand_over()


def pair_and_collect(home: CheckedHome, remedy: str) -> None:
    pair_with_hue(home, remedy)
    home.collect("hue")


def see_why_and_collect(home: CheckedHome, remedy: str) -> None:
    command("python healthcheck.py --only database_write")(home, remedy)
    command(COLLECT)(home, remedy)


def wait_for_amazon(home: CheckedHome, remedy: str) -> None:
    home.simulator.faults.clear()
    command("python healthcheck.py --only amazon_aqm")(home, remedy)


def report_again(home: CheckedHome, remedy: str) -> None:
    """Run the command; it shows, for example, an empty battery, and with a new one the device reports again."""
    command(DISCOVER)(home, remedy)
    now = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=1)
    store(home.database, a_cycle(a_reading("hue:cellar", at=now, name="Cellar"), at=now))
    home.hand_over()


def kill_run(home: CheckedHome, remedy: str) -> None:
    run = home.run_stopped  # type: ignore[attr-defined]  # stopped when the home was damaged
    look, _, kill = (part.rpartition(": ")[2] for part in remedy.partition("; "))
    assert str(run.pid) in home.carry_out(look).out and home.carry_out(kill).code == 0
    assert run.wait(10) == -signal.SIGKILL
    home.collect("hue")
    home.hand_over()


def send_test_mail(home: CheckedHome, remedy: str) -> None:
    with MailServer() as server:
        home.keep_secrets(email=server.section())
        home.hand_over()
        command("python devices.py alert --test")(home, remedy)
        assert len(server.mails) == 1


def end_reader(home: CheckedHome, remedy: str) -> None:
    assert f"fuser -v {home.database}" in remedy
    home.reader.close()  # type: ignore[attr-defined]  # opened when the home was damaged
    home.collect("hue")
    home.hand_over()


accept_or_restore = in_turn(command(ACCEPT, "hue"), restore)

SCENARIOS = {
    "config.yaml is missing": Scenario(lambda home: home.config.unlink(), "configuration",
                                       command("python devices.py init")),
    "config.yaml cannot be read": Scenario(
        lambda home: home.give_to_root(home.config, 0o600), "configuration",
        command("sudo chown 54321 {config} && sudo chmod u+rw {config}"), as_root_only=True),
    "config.yaml is not YAML": Scenario(
        lambda home: damage.write(home.config, "collection: [1, 2\nretry: }"), "configuration",
        by_hand(CheckedHome.write_config)),
    "wrong types and ranges, all at once": Scenario(damage.wrong_values, "configuration", by_hand(damage.right_values)),
    "an unknown key": Scenario(
        lambda home: home.write_config(storage={"busy_timout_ms": 50}), "configuration", by_hand(damage.right_values)),
    "a place for an id that no device has": Scenario(
        lambda home: home.configure("hue", sensor_locations={"00:17:88:01:cc:75:00:02-02-0402": "Larder"}),
        "configuration", by_hand(lambda home: home.configure("hue", sensor_locations={}))),
    "no collector is enabled": Scenario(damage.disable_collectors, "configuration", by_hand(damage.enable_collectors)),
    "an unknown section": Scenario(
        lambda home: home.write_config(colection={}), "configuration", by_hand(damage.right_values)),
    "secrets.yaml is missing": Scenario(damage.without_secrets, "secrets", pair_with_hue),
    "Amazon's token has another form": Scenario(
        lambda home: home.keep_secrets(amazon_aqm={"refresh_token": "hello"}), "secrets",
        by_hand(CheckedHome.keep_secrets)),
    "a notifier's section is wrong": Scenario(
        lambda home: home.keep_secrets(email=email_section(99_999)), "secrets", by_hand(CheckedHome.keep_secrets)),
    "secrets.yaml is not YAML": Scenario(
        lambda home: damage.write(home.secrets, "hue: {"), "secrets", by_hand(CheckedHome.keep_secrets)),
    "secrets.yaml cannot be read": Scenario(
        lambda home: home.give_to_root(home.secrets, 0o600), "secrets",
        command("sudo chown 54321 {secrets} && sudo chmod u+rw {secrets}"), as_root_only=True),
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
    "the database is a folder": Scenario(damage.replace_by_folder, "database_write", by_hand(damage.other_database)),
    "the database is another kind of file": Scenario(damage.replace_by_text, "database_write", accept_or_restore),
    "the database is damaged": Scenario(damage.overwrite_pages, "database_write", accept_or_restore),
    "the database is gone": Scenario(damage.lose_database, "database_write", accept_or_restore),
    "the disk of data/ is not mounted": Scenario(
        damage.unmount, "database_write", in_turn(by_hand(damage.mount), restore, command(ACCEPT))),
    "another record is in its place": Scenario(damage.replace_by_other_record, "database_write", command(ACCEPT)),
    "the database is newer than the program": Scenario(
        lambda home: damage.execute(home, "PRAGMA user_version = 99"), "database_write",
        by_hand(lambda home: damage.execute(home, f"PRAGMA user_version = {len(MIGRATIONS)}"))),
    "a write was killed": Scenario(damage.kill_write, "database_write", command("python devices.py migrate")),
    "WAL is off": Scenario(
        lambda home: damage.execute(home, "PRAGMA journal_mode = DELETE"), "database_wal", command(COLLECT)),
    "WAL is turned off in config.yaml": Scenario(
        lambda home: damage.turn_wal(home, False), "database_wal", by_hand(lambda home: damage.turn_wal(home, True))),
    "the log cannot be written": Scenario(
        lambda home: home.log_file.parent.chmod(0o555), "log_rotation",
        command("sudo chown 54321 {data}/logs && sudo chmod u+rwx {data}/logs"), as_root_only=True),
    "rotation settings are wrong": Scenario(
        lambda home: home.write_config(logging={"max_bytes": 10}), "log_rotation", by_hand(damage.right_values)),
    "the logs may outgrow the disk": Scenario(
        lambda home: home.write_config(logging={"max_bytes": 10 ** 9, "backup_count": 100, "min_free_mb": 10 ** 6}),
        "log_rotation", by_hand(damage.right_values)),
    "a folder blocks the rotation": Scenario(
        lambda home: Path(f"{home.log_file}.1").mkdir(), "log_rotation", command("mv {log}.1 {log}.1.folder")),
    "the bridge does not answer": Scenario(
        lambda home: home.configure("hue", bridge_ip="https://127.0.0.1:9", discovery_url=None), "hue",
        by_hand(damage.reachable)),
    "another bridge is at the address": Scenario(damage.stranger, "hue", pair_with_stranger),
    "another bridge takes our key": Scenario(damage.stranger_over_http, "hue", pair_with_stranger),
    "the bridge refuses our key": Scenario(damage.remove_key, "hue", pair_with_hue),
    "Amazon refuses our login": Scenario(damage.refuse_login, "amazon_aqm", pair_with_amazon),
    "Amazon is rate-limiting us": Scenario(
        lambda home: home.simulator.faults.add("throttled"), "amazon_aqm", wait_for_amazon),
    "Open-Meteo rejects our request": Scenario(
        damage.reject_weather, "weather", by_hand(lambda home: home.simulator.faults.clear())),
    "the wrong country": Scenario(
        lambda home: home.configure("amazon_aqm", domain="amazon.fr"), "amazon_aqm",
        by_hand(lambda home: home.configure("amazon_aqm", domain="amazon.co.uk"))),
    "readings wait in the spool": Scenario(damage.fill_spool, "spool", see_why_and_collect),
    "a part of the spool was damaged": Scenario(damage.damage_spool, "spool", command("rm {data}/spool.bad")),
    "the spool belongs to another account": Scenario(
        damage.give_spool_to_root, "spool",
        command("sudo chown 54321 {data}/spool.journal* && sudo chmod u+rw {data}/spool.journal*"), as_root_only=True),
    "config/ cannot be written": Scenario(
        lambda home: home.give_to_root(home.config.parent, 0o755), "spool",
        command("sudo chown 54321 {home}/config && sudo chmod u+rwx {home}/config"), as_root_only=True),
    "config/record.id is damaged": Scenario(
        lambda home: damage.write(home.config.with_name("record.id"), "no such line\n"), "spool",
        in_turn(restore, command(ACCEPT))),
    "a device is silent": Scenario(damage.add_silent_device, "freshness", report_again),
    "a device never gave a value": Scenario(
        damage.add_device_without_values, "freshness",
        in_turn(command(DISCOVER), command("python devices.py forget hue:cellar"))),
    "a run is stopped": Scenario(damage.stop_run, "freshness", kill_run),
    "nothing was ever collected": Scenario(
        damage.delete_readings, "freshness", in_turn(command(DISCOVER_AMAZON), by_hand(collect_both))),
    "nothing is collected any more": Scenario(
        lambda home: damage.execute(home, "UPDATE readings SET timestamp = '2026-01-01T00:00:00+00:00'"), "freshness",
        command(COLLECT, "hue")),
    "the clock is wrong": Scenario(
        lambda home: damage.execute(home, "UPDATE collection_cycles SET clock_offset_seconds = -10800"), "clock",
        by_hand(collect_both)),
    "the clock of a source is wrong": Scenario(
        lambda home: damage.execute(
            home, "UPDATE collection_cycles SET clock_offset_seconds = 7500 WHERE collector = 'hue'"),
        "clock", by_hand(collect_hue)),
    "a battery is nearly flat": Scenario(
        lambda home: damage.execute(home, "UPDATE readings SET battery_level = 15 WHERE name = 'Utility'"), "batteries",
        by_hand(collect_hue)),
    "an alert is active": Scenario(damage.raise_alert, "alerts", pair_and_collect),
    "an alert for which the disk had no room": Scenario(
        lambda home: (home.data / "ALERT_STORAGE_FAILING.txt").touch(), "alerts", by_hand(collect_hue)),
    "a mail could not be delivered": Scenario(damage.lose_mail, "alerts", send_test_mail),
    "the -wal has grown": Scenario(damage.grow_wal, "database_wal", end_reader),
}
