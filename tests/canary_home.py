"""A home full of secrets that are easy to recognise, and the search for them in all that comes of it.

They must show nowhere but in the two files that are there to keep secrets, neither whole nor in part, in no spelling.
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
from tests.echo_server import Parrot
from tests.forking import Forked
from tests.home import Home, unmeasured
from tests.mail_server import MailServer
from tests.simulator.server import Simulator

PASSWORD = 'Canary"Smtp/Password+1 word'
MARKS = ("SimulatedApplicationKey-", "SimulatedRefreshToken-", "SimulatedAccessToken-", "SimulatedSessionToken-",
         "SimulatedX-", "SimulatedAt-", "SimulatedSessAt-", "SimulatedPrivateKey-", "SimulatedAdpToken-",
         "SimulatedStoreCookie-", "ANSimulatedCode", "SomebodyElsesKey-")
PIECE = 16  # characters of a secret that are as good as the whole
COLLECTORS = {"hue": "hue", "alexa": "amazon_aqm"}


class Haunted:
    """A home full of secrets; `outputs` are what its processes printed."""

    def __init__(self, home: Home, simulator: Simulator, server: MailServer) -> None:
        self.home, self.simulator, self.server = home, simulator, server
        self.parrot: Parrot | None = None
        self.outputs: list[bytes] = []
        self.known: set[str] = set()
        home.settings.update({"retry": {"base_delay_seconds": 0, "max_attempts": 2},
                              "collection": {"cycle_deadline_seconds": 10}})
        self.settings["amazon_aqm"] = {"enabled": True, "timeout_seconds": 0.4}
        self.settle()

    def settle(self) -> None:
        """Begin anew: no faults, good secrets, nothing remembered and nothing to be found."""
        self.simulator.faults.clear()
        self.simulator.alexa.requests.clear()
        self.known.clear()
        self.settings["amazon_aqm"] |= dict.fromkeys(("base_url", "auth_url"), self.simulator.cloud_url)
        self.home.point_at(self.simulator, timeout_seconds=0.4)
        self.write_secrets()
        shutil.rmtree(self.home.data)
        self.home.data.mkdir()
        self.parrot = None
        self.outputs.clear()
        self.server.mails.clear()

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The collectors' sections of config.yaml, to be changed."""
        sections: dict[str, dict[str, Any]] = self.home.settings["collectors"]
        return sections

    def configure(self, source: str, **settings: Any) -> None:
        """Change a source's section and write config.yaml."""
        self.settings[source].update(settings)
        self.home.write_config()

    def write_secrets(self, **sections: Any) -> None:
        """Write secrets.yaml, with further sections."""
        section = self.server.section(**({"password": PASSWORD} if self.server.login else {}))
        self.home.write_secrets({
            "hue": {"api_key": self.simulator.key, "bridge_id": self.simulator.bridge_id}, "email": section,
            "amazon_aqm": {"refresh_token": self.simulator.alexa.refresh_token}, **sections})

    def run(self, face: str, *arguments: str, folder: Path = CHECKOUT) -> int:
        """Run a cycle as a process, keep what it prints, and return its exit code."""
        done = subprocess.run(self.home.command(*arguments, module=f"collectors.{COLLECTORS.get(face, face)}"),
                              capture_output=True, timeout=60, cwd=folder, env=unmeasured())
        return self.keep(done.returncode, done.stdout, done.stderr)

    def fork(self, face: str, *manners: list[str]) -> list[int]:
        """Run cycles at the same time, forked, of which one at most takes the lock; return the exit codes."""
        runs = [Forked(self.home, *manner, collector=COLLECTORS[face]) for manner in manners]
        ended = [run.end() for run in runs]
        return [self.keep(each.code, each.out.encode(), each.err.encode()) for each in ended]

    def pair(self, source: str, *arguments: str, browse: Callable[[str], str] | None = None) -> int:
        """Introduce a source; what the person pastes is what `browse` makes of the sign-in page's address."""
        command = [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(self.home.config), "pair", source]
        with subprocess.Popen([*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env={**unmeasured(), "PYTHONPATH": str(CHECKOUT)}) as process:
            assert process.stderr is not None
            seen = [process.stderr.readline() for _ in range(2 if browse else 0)]
            answer = (browse(seen[1].decode().strip()) if browse else "") + "\n"
            out, err = process.communicate(answer.encode(), timeout=60)
        return self.keep(process.returncode, out, b"".join(seen) + err)

    def keep(self, code: int, *printed: bytes) -> int:
        """Keep what was printed, and the secrets that have come up by now."""
        self.outputs += printed
        for request in self.simulator.alexa.requests:
            header = request.headers.get("Cookie", "")
            self.known.update(pair.partition("=")[2] for pair in header.split("; ") if pair)
        self.known |= self.parrot.secrets if self.parrot else set()
        return code

    def secrets(self) -> set[str]:
        """Return all secrets that have come up, and the marks that others are known by."""
        kept = yaml.safe_load(self.home.secrets.read_text(encoding="utf-8"))
        key = kept["hue"]["api_key"]
        return {*self.known, *MARKS, PASSWORD, self.simulator.key, self.simulator.alexa.refresh_token, key}

    def leaks(self) -> list[str]:
        """Return where which secret shows, in all that came of this home."""
        needles = {needle: secret for secret in self.secrets() for needle in spellings(secret)}
        return [f"{secret!r} as {needle!r} in {place}" for place, content in self.produced()
                for needle, secret in needles.items() if needle in content]

    def produced(self) -> Iterator[tuple[str, bytes]]:
        """Yield all that came of this home, each with the place where it is."""
        yield "what was printed", b"\0".join(self.outputs)
        yield "the mails", b"\0".join(mail.message.as_bytes() + mail.body.encode() for mail in self.server.mails)
        for path in self.home.folder.rglob("*"):
            yield "a name", str(path).encode()
            if path.is_file() and path != self.home.secrets and not path.name.endswith(".session.json"):
                yield str(path), path.read_bytes()
        if self.home.database.exists():
            yield "the tables", dump(self.home.database)


def dump(database: Path) -> bytes:
    """Return the tables as text, for a long value lies in pieces in the file. Nothing of a damaged one."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            return "\n".join(connection.iterdump()).encode()
    except sqlite3.DatabaseError:
        return b""


def spellings(secret: str) -> set[bytes]:
    """Return what tells of a secret: its first or last characters, in all the spellings they may have come to."""
    found: set[bytes] = set()
    for piece in (secret[:PIECE], secret[-PIECE:]):
        escaped = [piece, repr(piece)[1:-1], piece.encode("unicode_escape").decode(), piece.replace('"', '\\"')]
        quoted = [quote(piece), quote(piece, safe=""), quote(piece, safe="").replace("%20", "+")]
        lower = [each.replace("%2F", "%2f").replace("%2B", "%2b").replace("%7C", "%7c") for each in quoted]
        found.update(each.encode() for text in escaped + quoted + lower for each in (text, text.replace("/", "\\/")))
        found.update(aligned(piece))
    return found


def aligned(piece: str) -> Iterator[bytes]:
    """Yield what base64 makes of a piece wherever it stands in what is encoded."""
    for before in range(3):
        raw = b"\0" * before + piece.encode()
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(raw)[-(-before * 8 // 6):len(raw) * 8 // 6]
