"""The search finds secrets in every place and encoding."""

import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.canary_home import CanaryHome
from tests.home import Home
from tests.mail_server import MailServer
from tests.simulator.server import Simulator

CANARY = "Zz-Canary+Bird=of|a \"Värde\" yellow-1234567/890"
ENCODINGS: list[Callable[[str], str]] = [
    str, lambda text: text[:20], lambda text: text[-20:], quote, lambda text: quote(text, safe=""),
    lambda text: quote(text, safe="").replace("%2F", "%2f"), ascii, lambda text: text.replace("/", "\\/"),
    lambda text: b64encode(text.encode()).decode(), lambda text: b64encode(f"me:{text}".encode()).decode(),
    lambda text: b64encode(f"you:{text}".encode()).decode(), lambda text: b64encode(f"\0we\0{text}".encode()).decode(),
    lambda text: urlsafe_b64encode(f"\0me\0{text}!".encode()).decode(),
]


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("place", ["printed", "log", "alert", "database", "long row", "name", "config"])
def test_a_planted_secret_is_found(place: str, encode: Callable[[str], str], tmp_path: Path) -> None:
    with Simulator() as simulator, MailServer() as server:
        house = CanaryHome(Home(tmp_path / "home"), simulator, server)
        house.seen_secrets.add(CANARY)
        assert house.leaks() == []
        plant(house, place, encode(CANARY))
        assert any(repr(CANARY) in leak for leak in house.leaks())


def plant(house: CanaryHome, place: str, text: str) -> None:
    """Leave a secret in a place."""
    if place == "printed":
        house.outputs.append(text.encode())
    elif place in ("database", "long row"):
        with closing(sqlite3.connect(house.home.database)) as connection, connection:
            connection.execute("CREATE TABLE notes (note TEXT)")
            padding = "x" * (4000 if place == "long row" else 0)
            connection.execute("INSERT INTO notes VALUES (?)", (padding + text + padding,))
    elif place == "name":
        (house.home.data / text).mkdir(parents=True)
    else:
        file = {"log": house.home.data / "hue.log", "alert": house.home.data / "ALERT.txt",
                "config": house.home.folder / "config" / ".secrets.yaml.tmp"}[place]
        file.write_text(f"words {text} words", encoding="utf-8")
