"""A real InfluxDB 1 and a real VictoriaMetrics on the loopback."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
import requests

from tests.publishers.mosquitto import wait_for

INFLUXD, VICTORIA = shutil.which("influxd"), shutil.which("victoria-metrics")
OWNER, OWNERS_PASSWORD, DATABASE = "owner", "owner's own", "home monitor"
SETTINGS = """
reporting-disabled = true
bind-address = "127.0.0.1:{other}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = true
  log-enabled = false
[monitor]
  store-enabled = false
"""


class Influx:
    """InfluxDB with an account that may write one database."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def execute(self, statement: str) -> list[list[Any]]:
        answer = requests.post(f"{self.url}/query", params={"db": DATABASE, "q": statement, "epoch": "s"},
                               auth=(OWNER, OWNERS_PASSWORD), timeout=30)
        answer.raise_for_status()
        series = answer.json()["results"][0].get("series", [])
        return [list(row) for each in series for row in each["values"]]


class Victoria:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def series(self) -> dict[tuple[str, str], dict[int, float]]:
        """Return the values by second since 1970, by metric and device."""
        requests.get(f"{self.url}/internal/force_flush", timeout=30)
        lines = requests.get(f"{self.url}/api/v1/export", params={"match[]": '{__name__!=""}'}, timeout=30)
        return {(each["metric"]["__name__"], each["metric"]["device_id"]): {
            int(at // 1000): value for at, value in zip(each["timestamps"], each["values"])}
            for each in map(json.loads, lines.text.splitlines())}

    def count(self) -> int:
        requests.get(f"{self.url}/internal/force_flush", timeout=30)
        lines = requests.get(f"{self.url}/api/v1/export", params={"match[]": "home_monitor_temperature_celsius"}, timeout=30)
        return sum(len(json.loads(line)["values"]) for line in lines.text.splitlines())


@contextmanager
def influx(folder: Path, account: tuple[str, str]) -> Iterator[Influx]:
    if INFLUXD is None:
        pytest.skip("NOT PROVEN: this machine has no InfluxDB; on Debian: apt-get install influxdb")
    port, other = _free_ports(2)
    (folder / "influxdb.conf").write_text(SETTINGS.format(folder=folder, port=port, other=other), encoding="utf-8")
    with _running([INFLUXD, "-config", str(folder / "influxdb.conf")], f"http://127.0.0.1:{port}/ping"):
        server = Influx(port)
        requests.post(f"{server.url}/query", timeout=30, params={
            "q": f"CREATE USER {OWNER} WITH PASSWORD '{_quoted(OWNERS_PASSWORD)}' WITH ALL PRIVILEGES"}).raise_for_status()
        name, password = account
        for statement in (f'CREATE DATABASE "{DATABASE}"', f"CREATE USER {name} WITH PASSWORD '{_quoted(password)}'",
                          f'GRANT WRITE ON "{DATABASE}" TO {name}'):
            server.execute(statement)
        yield server


@contextmanager
def victoria(folder: Path) -> Iterator[Victoria]:
    if VICTORIA is None:
        pytest.skip("NOT PROVEN: this machine has no VictoriaMetrics; on Debian: apt-get install victoria-metrics")
    port, = _free_ports(1)
    with _running([VICTORIA, f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y",
                   "-dedup.minScrapeInterval=1ms", "-loggerLevel=ERROR"], f"http://127.0.0.1:{port}/health"):
        yield Victoria(port)


@contextmanager
def _running(command: list[str], health: str) -> Iterator[None]:
    def is_ready() -> bool:
        with suppress(requests.RequestException):
            return requests.get(health, timeout=5).ok
        return False
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: process.poll() is not None or is_ready())
            yield
        finally:
            process.terminate()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        return [int(stack.enter_context(create_server(("127.0.0.1", 0))).getsockname()[1]) for _ in range(count)]


def _quoted(text: str) -> str:
    return text.replace("'", r"\'")
