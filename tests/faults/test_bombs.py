"""Answers made to exhaust memory or time: what a process that reads one costs."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial

import pytest

from tests.checkout import CHECKOUT
from tests.collectors.hue import samples as rooms
from tests.faults import WHOLE
from tests.faults.strange_json import Literal, written
from tests.home import MEASURE, Home, unmeasured
from tests.simulator.server import Simulator

MOST_MEGABYTES = 200
MOST_SECONDS = 30
FULL, PARTS = 7_990_000, 499_990  # bytes and values, just below the limits


def filled(piece: str, most: int = FULL) -> str:
    """Return a list of such pieces, as long as an answer may be, or of at most that many pieces."""
    return f"[{piece}{f',{piece}' * min(most, (FULL - len(piece) - 2) // (len(piece.encode()) + 1))}]"


def numbered(count: int) -> str:
    return "{" + ",".join(f'"{number:x}":{{}}' for number in range(count)) + "}"


def talkative() -> str:
    """Return a sensor with a good value and a long text, all of which is kept."""
    updated_at = datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="seconds")
    words = Literal('"' + "Ā" * (FULL // 2 - 500) + '"')
    state = {"temperature": 2029, "lastupdated": updated_at}
    return written({"5": {**rooms.box()["5"], "state": state, "words": words}})


BOMBS: dict[str, Callable[[], str]] = {
    **{f"list of {piece}": partial(filled, piece) for piece in ('{"a":{}}', "[]", '"Ā"', "1.5", "7", '{"a":1}')},
    **{f"{PARTS // parts} of {piece}": partial(filled, piece, PARTS // parts)
       for parts, piece in [(3, '{"a":{}}'), (2, '{"Ā":"Āā"}'), (1, '"Āā"')]},
    "numbered objects": partial(numbered, PARTS // 2), "a talkative sensor": talkative,
    "one long name": lambda: '{"1":{"name":"' + "x" * (FULL - 20) + '"}}', "depth": lambda: "[" * FULL,
    "spaces": lambda: " " * FULL, "page": lambda: "<title>" * (FULL // 7),
}
SQUEEZED: dict[str, int] = {"gzip-bomb": 300, "oversized": 20}
SAMPLE = ['list of {"a":{}}', '249995 of {"Ā":"Āā"}']


@pytest.mark.parametrize("collector", ["hue", "amazon_aqm"])
@pytest.mark.parametrize("bomb", [*BOMBS, *SQUEEZED] if WHOLE else SAMPLE)
def test_a_bomb_costs_neither_much_memory_nor_much_time(collector: str, bomb: str, home: Home) -> None:
    with Simulator(tls=None) as simulator:
        face = "hue" if collector == "hue" else "alexa"
        if bomb in SQUEEZED:
            simulator.faults.add(bomb, face=face, megabytes=SQUEEZED[bomb])
        else:
            simulator.faults.add("body", face=face, content=BOMBS[bomb]())
        home.settings["collectors"]["amazon_aqm"] = {"enabled": True, "base_url": simulator.cloud_url}
        home.point_at(simulator, scheme="http", collect_raw_response=True)
        home.write_secrets({"hue": {"api_key": simulator.key}, "amazon_aqm": {"cookies": {"session-id": "1"}}})
        started = time.monotonic()
        done = subprocess.run([sys.executable, *MEASURE, *home.command(module=f"collectors.{collector}")],
                              cwd=CHECKOUT, env=unmeasured(), capture_output=True, text=True)
        seconds = time.monotonic() - started
    megabytes = float(done.stdout.split()[0]) / 1000
    if WHOLE:
        print(f"\n{collector}, {bomb}: {megabytes:.0f} MB, {seconds:.1f} s")
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr and "a fault in" not in done.stderr
    assert megabytes <= MOST_MEGABYTES
    assert seconds <= MOST_SECONDS
