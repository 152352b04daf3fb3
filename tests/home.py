"""A home for tests: a temporary folder with configuration and data, and the real scripts run on it.

`run` runs a collector's command line in this process, `process` in another one; tests then look at the exit code, the
output, the rows and the files.
"""

import io
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from time import sleep, time
from typing import Any

import yaml

import devices
from collectors import hue
from jobs import collect
from tests.checkout import CHECKOUT
from tests.simulator.server import Simulator


def unmeasured() -> dict[str, str]:
    """Return an environment without coverage, which imports and writes files."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


# Python options that run a command, print the most memory that it had, in kB, and its seconds of processor time and in all.
# The process between is small: Linux counts the memory of the process that starts another one, too.
MEASURE = ("-c", "import resource as r, subprocess, sys, time; at = time.perf_counter(); "
           "code = subprocess.run(sys.argv[1:]).returncode; took = time.perf_counter() - at; "
           "of = r.getrusage(r.RUSAGE_CHILDREN); print(of.ru_maxrss, of.ru_utime + of.ru_stime, took); sys.exit(code)")


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        result = json.loads(self.out)
        assert isinstance(result, dict)
        return result


def as_printed(text: str, config: Path | None = None, checkout: Path = CHECKOUT) -> str:
    """Return a text of the documentation with its commands as messages print them; `config` is that of the last run."""
    options = f" --config {shlex.quote(str(config or os.environ['HOME_MONITOR_CONFIG']))}"

    def full(match: re.Match[str]) -> str:
        module, script = match.groups()
        if module:
            return f"cd {shlex.quote(str(checkout))} && {shlex.quote(sys.executable)} -m {module}{options}"
        return f"{shlex.quote(sys.executable)} {shlex.quote(f'{checkout}/{script}')}{options}"
    return re.sub(r"\bpython (?:-m ([\w…]+(?:\.[\w…]+)*)|(\w+\.py))", full, text)


class Home:
    """A folder with config/config.yaml, config/secrets.yaml and data/."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config" / "config.yaml"
        self.secrets = folder / "config" / "secrets.yaml"
        self.data = folder / "data"
        self.database = self.data / "readings.db"
        self.log_file = self.data / "logs" / "home_monitor.log"
        self.settings: dict[str, Any] = {"retry": {"base_delay_seconds": 0}, "collectors": {"hue": {}}}
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(exist_ok=True)

    def as_printed(self, text: str) -> str:
        return as_printed(text, self.config)

    def point_at(self, simulator: Simulator, scheme: str = "https", **settings: Any) -> None:
        """Configure the Hue collector for a simulated bridge, trusted by its fingerprint."""
        address = simulator.https_url if scheme == "https" else simulator.http_url
        trust = {"certificate_fingerprint": simulator.fingerprint} if scheme == "https" else {}
        self.configure_hue(bridge_ip=address, discovery_url=simulator.discovery_url, **{**trust, **settings})
        self.write_secrets({"hue": {"api_key": simulator.key, "bridge_id": simulator.bridge_id}})

    def introduce(self, simulator: Simulator) -> None:
        """Configure both collectors for a simulated house, over http."""
        cloud = simulator.cloud_url
        self.settings["collectors"]["amazon_aqm"] = {"enabled": True, "base_url": cloud, "auth_url": cloud}
        self.point_at(simulator, scheme="http")
        self.write_secrets({"hue": {"api_key": simulator.key, "bridge_id": simulator.bridge_id},
                            "amazon_aqm": {"refresh_token": simulator.alexa.refresh_token}})

    def configure_hue(self, **settings: Any) -> None:
        """Change settings of the Hue collector and write config.yaml."""
        self.settings["collectors"].setdefault("hue", {}).update(settings)
        self.write_config()

    def write_config(self, **sections: Any) -> None:
        """Write config.yaml, with further sections."""
        self.settings.update(sections)
        self.config.write_text(yaml.safe_dump(self.settings), encoding="utf-8")

    def write_secrets(self, secrets: Mapping[str, Any]) -> None:
        """Write secrets.yaml, mode 0600."""
        self.secrets.write_text(yaml.safe_dump(dict(secrets)), encoding="utf-8")
        self.secrets.chmod(0o600)

    def run(self, *arguments: str, collector: Any = hue) -> Outcome:
        """Run one cycle in this process, without a terminal, as under cron."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = collect.run(collector, ["--config", str(self.config), *arguments])
        return Outcome(code, out.getvalue(), err.getvalue())

    def wait_for_the_next_second(self) -> None:
        """Wait until the next cycle gets a new time: times are stored in whole seconds."""
        sleep(1.001 - time() % 1)

    def process(self, *arguments: str, module: str = "collectors.hue", folder: Path = CHECKOUT,
                path: Path | None = None) -> Outcome:
        """Run one cycle as another process, from the checkout or a copy of it; `path` has modules that come first."""
        environment = {**os.environ, "PYTHONPATH": f"{path}:{folder}"} if path else None
        done = subprocess.run(self.command(*arguments, module=module), capture_output=True, text=True, cwd=folder,
                              timeout=60, env=environment)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def command(self, *arguments: str, module: str = "collectors.hue") -> list[str]:
        """Return the command line of a collector on this home."""
        return [sys.executable, "-m", module, "--config", str(self.config), *arguments]

    def devices(self, *arguments: str, answer: str = "") -> Outcome:
        """Run devices.py as another process, from another folder; `answer` is typed in."""
        done = subprocess.run([sys.executable, str(CHECKOUT / "devices.py"), "--config", str(self.config), *arguments],
                              capture_output=True, text=True, input=answer, timeout=60, cwd=self.folder,
                              env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
        return Outcome(done.returncode, done.stdout, done.stderr)

    def desk(self, *arguments: str, answer: str = "") -> Outcome:
        """Run devices.py in this process, without a terminal; `answer` is typed in."""
        out, err, stdin, code = io.StringIO(), io.StringIO(), sys.stdin, 0
        sys.stdin = io.StringIO(answer)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                devices.main(["--config", str(self.config), *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.stdin = stdin
        return Outcome(code, out.getvalue(), err.getvalue())

    def rows(self, query: str = "SELECT * FROM readings ORDER BY id") -> list[dict[str, Any]]:
        """Return rows of the database; none if there is no database."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def execute(self, *statements: str) -> None:
        """Change the database with SQL, as its owner may."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def cycles(self) -> list[dict[str, Any]]:
        """Return the rows of all cycles, oldest first."""
        return self.rows("SELECT * FROM collection_cycles ORDER BY id")

    def log(self) -> str:
        """Return the whole log, empty if there is none."""
        return self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""
