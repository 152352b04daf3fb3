"""The health check as a command: its output, its flags and its exit codes."""

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
from pathlib import Path

import pytest

from tests.checked_home import IS_ROOT, USER, CheckedHome, healthy
from tests.checkout import CHECKOUT

COMPONENTS = ["configuration", "secrets", "database_wal", "database_write", "log_rotation", "disk_space", "spool",
              "alerts", "freshness", "clock", "batteries", "installation", "amazon_aqm", "hue"]
LINE = re.compile(r"(?P<name>\w+) +(?P<status>pass|warn|fail|skipped) +(?P<message>.+) \(\d+ ms\)")


@pytest.fixture(scope="module")
def shared() -> Iterator[CheckedHome]:
    with healthy() as home:
        yield home


def test_the_text_has_a_line_for_each_component_and_a_remedy_below_it(checked_home: CheckedHome) -> None:
    """FR-027."""
    checked_home.secrets.chmod(0o644)
    run = checked_home.check()
    lines = [line for line in run.out.splitlines() if not line.startswith(" ")]
    matches = [LINE.fullmatch(line) for line in lines]
    assert [match["name"] for match in matches if match] == COMPONENTS and all(matches)
    assert len({line.index(match["status"]) for line, match in zip(lines, matches) if match}) == 1
    remedy = run.out.splitlines()[run.out.splitlines().index(lines[1]) + 1]
    assert remedy.strip() == f"Remedy: chmod 600 {checked_home.secrets}"
    assert "\x1b" not in run.out


def test_colour_is_for_terminals_only(shared: CheckedHome) -> None:
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


def test_quiet_prints_only_warnings_and_failures(checked_home: CheckedHome) -> None:
    skip = ("--skip", "database_wal", "--skip", "configuration")  # which warn on many machines
    assert checked_home.check("--quiet", *skip).out == ""
    checked_home.secrets.chmod(0o644)
    run = checked_home.check("--quiet", *skip)
    assert run.code == 0 and [line.split()[0] for line in run.out.splitlines()] == ["secrets", "Remedy:"]


def test_json_is_one_object(shared: CheckedHome) -> None:
    run = shared.check("--json")
    document = json.loads(run.out)
    assert list(document) == ["status", "exit_code", "checked_at", "duration_ms", "components"]
    assert [component["name"] for component in document["components"]] == COMPONENTS
    keys = ("name", "status", "message", "remedy", "duration_ms")
    assert {tuple(component) for component in document["components"]} == {keys}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", document["checked_at"])


def test_only_and_skip_choose_among_the_components(shared: CheckedHome) -> None:
    code, components = shared.components("--only", "hue", "--only", "spool")
    assert (code, list(components)) == (0, ["spool", "hue"])
    _, components = shared.components("--skip", "hue")
    assert list(components) == COMPONENTS and components["hue"]["status"] == "skipped"
    before = len(shared.simulator.requests)
    _, components = shared.components("--offline")
    assert {components[name]["status"] for name in ("hue", "amazon_aqm")} == {"skipped"}
    assert len(shared.simulator.requests) == before


def test_an_unreadable_configuration_is_reported_whatever_was_asked_for(checked_home: CheckedHome) -> None:
    checked_home.config.write_text("- no\n- mapping\n", encoding="utf-8")
    code, components = checked_home.components("--only", "hue")
    assert (code, list(components)) == (2, ["configuration", "hue"])


@pytest.mark.parametrize(("arguments", "message"), [
    (["--only", "humidity"], "'humidity'; the components are: configuration, secrets"),
    (["--timeout", "1"], "argument --timeout: 1 is not between 2 and 3600"), (["--frobnicate"], "--frobnicate"),
    (["--json", "--nagios"], "not allowed with"), (["--nagios", "--only", "humidity"], "HOME MONITOR UNKNOWN: "),
    (["--timeout", "nan"], "is not between")])
def test_bad_usage_is_explained(arguments: list[str], message: str, shared: CheckedHome) -> None:
    run = shared.check(*arguments)
    assert run.code == (3 if "--nagios" in arguments else 2)
    assert message in run.err + run.out and "Traceback" not in run.err


@pytest.mark.parametrize(("problem", "code", "word"), [
    ("none", 0, "OK"), ("warn", 1, "WARNING"), ("fail", 2, "CRITICAL"), ("critical", 2, "CRITICAL")])
def test_nagios_gets_one_line_in_its_own_format(problem: str, code: int, word: str, checked_home: CheckedHome) -> None:
    """https://www.monitoring-plugins.org/doc/guidelines.html: text, a bar, 'label'=value[unit];[warn];[critical]."""
    if problem == "warn":
        checked_home.secrets.chmod(0o644)
    elif problem == "fail":
        checked_home.simulator.bridge.keys.clear()
    elif problem == "critical":
        checked_home.secrets.unlink()
    run = checked_home.check("--nagios", "--skip", "database_wal", "--skip", "configuration")
    text, _, figures = run.out.partition(" | ")
    assert (run.code, run.err, run.out.count("\n")) == (code, "", 1) and text.startswith(f"HOME MONITOR {word}: ")
    for figure in figures.split():
        assert re.fullmatch(r"'\w+'=-?[\d.]+(B|s|%|)(;[\d.:]*){0,4}", figure), figure
    assert {figure.partition("=")[0] for figure in figures.split()} >= {
        "'disk_free'", "'log'", "'spool_readings'", "'alerts'", "'newest_reading'"}


@pytest.mark.parametrize("encoding", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {}])
def test_it_prints_in_any_encoding(encoding: dict[str, str], checked_home: CheckedHome) -> None:
    checked_home.write_config(collection={"Größe": 1})
    run = checked_home.check(environment={**os.environ, **encoding})
    assert run.code == 0 and ".Gr" in run.out and "Traceback" not in run.err


def test_a_full_device_for_stdout_changes_nothing(shared: CheckedHome) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, str(CHECKOUT / "healthcheck.py"), "--config", str(shared.config)],
                              stdout=full, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    assert (done.returncode, done.stderr) == (0, b"")


def test_all_sources_failing_is_critical_and_one_is_not(checked_home: CheckedHome) -> None:
    """FR-029, US4-4."""
    checked_home.simulator.bridge.keys.clear()
    assert checked_home.components()[0] == checked_home.components("--only", "hue")[0] == 1
    checked_home.configure("amazon_aqm", base_url="http://127.0.0.1:9", auth_url="http://127.0.0.1:9")
    code, components = checked_home.components()
    assert code == 2 and components["hue"]["status"] == components["amazon_aqm"]["status"] == "fail"
    assert checked_home.components("--skip", "amazon_aqm")[0] == 1
    checked_home.configure("amazon_aqm", enabled=False)
    assert checked_home.components()[0] == 2


def test_a_refused_login_is_remembered_and_not_tried_again_unless_named(checked_home: CheckedHome) -> None:
    checked_home.hand_over(os.geteuid())
    checked_home.simulator.alexa.revoke()
    checked_home.simulator.alexa.expire_cookies()
    assert [run.code for run in checked_home.collect("amazon_aqm")] == [2]
    before = len(checked_home.simulator.alexa.requests)
    amazon = checked_home.components()[1]["amazon_aqm"]
    assert amazon["status"] == "fail" and checked_home.as_printed("python devices.py pair amazon_aqm") in amazon["remedy"]
    assert len(checked_home.simulator.alexa.requests) == before
    assert checked_home.components("--only", "amazon_aqm")[1]["amazon_aqm"]["message"] != amazon["message"]
    assert len(checked_home.simulator.alexa.requests) > before


def test_a_pause_is_kept_unless_asked_for_by_name(checked_home: CheckedHome) -> None:
    checked_home.hand_over(os.geteuid())
    checked_home.simulator.faults.add("throttled")
    assert [run.code for run in checked_home.collect("amazon_aqm")] == [1]
    checked_home.simulator.faults.clear()
    before = len(checked_home.simulator.alexa.requests)
    code, components = checked_home.components()
    assert (code, components["amazon_aqm"]["status"]) == (0, "warn")
    assert len(checked_home.simulator.alexa.requests) == before
    assert checked_home.components("--only", "amazon_aqm")[1]["amazon_aqm"]["status"] == "pass"


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--quiet"], ["--nagios"]], ids=" ".join)
def test_no_secret_shows(arguments: list[str], checked_home: CheckedHome) -> None:
    """Not even one that was pasted into config.yaml, or that a hostile bridge repeats. FR-030."""
    key, token = checked_home.simulator.key, checked_home.simulator.alexa.refresh_token
    checked_home.configure("hue", bridge_ip=f"https://127.0.0.1:9/{key}")
    checked_home.write_config(retry={"max_attempts": token}, logging={"level": "Canary Smtp Password"}, **{token: 1})
    checked_home.keep_secrets(email={"password": "Canary Smtp Password"})
    checked_home.simulator.alexa.revoke()
    checked_home.hand_over()
    run = checked_home.check(*arguments)
    assert run.code == 2
    assert "***" in run.out
    encoded = b64encode(token.encode()).decode()[:30]
    for secret in (key, "Canary Smtp Password", key[:24], token[:20], token[-20:], encoded):
        assert secret not in run.out + run.err


def test_owners_and_modes_of_the_database_are_reported(shared: CheckedHome) -> None:
    message = shared.components("--offline")[1]["database_wal"]["message"]
    owner = str(USER) if IS_ROOT else "[^ ]+"
    assert re.search(f"readings.db {owner} 0644", message)
    assert sqlite3.sqlite_version in message and "checkpoint every 1000 pages" in message


def test_outside_a_virtual_environment_it_warns(shared: CheckedHome) -> None:
    packages = sysconfig.get_path("purelib")
    python = Path(sys.base_prefix) / "bin" / "python3"
    if sys.prefix == sys.base_prefix:
        pytest.skip("these tests are not run in a virtual environment themselves")
    done = subprocess.run([str(python), str(CHECKOUT / "healthcheck.py"), "--config", str(shared.config), "--json",
                           "--offline"], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{packages}"})
    components = {component["name"]: component for component in json.loads(done.stdout)["components"]}
    assert (done.returncode, components["installation"]["status"]) == (0, "warn")
    assert components["installation"]["remedy"].startswith("make -C ")
