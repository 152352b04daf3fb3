"""A cycle in bad company: hostile texts, streams nobody reads, folders closed to us, a log that cannot rotate."""

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import NotAuthorised, NotUnderstood
from storage.reading import Reading, Sighting
from tests.checkout import CHECKOUT
from tests.home import Home, Outcome
from tests.jobs.fake_source import degrees, source
from tests.simulator.server import Simulator
from tests.storage.samples import in_a_process

EVIL = "\x1b]0;pwned\x07\x1b[31mred\u202e\nsecond line"
ORDINARY = 54321


@pytest.fixture
def closed_home() -> Iterator[Home]:
    """A home outside pytest's own folders, which an ordinary user cannot enter anyway."""
    folder = Path(tempfile.mkdtemp(prefix="home-"))
    folder.chmod(0o755)
    yield Home(folder / "home")
    shutil.rmtree(folder)


def as_ordinary_user(home: Home) -> Outcome:
    """Run one cycle in a process of a user who owns nothing. Whoever is not root is such a user already."""
    outcome = in_a_process(home.run, ORDINARY)
    assert isinstance(outcome, Outcome)
    return outcome


def test_what_a_source_says_reaches_no_terminal_and_no_row_raw(written: Home) -> None:
    """Neither escape codes nor line breaks of a stranger's, on stderr, in the log or in the database."""
    run = written.run(collector=source(NotUnderstood(f"the source says {EVIL}")))
    texts = [run.err, written.cycles()[0]["error"], *written.log().splitlines()]
    assert all(each.rstrip("\n").isprintable() for each in texts) and "pwned" in run.err


def test_a_hostile_name_breaks_no_json(written: Home) -> None:
    """What looks like a secret is masked within its own text, not across the object."""
    names = ["Cookie: a=b", 'x?key=abc"', "Authorization: Basic abc", "/api/" + "k" * 40]
    devices = [Sighting(device_id=f"d:{number}", device_type="t", name=name) for number, name in enumerate(names)]
    result = written.run("--discover", "--json", collector=source(*devices)).json
    assert len(result["devices"]) == 4 and all("***" in device["name"] for device in result["devices"])


def test_the_json_tells_that_storing_failed(written: Home) -> None:
    written.database.write_bytes(b"this is no database at all" * 100)
    run = written.run("--json", collector=source(degrees(20)))
    assert run.code == 2 and run.json["outcome"] == "partial" and run.json["stored"] == 0
    assert "is damaged or not a database" in run.json["error"]
    assert "stored 0 readings" not in written.log()


@pytest.mark.parametrize("arguments", [["--json", "-v"], ["--json", "--dry-run"]])
def test_the_json_stands_alone_on_stdout(written: Home, arguments: list[str]) -> None:
    written.write_config(colection={})
    assert written.run(*arguments, collector=source(degrees(20))).json["outcome"] == "ok"


def test_a_wrong_configuration_gives_programs_an_object_too(home: Home) -> None:
    home.write_config(retry={"max_attempts": 0})
    run = home.run("--json")
    assert run.code == 2 and "retry.max_attempts" in run.json["error"]


def test_wrong_secrets_stand_in_the_log_at_every_cycle(home: Home) -> None:
    home.write_config()
    home.write_secrets({"hue": {"api_key": ["a", "list"]}})
    assert [home.run().code, home.run().code] == [2, 2]
    assert home.log().count(" CRITICAL hue cycle ") == 2


@pytest.mark.parametrize("stream", ["1>&-", "2>&-", "1>/dev/full", "2>/dev/full", "| true"])
@pytest.mark.parametrize(("refused", "code"), [(False, 0), (True, 2)])
def test_streams_that_nobody_reads_change_nothing(home: Home, simulator: Simulator, stream: str, refused: bool,
                                                  code: int) -> None:
    home.point_at(simulator)
    if refused:
        simulator.faults.add("key-refused")
    line = shlex.join(home.command("--verbose"))
    done = subprocess.run(["bash", "-c", f"{line} {stream}; exit ${{PIPESTATUS[0]}}"], cwd=CHECKOUT, timeout=60,
                          capture_output=True, text=True)
    assert done.returncode == code and "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert len(home.rows()) == (0 if refused else 5)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_home_that_may_not_be_entered_is_told_in_one_sentence(closed_home: Home) -> None:
    closed_home.write_config()
    closed_home.folder.chmod(0o700)
    done = as_ordinary_user(closed_home)
    assert done.code == 2 and done.err.count("\n") == 1 and "Remedy: " in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_authoritys_file_that_may_not_be_seen_asks_for_a_human(closed_home: Home, simulator: Simulator) -> None:
    closed_home.point_at(simulator, certificate_fingerprint=None, ca_file="/root/hidden/ca.pem")
    closed_home.secrets.chmod(0o644)
    os.chown(closed_home.data, ORDINARY, ORDINARY)
    done = as_ordinary_user(closed_home)
    assert done.code == 2 and "identifies the bridge" in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_of_data_that_may_not_be_written_asks_for_a_human(closed_home: Home, simulator: Simulator) -> None:
    """Told with the command that mends it."""
    closed_home.point_at(simulator)
    closed_home.secrets.chmod(0o644)
    done = as_ordinary_user(closed_home)
    assert done.code == 2 and f"sudo chown {ORDINARY} " in done.err and "Traceback" not in done.err


@pytest.mark.alone
def test_a_log_that_cannot_rotate_does_not_outlast_the_cycle(written: Home) -> None:
    """Its retries keep to the cycle's deadline, and the readings are stored."""
    written.write_config(collection={"cycle_deadline_seconds": 10}, logging={"max_bytes": 10_000, "backup_count": 1},
                         retry={"max_attempts": 10, "base_delay_seconds": 3})
    written.log_file.parent.mkdir()
    written.log_file.write_text("x" * 9_990 + "\n")
    blocked = written.log_file.with_name("home_monitor.log.1")
    blocked.mkdir()
    (blocked / "in the way").touch()
    started = time.monotonic()
    assert written.run(collector=source(degrees(20))).code == 0
    assert time.monotonic() - started < 10 and len(written.rows()) == 1
    assert " CRITICAL made_up " in written.log()


def test_a_fault_that_nobody_caught_is_masked(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Python would print it raw, with whatever values its message holds."""
    script = ("import sys; from jobs import collect; from storage import manager\n"
              "def fail(*a, **k): raise RuntimeError('about canary-secret-value')\n"
              "manager.writing = fail\n"
              "from collectors import hue; raise SystemExit(collect.run(hue, sys.argv[1:]))")
    with Simulator() as simulator:
        home.point_at(simulator)
        home.write_secrets({"hue": {"api_key": simulator.key}, "nest": {"token": "canary-secret-value"}})
        done = subprocess.run([*home.command()[:1], "-c", script, "--config", str(home.config)], cwd=CHECKOUT,
                              capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "RuntimeError: about ***" in done.stderr
    assert done.stderr.count("\n") == 1 and "canary" not in done.stderr


def test_a_refusal_is_told_whatever_the_source_is_called(written: Home) -> None:
    assert written.run(collector=source(NotAuthorised("no"))).code == 2
    assert (written.data / "ALERT_MADE_UP_NEEDS_YOU.txt").exists()


def test_a_reading_without_a_place_is_shown_by_its_name(written: Home) -> None:
    reading = Reading(timestamp=datetime.now(timezone.utc), device_id="d:1", device_type="t", name="Cellar",
                      temperature_celsius=8.5)
    shown: Any = json.loads(written.run("--dry-run", "--json", collector=source(reading)).out)
    assert shown["readings"][0]["location"] == "Cellar"


def test_a_dry_run_of_a_disabled_collector_touches_no_alert(written: Home) -> None:
    written.run(collector=source(NotAuthorised("no")))
    written.write_config(collectors={"made_up": {"enabled": False}})
    alert = written.data / "ALERT_MADE_UP_NEEDS_YOU.txt"
    written.run("--dry-run", collector=source(degrees(20)))
    assert alert.exists()
    written.run(collector=source(degrees(20)))
    assert not alert.exists()


def test_what_a_source_repeats_of_our_secrets_reaches_no_table(written: Home) -> None:
    """A device called after our key, or the source's raw words with it, are stored masked."""
    written.write_secrets({"nest": {"token": "canary-secret-value"}})
    telltale = Reading(timestamp=datetime.now(timezone.utc), device_id="d:1", device_type="t", temperature_celsius=20.0,
                       name="my canary-secret-value", raw_response='{"echo": "canary-secret-value"}')
    assert written.run(collector=source(telltale)).code == 0
    assert written.rows()[0]["name"] == "my ***" and written.rows()[0]["raw_response"] == '{"echo": "***"}'
    assert b"canary" not in b"".join(path.read_bytes() for path in written.data.rglob("*") if path.is_file())


def test_a_refusal_is_asked_about_again_when_the_configuration_changed(written: Home) -> None:
    """A human may have mended it there: the country, say."""
    module = source(NotAuthorised("no", retry_after=86_400))
    assert written.run(collector=module).code == 2
    assert written.run(collector=source(degrees(20))).code == 2 and written.rows() == []
    os.utime(written.config)
    assert written.run(collector=source(degrees(20))).code == 0 and len(written.rows()) == 1
