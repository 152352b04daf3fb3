"""The health check as a command: its forms and its flags. What it finds, and that it leaves no trace, stands beside."""

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import sysconfig
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.checked_home import IS_ROOT, USER, Patient, healthy
from tests.checkout import CHECKOUT

COMPONENTS = ["configuration", "secrets", "database_wal", "database_write", "log_rotation", "disk_space", "spool",
              "alerts", "freshness", "amazon_aqm", "hue"]
LINE = re.compile(r"(?P<name>\w+) +(?P<status>pass|warn|fail|skipped) +(?P<message>.+) \(\d+ ms\)")


@pytest.fixture(scope="module")
def shared() -> Iterator[Patient]:
    """A healthy home that no test changes."""
    with healthy() as patient:
        yield patient


def test_a_database_without_readings_is_a_warning(patient: Patient) -> None:
    with closing(sqlite3.connect(patient.database)) as connection, connection:
        connection.execute("DELETE FROM readings")
    patient.hand_over()
    code, found = patient.components("--offline")
    assert (code, found["freshness"]["status"]) == (0, "warn")
    assert "nothing has been collected yet" in found["freshness"]["message"]


def test_the_text_has_a_line_for_each_component_and_a_remedy_below_it(patient: Patient) -> None:
    patient.secrets.chmod(0o644)
    run = patient.check()
    lines = [line for line in run.out.splitlines() if not line.startswith(" ")]
    matches = [LINE.fullmatch(line) for line in lines]
    assert [match["name"] for match in matches if match] == COMPONENTS and all(matches)
    assert len({line.index(match["status"]) for line, match in zip(lines, matches) if match}) == 1
    remedy = run.out.splitlines()[run.out.splitlines().index(lines[1]) + 1]
    assert remedy.strip() == f"Remedy: chmod 600 {patient.secrets}"
    assert "\x1b" not in run.out


def test_colour_is_for_terminals_only(shared: Patient) -> None:
    """Unless the person wants none: https://no-color.org."""
    def shown(**environment: str) -> str:
        ours, theirs = pty.openpty()
        subprocess.run([sys.executable, str(CHECKOUT / "healthcheck.py"), "--config", str(shared.config), "--offline"],
                       stdout=theirs, env={**os.environ, **environment, "PYTHONPATH": str(CHECKOUT)}, check=True)
        os.close(theirs)
        text = os.read(ours, 100_000).decode()
        os.close(ours)
        return text
    assert "\x1b[32mpass" in shown() and "\x1b" not in shown(NO_COLOR="1")


def test_quiet_prints_only_what_is_not_well(patient: Patient) -> None:
    skip = ("--skip", "database_wal", "--skip", "configuration")  # which warn on many machines
    assert patient.check("--quiet", *skip).out == ""
    patient.secrets.chmod(0o644)
    run = patient.check("--quiet", *skip)
    assert run.code == 0 and [line.split()[0] for line in run.out.splitlines()] == ["secrets", "Remedy:"]


def test_json_is_one_object(shared: Patient) -> None:
    run = shared.check("--json")
    document = json.loads(run.out)
    assert list(document) == ["status", "exit_code", "checked_at", "duration_ms", "components"]
    assert [each["name"] for each in document["components"]] == COMPONENTS
    assert {tuple(each) for each in document["components"]} == {("name", "status", "message", "remedy", "duration_ms")}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", document["checked_at"])


def test_only_and_skip_choose_among_the_components(shared: Patient) -> None:
    code, found = shared.components("--only", "hue", "--only", "spool")
    assert (code, list(found)) == (0, ["spool", "hue"])
    _, found = shared.components("--skip", "hue")
    assert list(found) == COMPONENTS and found["hue"]["status"] == "skipped"
    before = len(shared.simulator.requests)
    _, found = shared.components("--offline")
    assert {found[name]["status"] for name in ("hue", "amazon_aqm")} == {"skipped"}
    assert len(shared.simulator.requests) == before


def test_a_configuration_that_cannot_be_read_is_told_whatever_was_asked_for(patient: Patient) -> None:
    patient.config.write_text("- no\n- mapping\n", encoding="utf-8")
    code, found = patient.components("--only", "hue")
    assert (code, list(found)) == (2, ["configuration", "hue"])


@pytest.mark.parametrize(("arguments", "said"), [
    (["--only", "humidity"], "there is no component 'humidity'; there are: configuration, secrets"),
    (["--timeout", "1"], "argument --timeout: 1 is not between 2 and 3600"), (["--frobnicate"], "--frobnicate"),
    (["--json", "--nagios"], "not allowed with"), (["--timeout", "nan"], "is not between")])
def test_bad_usage_is_told(arguments: list[str], said: str, shared: Patient) -> None:
    run = shared.check(*arguments)
    assert run.code == (3 if "--nagios" in arguments else 2)
    assert said in run.err + run.out and "Traceback" not in run.err


def test_bad_usage_is_unknown_to_nagios(shared: Patient) -> None:
    run = shared.check("--nagios", "--only", "humidity")
    assert (run.code, run.err) == (3, "") and run.out.startswith("HOME MONITOR UNKNOWN: there is no component")


@pytest.mark.parametrize(("wound", "code", "word"), [
    ("none", 0, "OK"), ("warn", 1, "WARNING"), ("fail", 2, "CRITICAL"), ("critical", 2, "CRITICAL")])
def test_nagios_hears_one_line_in_its_own_terms(wound: str, code: int, word: str, patient: Patient) -> None:
    """https://www.monitoring-plugins.org/doc/guidelines.html: text, a bar, 'label'=value[unit];[warn];[critical]."""
    if wound == "warn":
        patient.secrets.chmod(0o644)
    elif wound == "fail":
        patient.simulator.bridge.keys.clear()
    elif wound == "critical":
        patient.secrets.unlink()
    run = patient.check("--nagios", "--skip", "database_wal", "--skip", "configuration")
    text, _, figures = run.out.partition(" | ")
    assert (run.code, run.err, run.out.count("\n")) == (code, "", 1) and text.startswith(f"HOME MONITOR {word}: ")
    for figure in figures.split():
        assert re.fullmatch(r"'\w+'=-?[\d.]+(B|s|%|)(;[\d.:]*){0,4}", figure), figure
    assert {figure.partition("=")[0] for figure in figures.split()} >= {
        "'disk_free'", "'log'", "'spool_readings'", "'alerts'", "'newest_reading'"}


@pytest.mark.parametrize("alphabet", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {}])
def test_it_prints_in_whatever_alphabet(alphabet: dict[str, str], patient: Patient) -> None:
    patient.write_config(Größe={})
    run = patient.check(environment={**os.environ, **alphabet})
    assert run.code == 0 and "unknown key" in run.out and "Traceback" not in run.err


def test_nobody_listening_changes_nothing(shared: Patient) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, str(CHECKOUT / "healthcheck.py"), "--config", str(shared.config)],
                              stdout=full, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    assert (done.returncode, done.stderr) == (0, b"")


def test_both_sources_failing_is_critical_and_one_is_not(patient: Patient) -> None:
    patient.simulator.bridge.keys.clear()
    assert patient.components()[0] == patient.components("--only", "hue")[0] == 1
    patient.configure("amazon_aqm", base_url="http://127.0.0.1:9", auth_url="http://127.0.0.1:9")
    code, found = patient.components()
    assert code == 2 and found["hue"]["status"] == found["amazon_aqm"]["status"] == "fail"
    assert patient.components("--skip", "amazon_aqm")[0] == 1
    patient.configure("amazon_aqm", enabled=False)
    assert patient.components()[0] == 2


def test_a_login_that_is_dead_is_remembered_and_not_asked_again(patient: Patient) -> None:
    """Unless a human asks for it by name."""
    patient.hand_over(os.geteuid())
    patient.simulator.alexa.revoke()
    patient.simulator.alexa.expire_cookies()
    assert [run.code for run in patient.collect("amazon_aqm")] == [2]
    before = len(patient.simulator.alexa.requests)
    found = patient.components()[1]["amazon_aqm"]
    assert found["status"] == "fail" and "as it was when last asked" in found["message"]
    assert "python devices.py pair amazon_aqm" in found["remedy"] and len(patient.simulator.alexa.requests) == before
    assert "as it was" not in patient.components("--only", "amazon_aqm")[1]["amazon_aqm"]["message"]
    assert len(patient.simulator.alexa.requests) > before


def test_a_pause_is_kept_unless_asked_for_by_name(patient: Patient) -> None:
    patient.hand_over(os.geteuid())
    patient.simulator.faults.add("throttled")
    assert [run.code for run in patient.collect("amazon_aqm")] == [1]
    patient.simulator.faults.clear()
    before = len(patient.simulator.alexa.requests)
    code, found = patient.components()
    assert (code, found["amazon_aqm"]["status"]) == (0, "warn")
    assert len(patient.simulator.alexa.requests) == before
    assert patient.components("--only", "amazon_aqm")[1]["amazon_aqm"]["status"] == "pass"


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--quiet"], ["--nagios"]], ids=" ".join)
def test_no_secret_shows(arguments: list[str], patient: Patient) -> None:
    """Not even one that somebody has pasted into config.yaml, or that a hostile bridge repeats."""
    key, token = patient.simulator.key, patient.simulator.alexa.refresh_token
    patient.configure("hue", bridge_ip=f"https://127.0.0.1:9/{key}")
    patient.write_config(retry={"max_attempts": token}, logging={"level": "Canary Smtp Password"}, **{token: 1})
    patient.keep_secrets(email={"password": "Canary Smtp Password"})
    patient.simulator.alexa.revoke()
    patient.hand_over()
    run = patient.check(*arguments)
    assert run.code == 2
    assert "***" in run.out
    encoded = b64encode(token.encode()).decode()[:30]
    for secret in (key, "Canary Smtp Password", key[:24], token[:20], token[-20:], encoded):
        assert secret not in run.out + run.err


def test_the_files_owners_and_modes_are_told(shared: Patient) -> None:
    told = shared.components("--offline")[1]["database_wal"]["message"]
    owner = str(USER) if IS_ROOT else "[^ ]+"
    assert re.search(f"readings.db {owner} 0644", told)
    assert sqlite3.sqlite_version in told and "checkpoint every 1000 pages" in told


def test_outside_a_virtual_environment_it_warns(shared: Patient) -> None:
    packages = sysconfig.get_path("purelib")
    python = Path(sys.base_prefix) / "bin" / "python3"
    if sys.prefix == sys.base_prefix:
        pytest.skip("these tests are not run in a virtual environment themselves")
    done = subprocess.run([str(python), str(CHECKOUT / "healthcheck.py"), "--config", str(shared.config), "--json",
                           "--offline"], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{packages}"})
    told, = (each for each in json.loads(done.stdout)["components"] if each["name"] == "configuration")
    assert (done.returncode, told["status"]) == (0, "warn") and told["remedy"].startswith("make install")
