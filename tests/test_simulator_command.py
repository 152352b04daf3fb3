"""`python -m tests.simulator` as another process, and its control endpoints."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.simulator.server import Simulator

CHECKOUT = Path(__file__).resolve().parent.parent
Facts = dict[str, str]
Started = tuple["subprocess.Popen[str]", Facts]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    command = [sys.executable, "-m", "tests.simulator", "--sensors", "3", "--fault", "battery-null",
               "--write-config", str(tmp_path)]
    with subprocess.Popen(command, cwd=CHECKOUT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        lines = [process.stdout.readline().rstrip("\n") for _ in range(8)]
        try:
            yield process, dict(line.split(": ", 1) for line in lines)
        finally:
            process.terminate()
            process.communicate(timeout=5)


def sensors(facts: Facts) -> requests.Response:
    return requests.get(f"{facts['http_url']}/api/{facts['key']}/sensors", timeout=5)


def control(facts: Facts, command: str, method: str = "POST", **options: Any) -> requests.Response:
    return requests.request(method, f"{facts['cloud_url']}/simulator/{command}", json=options, timeout=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_addresses_and_serves_until_ended(started: Started, number: signal.Signals) -> None:
    process, facts = started
    with Simulator(sensors=3) as same:
        assert facts.keys() == {"http_url", "https_url", "cloud_url", "discovery_url", "key", "bridge_id",
                                "fingerprint", "ca_file"}
        assert (facts["key"], facts["fingerprint"]) == (same.key, same.fingerprint)
    batteries = [entry["config"]["battery"] for entry in sensors(facts).json().values() if "ZLLTemp" in entry["type"]]
    assert batteries == [None] * 3
    process.send_signal(number)
    assert process.communicate(timeout=5) == ("", "") and process.returncode == 0
    assert not Path(facts["ca_file"]).exists()


def test_the_command_writes_what_a_collector_needs(started: Started, tmp_path: Path) -> None:
    facts, folder = started[1], tmp_path / "config"
    assert yaml.safe_load((folder / "config.yaml").read_text())["collectors"]["hue"] == {
        "enabled": True, "bridge_ip": facts["https_url"], "certificate_fingerprint": facts["fingerprint"],
        "bridge_id": facts["bridge_id"], "discovery_url": facts["discovery_url"]}
    assert yaml.safe_load((folder / "secrets.yaml").read_text()) == {
        "hue": {"api_key": facts["key"], "bridge_id": facts["bridge_id"]}}
    assert (folder / "secrets.yaml").stat().st_mode & 0o777 == 0o600 and (tmp_path / "data").is_dir()


def test_faults_come_and_go_by_request(started: Started) -> None:
    facts = started[1]
    assert control(facts, "faults", kind="429", retry_after=3, paths=["/sensors"]).ok
    assert control(facts, "faults", kind="503", start="2001-01-01T00:00:00Z", end="2002-01-01T00:00:00Z").ok
    assert (sensors(facts).status_code, sensors(facts).headers["Retry-After"]) == (429, "3")
    assert control(facts, "faults", "DELETE").ok and sensors(facts).status_code == 200


def test_a_taken_port_is_reported_in_a_sentence() -> None:
    with Simulator(sensors=1) as simulator:
        taken = simulator.cloud_url.rpartition(":")[2]
        run = subprocess.run([sys.executable, "-m", "tests.simulator", "--http-port", taken], cwd=CHECKOUT, text=True,
                             capture_output=True, timeout=20)
    assert run.returncode == 1 and run.stderr.startswith("The simulator cannot listen there:")
    assert "Traceback" not in run.stderr and run.stdout == ""


def test_without_its_packages_it_says_what_installs_them(tmp_path: Path) -> None:
    (tmp_path / "cryptography.py").write_text("raise ModuleNotFoundError(name='cryptography')\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "tests.simulator"], cwd=CHECKOUT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "cryptography, which make demo installs" in done.stderr
