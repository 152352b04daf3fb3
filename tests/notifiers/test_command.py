"""Alerts reach a program of the user's."""

from pathlib import Path

import pytest

from tests.checkout import write_script
from tests.home import Home
from tests.simulator.server import Simulator

ALERT = "ALERT_HUE_PAIRING_NEEDED.txt"


@pytest.fixture
def refused(home: Home, simulator: Simulator) -> Home:
    home.point_at(simulator)
    simulator.faults.add("key-refused")
    return home


def configure(home: Home, simulator: Simulator, *run: str) -> None:
    home.write_secrets({"hue": {"api_key": simulator.key}, "notify": {"command": {"run": list(run)}}})


def test_it_gets_the_text_and_the_circumstances(refused: Home, simulator: Simulator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_script(tmp_path / "call", f'{{ echo "$1 $HOME_MONITOR_EVENT $HOME_MONITOR_ALERT"; echo "$HOME_MONITOR_REMEDY"; '
                                    f'echo "$HOME_MONITOR_SUBJECT$HOME_MONITOR_HOUSE"; cat; }} >> {out}')
    configure(refused, simulator, str(tmp_path / "call"), "a b")
    assert [refused.run().code for _ in range(2)] == [2, 2]
    lines = out.read_text().splitlines()
    assert lines[0] == f"a b raised {ALERT}" and "pair hue" in lines[1] and "the bridge refuses our key" in lines[3]
    simulator.faults.clear()
    refused.run()
    assert f"a b cleared {ALERT}" in out.read_text()


@pytest.mark.parametrize(("script", "reason"), [
    ("echo no network >&2; exit 3", "call ended with exit code 3: no network"), (None, "call cannot be run")])
def test_one_that_fails_is_logged_and_tried_again(
        script: str | None, reason: str, refused: Home, simulator: Simulator, tmp_path: Path) -> None:
    configure(refused, simulator, str(tmp_path / "call"))
    if script is not None:
        write_script(tmp_path / "call", script)
    assert refused.run().code == 2
    assert reason in refused.log()
    write_script(tmp_path / "call", f"cat > {tmp_path / 'out'}")
    refused.run()
    assert "refuses our key" in (tmp_path / "out").read_text()


@pytest.mark.alone
def test_one_that_hangs_is_ended_in_time(refused: Home, simulator: Simulator, tmp_path: Path) -> None:
    write_script(tmp_path / "call", "exec sleep 60")
    configure(refused, simulator, str(tmp_path / "call"))
    assert refused.run().code == 2
    assert "call did not end in time" in refused.log() or "no answer within" in refused.log()
