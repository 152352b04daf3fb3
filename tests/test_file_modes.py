"""No file with a secret in it can be read by others, not for an instant, whatever the umask.

The scripts run with a watcher in the same process: before and after each call that can change a file it records the
content of every file that others may read. Polling would miss what lasts for an instant.
"""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.checkout import CHECKOUT
from tests.echo_server import EchoServer
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator

WATCHER = '''
import os, runpy, sys
evidence, *folders = sys.argv.pop(1).split(os.pathsep)
program = sys.argv.pop(1)
calls = {"open", "write", "writelines", "flush", "close", "fsync", "rename", "replace", "link", "unlink", "remove",
         "chmod", "fchmod", "truncate", "ftruncate", "sendfile", "copy_file_range"}
seen = set()
def look():
    for folder in folders:
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            try:
                if name.startswith("readings.db") or os.path.isdir(path) or not os.stat(path).st_mode & 0o077:
                    continue
                with open(path, "rb") as file:
                    content = file.read()
            except FileNotFoundError:
                continue
            if (name, content) not in seen:
                seen.add((name, content))
                with open(evidence, "ab") as file:
                    file.write(name.encode() + b": " + content + b"\\n")
def watch(frame, event, function):
    if event in ("c_call", "c_return", "c_exception") and getattr(function, "__name__", "") in calls:
        look()
sys.setprofile(watch)
if program.endswith(".py"):
    sys.argv[0] = program
    runpy.run_path(program, run_name="__main__")
else:
    runpy.run_module(program, run_name="__main__", alter_sys=True)
'''


class Watched:
    """A watched home."""

    def __init__(self, home: Home, simulator: Simulator, echo: EchoServer) -> None:
        self.home, self.simulator, self.echo = home, simulator, echo
        self.session = home.data / "amazon_aqm.session.json"
        self._evidence = home.folder / "evidence"
        self._evidence.touch()
        home.settings["collectors"]["amazon_aqm"] = {
            "enabled": True, "base_url": echo.url, "auth_url": echo.url}
        home.point_at(simulator)
        home.write_secrets({"amazon_aqm": {"refresh_token": simulator.alexa.refresh_token}})

    def run(self, program: str, *arguments: str, pair: bool = False) -> int:
        """Run a module, or a script with a path, under the watcher; return its exit code."""
        folders = [self.home.config.parent, self.home.data, self.home.folder / "tmp"]
        folders[-1].mkdir(exist_ok=True)
        watched = os.pathsep.join(map(str, [self._evidence, *folders]))
        with subprocess.Popen(
                [sys.executable, "-c", WATCHER, watched, program, "--config", str(self.home.config), *arguments],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, umask=0,
                env={**unmeasured(), "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(folders[-1])}) as process:
            assert process.stderr is not None
            seen = [process.stderr.readline() for _ in range(2 if pair else 0)]
            process.communicate(self.simulator.alexa.sign_in(seen[1].strip()) + "\n" if pair else "", timeout=60)
        return process.returncode

    def secrets(self) -> set[str]:
        """Return the secrets that have come up, with pairing's code and verifier, keys and tokens."""
        kept = yaml.safe_load(self.home.secrets.read_text(encoding="utf-8"))
        cookies = json.loads(self.session.read_bytes())["session"]["cookies"] if self.session.exists() else {}
        return {*self.echo.secrets, *cookies.values(),
                *(value for section in kept.values() for name, value in section.items()
                  if isinstance(value, str) and name in ("api_key", "refresh_token"))}

    def exposed(self) -> set[str]:
        """Return the secrets that others could read at some instant."""
        seen = self._evidence.read_text(encoding="utf-8")
        return {secret for secret in self.secrets() if secret in seen}

    def mode(self, path: Path) -> int:
        """Return the permissions of a file."""
        return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def watched(home: Home) -> Iterator[Watched]:
    """A home with both sources, whose requests to the cloud pass the echo server."""
    with Simulator() as simulator, EchoServer(simulator.cloud_url) as echo:
        yield Watched(home, simulator, echo)


@pytest.mark.parametrize("before", [None, "{}", "damaged"])
def test_cookies_are_for_the_owner_alone(before: str | None, watched: Watched) -> None:
    if before is not None:
        watched.session.write_text(before, encoding="utf-8")
        watched.session.chmod(0o644)
    assert watched.run("collectors.amazon_aqm") == 0
    watched.simulator.alexa.expire_cookies()
    assert watched.run("collectors.amazon_aqm") == 0
    assert len(watched.secrets()) > 12
    assert watched.exposed() == set()
    assert watched.mode(watched.session) == 0o600


@pytest.mark.parametrize("before", [None, "", "# mine\nhue:\n  api_key: null\n"])
def test_amazons_tokens_are_for_the_owner_alone(before: str | None, watched: Watched) -> None:
    watched.home.secrets.unlink()
    if before is not None:
        watched.home.secrets.write_text(before, encoding="utf-8")
        watched.home.secrets.chmod(0o644)
        watched.session.write_text("{}", encoding="utf-8")
        watched.session.chmod(0o644)
    assert watched.run(str(CHECKOUT / "devices.py"), "pair", "amazon_aqm", pair=True) == 0
    assert watched.simulator.alexa.refresh_token in watched.secrets() and len(watched.secrets()) >= 9
    assert watched.exposed() == set()
    assert (watched.mode(watched.home.secrets), watched.mode(watched.session)) == (0o600, 0o600)


@pytest.mark.parametrize("before", [None, "# mine\namazon_aqm:\n  refresh_token: null\n"])
def test_the_bridges_key_is_for_the_owner_alone(before: str | None, watched: Watched) -> None:
    watched.home.secrets.unlink()
    if before is not None:
        watched.home.secrets.write_text(before, encoding="utf-8")
        watched.home.secrets.chmod(0o644)
    watched.simulator.press_link_button()
    assert watched.run(str(CHECKOUT / "devices.py"), "pair", "hue", "--bridge", watched.simulator.https_url) == 0
    assert yaml.safe_load(watched.home.secrets.read_text(encoding="utf-8"))["hue"]["api_key"]
    assert watched.exposed() == set()
    assert watched.mode(watched.home.secrets) == 0o600


SLOPPY = """
import os, sys
folder, secret = sys.argv[-1].split("|", 1)
path = os.path.join(folder, "config", "new")
{write}
os.chmod(path, 0o600)
"""
WRITES = {
    "in a with block": "with open(path, 'w') as file:\n    file.write(secret)",
    "raw": "file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)\nos.write(file, secret.encode())\nos.close(file)",
    "in a temporary file": "import tempfile\nbeside = tempfile.gettempdir() + '/beside'\n"
                           "open(beside, 'w').write(secret)\nos.chmod(beside, 0o600)\nos.replace(beside, path)",
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_the_watcher_sees_a_file_that_is_open_for_an_instant(write: str, watched: Watched, tmp_path: Path) -> None:
    program = tmp_path / "sloppy.py"
    program.write_text(SLOPPY.format(write=write), encoding="utf-8")
    secret = watched.simulator.alexa.refresh_token
    assert watched.run(str(program), f"{watched.home.folder}|{secret}") == 0
    assert watched.mode(watched.home.config.parent / "new") == 0o600
    assert watched.exposed() == {secret}
