"""devices.py unpair: our credentials are revoked at the source and removed from secrets.yaml, and nothing else is."""

from collections.abc import Iterator

import pytest
import requests
import yaml

from tests.home import Home
from tests.simulator.server import Simulator


@pytest.fixture
def paired(home: Home) -> Iterator[tuple[Home, Simulator]]:
    """A home that is paired with both sources of a simulated house, and has used them."""
    with Simulator() as simulator:
        home.introduce(simulator)
        home.point_at(simulator)
        home.secrets.write_text(
            f"# my keys\nhue:\n  api_key: {simulator.key}  # the kitchen's\n  bridge_id: '{simulator.bridge_id}'\n"
            f"amazon_aqm:\n  refresh_token: '{simulator.alexa.refresh_token}'\nemail: {{}}\n")
        yield home, simulator


def keys(home: Home) -> dict[str, dict[str, str | None]]:
    loaded: dict[str, dict[str, str | None]] = yaml.safe_load(home.secrets.read_text())
    return loaded


def test_the_bridge_deletes_the_key(paired: tuple[Home, Simulator]) -> None:
    home, simulator = paired
    done = home.devices("unpair", "hue")
    assert done.code == 0, done
    answer = requests.get(f"{simulator.http_url}/api/{simulator.key}/sensors", timeout=5).json()
    assert answer[0]["error"]["type"] == 1
    assert keys(home)["hue"] == {"api_key": None, "bridge_id": None} and keys(home)["amazon_aqm"]["refresh_token"]
    assert home.secrets.read_text().startswith("# my keys\nhue:\n  api_key: null # the kitchen's\n")
    assert home.secrets.stat().st_mode & 0o777 == 0o600
    assert home.devices("unpair", "hue").out.endswith("nothing to unpair.\n")


def test_amazon_deregisters_the_device(paired: tuple[Home, Simulator]) -> None:
    home, simulator = paired
    (home.data / "amazon_aqm.session.json").write_text('{"cookies": {}}')
    done = home.devices("unpair", "amazon_aqm")
    assert done.code == 0, done
    form = {"source_token": simulator.alexa.refresh_token}
    assert requests.post(f"{simulator.cloud_url}/auth/token", form, timeout=5).status_code == 400
    assert keys(home)["amazon_aqm"] == {"refresh_token": None} and keys(home)["hue"]["api_key"]
    assert not (home.data / "amazon_aqm.session.json").exists()


def test_what_was_revoked_elsewhere_is_only_removed_here(paired: tuple[Home, Simulator]) -> None:
    home, simulator = paired
    simulator.faults.add("key-refused")
    simulator.alexa.revoke()
    assert (home.devices("unpair", "hue").code, home.devices("unpair", "amazon_aqm").code) == (0, 0)
    assert keys(home)["hue"]["api_key"] is keys(home)["amazon_aqm"]["refresh_token"] is None


@pytest.mark.parametrize(("source", "kind", "face", "code", "place"), [
    ("hue", "keys-kept", "hue", 2, "https://account.meethue.com/apps"),
    ("amazon_aqm", "still-registered", "alexa", 2, "https://www.amazon.co.uk/mycd"),
    ("hue", "503", "hue", 1, ""), ("amazon_aqm", "503", "alexa", 1, ""),
    ("hue", "wrong-bridge", "hue", 2, "https://account.meethue.com/apps")])
def test_a_refusal_shows_where_to_do_it_by_hand_and_keeps_the_credentials(
        source: str, kind: str, face: str, code: int, place: str, paired: tuple[Home, Simulator]) -> None:
    home, simulator = paired
    before = home.secrets.read_text()
    simulator.faults.add(kind, face=face)
    done = home.devices("unpair", source)
    assert done.code == code and place in done.err and "Traceback" not in done.err, done
    assert home.secrets.read_text() == before
    assert simulator.key not in done.err + done.out and simulator.alexa.refresh_token not in done.err + done.out


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_bridge_that_refuses_the_deletion_but_not_the_key_still_has_it(
        scheme: str, paired: tuple[Home, Simulator]) -> None:
    home, simulator = paired
    home.point_at(simulator, scheme=scheme)
    simulator.faults.add("keys-kept", error=1)
    done = home.devices("unpair", "hue")
    assert done.code == 2 and "https://account.meethue.com/apps" in done.err, done
    assert keys(home)["hue"]["api_key"] == simulator.key


@pytest.mark.parametrize(("status", "content", "code"), [
    (400, '{"error": "invalid_token"}', 0), (401, '{"response": {"error": {"code": "InvalidToken"}}}', 0),
    (400, '{"error": "invalid_request"}', 2), (400, "", 2), (401, "", 2), (200, "{}", 2),
    (403, "<html>Request blocked</html>", 1), (400, '{"response": {"error": {"code": "InternalError"}}}', 1)])
def test_only_a_token_that_amazon_calls_invalid_was_revoked_before(
        status: int, content: str, code: int, paired: tuple[Home, Simulator]) -> None:
    home, simulator = paired
    home.secrets.write_text(home.secrets.read_text().replace("amazon_aqm:\n", "amazon_aqm:\n  domain: amazon.de\n"))
    simulator.faults.add("body", face="alexa", paths=["/auth/token"], status=status, content=content)
    done = home.devices("unpair", "amazon_aqm")
    assert done.code == code and ("https://www.amazon.de/mycd" in done.err) == (code == 2), done
    assert (keys(home)["amazon_aqm"]["refresh_token"] is None) == (code == 0)


def test_a_bridge_that_has_moved_is_found_by_its_id(paired: tuple[Home, Simulator]) -> None:
    home, simulator = paired
    home.configure_hue(bridge_ip="https://127.0.0.1:9")
    done = home.devices("unpair", "hue")
    assert done.code == 0 and keys(home)["hue"]["api_key"] is None, done


def test_a_source_without_credentials_cannot_be_unpaired(paired: tuple[Home, Simulator]) -> None:
    done = paired[0].devices("unpair", "toaster")
    assert done.code == 2 and "'toaster' cannot be unpaired; these can: amazon_aqm, hue" in done.err
