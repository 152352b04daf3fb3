"""A home full of secrets that are easy to recognise, and a search for them in everything it produces.

They may appear only in secrets.yaml and the session files: nowhere else, not even in part, in any encoding.
"""

import shutil
import sqlite3
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tests.checkout import CHECKOUT
from tests.echo_server import EchoServer
from tests.forking import Forked
from tests.home import Home, unmeasured
from tests.mail_server import MailServer
from tests.simulator.server import Simulator

PASSWORD = 'Canary"Smtp/Password+1 word'
MARKS = ("SimulatedApplicationKey-", "SimulatedRefreshToken-", "SimulatedAccessToken-", "SimulatedSessionToken-",
         "SimulatedX-", "SimulatedAt-", "SimulatedSessAt-", "SimulatedPrivateKey-", "SimulatedAdpToken-",
         "SimulatedStoreCookie-", "ANSimulatedCode", "SomebodyElsesKey-")
PIECE = 16  # characters of a secret that count as the whole
COLLECTORS = {"hue": "hue", "alexa": "amazon_aqm"}


class CanaryHome:
    """A home full of secrets; `outputs` holds the output of its processes."""

    def __init__(self, home: Home, simulator: Simulator, server: MailServer) -> None:
        self.home, self.simulator, self.server = home, simulator, server
        self.echo: EchoServer | None = None
        self.outputs: list[bytes] = []
        self.seen_secrets: set[str] = set()
        home.settings.update({"retry": {"base_delay_seconds": 0, "max_attempts": 2},
                              "collection": {"cycle_deadline_seconds": 10}})
        self.settings["amazon_aqm"] = {"enabled": True, "timeout_seconds": 0.4}
        self.reset()

    def reset(self) -> None:
        """Start over: no faults, good secrets, an empty data folder."""
        self.simulator.faults.clear()
        self.simulator.alexa.requests.clear()
        self.seen_secrets.clear()
        self.settings["amazon_aqm"] |= dict.fromkeys(("base_url", "auth_url"), self.simulator.cloud_url)
        self.home.point_at(self.simulator, timeout_seconds=0.4)
        self.write_secrets()
        shutil.rmtree(self.home.data)
        for name in ("record.id", "waiting.journal"):
            self.home.config.with_name(name).unlink(missing_ok=True)
        self.home.data.mkdir()
        self.echo = None
        self.outputs.clear()
        self.server.mails.clear()

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        sections: dict[str, dict[str, Any]] = self.home.settings["collectors"]
        return sections

    def configure(self, source: str, **settings: Any) -> None:
        self.settings[source].update(settings)
        self.home.write_config()

    def write_secrets(self, **sections: Any) -> None:
        section = self.server.section(**({"password": PASSWORD} if self.server.login else {}))
        self.home.write_secrets({
            "hue": {"api_key": self.simulator.key, "bridge_id": self.simulator.bridge_id}, "email": section,
            "amazon_aqm": {"refresh_token": self.simulator.alexa.refresh_token}, **sections})

    def run(self, face: str, *arguments: str, folder: Path = CHECKOUT) -> int:
        done = subprocess.run(self.home.command(*arguments, module=f"collectors.{COLLECTORS.get(face, face)}"),
                              capture_output=True, timeout=60, cwd=folder, env=unmeasured())
        return self.keep(done.returncode, done.stdout, done.stderr)

    def fork(self, face: str, *flags: list[str]) -> list[int]:
        """Run cycles at the same time, forked, at most one of which takes the lock; return the exit codes."""
        runs = [Forked(self.home, *arguments, collector=COLLECTORS[face]) for arguments in flags]
        ended = [run.end() for run in runs]
        return [self.keep(outcome.code, outcome.out.encode(), outcome.err.encode()) for outcome in ended]

    def pair(self, source: str, *arguments: str, browse: Callable[[str], str] | None = None) -> int:
        """Pair with a source; `browse` turns the sign-in page's address into the one to paste."""
        command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(self.home.config), "pair", source]
        with subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env={**unmeasured(), "PYTHONPATH": str(CHECKOUT)}) as process:
            assert process.stderr is not None
            seen = [process.stderr.readline() for _ in range(2 if browse else 0)]
            answer = (browse(seen[1].decode().strip()) if browse else "") + "\n"
            out, err = process.communicate(answer.encode(), timeout=60)
        return self.keep(process.returncode, out, b"".join(seen) + err)

    def keep(self, code: int, *printed: bytes) -> int:
        self.outputs += printed
        for request in self.simulator.alexa.requests:
            header = request.headers.get("Cookie", "")
            self.seen_secrets.update(pair.partition("=")[2] for pair in header.split("; ") if pair)
        self.seen_secrets |= self.echo.secrets if self.echo else set()
        return code

    def secrets(self) -> set[str]:
        """Return all secrets that have come up, and the marks that others are known by."""
        kept = yaml.safe_load(self.home.secrets.read_text(encoding="utf-8"))
        key = kept["hue"]["api_key"]
        return {*self.seen_secrets, *MARKS, PASSWORD, self.simulator.key, self.simulator.alexa.refresh_token, key}

    def leaks(self) -> list[str]:
        needles = {needle: secret for secret in self.secrets() for needle in encodings(secret)}
        return [f"{secret!r} as {needle!r} in {place}" for place, content in self.products()
                for needle, secret in needles.items() if needle in content]

    def products(self) -> Iterator[tuple[str, bytes]]:
        yield "the output", b"\0".join(self.outputs)
        yield "the mails", b"\0".join(mail.message.as_bytes() + mail.body.encode() for mail in self.server.mails)
        for path in self.home.folder.rglob("*"):
            yield "a name", str(path).encode()
            if path.is_file() and path != self.home.secrets and not path.name.endswith(".session.json"):
                yield str(path), path.read_bytes()
        if self.home.database.exists():
            yield "the tables", dump(self.home.database)


def dump(database: Path) -> bytes:
    """Return the tables as text: long values are in pieces in the file. Empty for a damaged database."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            return "\n".join(connection.iterdump()).encode()
    except sqlite3.DatabaseError:
        return b""


def encodings(secret: str) -> set[bytes]:
    """Return the first and the last characters of a secret in all likely encodings."""
    encoded: set[bytes] = set()
    for piece in (secret[:PIECE], secret[-PIECE:]):
        escaped = [piece, repr(piece)[1:-1], piece.encode("unicode_escape").decode(), piece.replace('"', '\\"')]
        quoted = [quote(piece), quote(piece, safe=""), quote(piece, safe="").replace("%20", "+")]
        lower = [text.replace("%2F", "%2f").replace("%2B", "%2b").replace("%7C", "%7c") for text in quoted]
        encoded.update(form.encode() for text in escaped + quoted + lower for form in (text, text.replace("/", "\\/")))
        encoded.update(aligned(piece))
    return encoded


def aligned(piece: str) -> Iterator[bytes]:
    for before in range(3):
        raw = b"\0" * before + piece.encode()
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(raw)[-(-before * 8 // 6):len(raw) * 8 // 6]
