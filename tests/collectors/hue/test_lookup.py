"""A bridge that is not where it was: looked up, recognised by its id, remembered; and strangers that get nothing.

Where http matters the simulated bridge has no https at all, for the discovery service names one port only.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import config
from collectors import hue
from runtime.deadline import Deadline
from runtime.errors import Questionable
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.state import State
from tests.home import Home, as_printed
from tests.simulator.server import Simulator


@pytest.fixture
def round_bridge() -> Iterator[Simulator]:
    """An old bridge, which speaks http only."""
    with Simulator(tls=None) as running:
        yield running


@pytest.fixture(params=["https", "http"])
def bridge(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with Simulator(tls="ca" if request.param == "https" else None) as running:
        yield running


def settle(home: Home, simulator: Simulator, **settings: Any) -> None:
    home.point_at(simulator, scheme="https" if simulator.secure else "http")
    home.configure_hue(**settings)


def asked(simulator: Simulator) -> list[str]:
    """Return the requests to bridge and discovery service in order, without the key."""
    return [request.path.replace(simulator.key, "KEY") for request in simulator.requests]


def listing(bridge: Simulator, identity: str) -> list[dict[str, Any]]:
    """Return the discovery service's answer for an id at this bridge's address."""
    address = bridge.https_url if bridge.secure else bridge.http_url
    return [{"id": identity, "internalipaddress": "127.0.0.1", "port": int(address.rpartition(":")[2])}]


def test_a_bridge_that_moved_is_found_and_from_then_on_asked_where_it_is(home: Home, bridge: Simulator) -> None:
    """EDGE-6."""
    settle(home, bridge)
    bridge.move()
    assert home.run().code == 0
    assert asked(bridge) == ["/discovery", "/api/config", "/api/KEY/sensors"]
    assert f"bridge {bridge.bridge_id} has moved to " in home.log()
    for _ in range(2):
        assert home.run().code == 0
    assert asked(bridge)[3:] == ["/api/KEY/sensors"] * 2
    assert [cycle["requests"] for cycle in home.cycles()][1:] == [1, 1]


def test_a_bridge_that_moves_on_is_found_again(home: Home, bridge: Simulator) -> None:
    settle(home, bridge)
    for _ in range(3):
        bridge.move()
        assert home.run().code == 0


def test_a_bridge_that_comes_back_is_asked_at_its_old_address_alone(home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    port = int(simulator.https_url.rpartition(":")[2])
    with Simulator() as moved:
        simulator.close()
        home.configure_hue(discovery_url=moved.discovery_url)
        assert home.run().code == 0
    with Simulator(https_port=port) as back:
        assert [home.run().code, home.run().code] == [0, 0]
        assert asked(back) == ["/api/KEY/sensors"] * 2
    assert home.cycles()[-1]["retries"] == 0
    assert home.run().code == 1
    assert home.cycles()[-1]["requests"] == 4  # three tries at one address, one of looking it up


def test_the_configured_address_is_tried_too_where_nothing_can_be_looked_up(home: Home, simulator: Simulator) -> None:
    settle(home, simulator, discovery_url=None)
    left = {"configured": simulator.https_url, "found": "https://127.0.0.1:1"}
    (home.data / "hue.session.json").write_text(json.dumps({"bridge": left}), encoding="utf-8")
    assert [home.run().code, home.run().code] == [0, 0]
    assert [cycle["retries"] for cycle in home.cycles()] == [2, 0]


def test_where_a_bridge_was_found_is_forgotten_when_the_configuration_names_another_place(
        home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    simulator.move()
    home.run()
    with Simulator() as elsewhere:
        settle(home, elsewhere)
        assert home.run().code == 0
        assert asked(elsewhere) == ["/api/KEY/sensors"]


def test_a_web_server_of_another_kind_at_the_old_address_is_passed_over(home: Home, round_bridge: Simulator) -> None:
    """The router gave the address to a printer."""
    with Simulator(tls=None) as moved:
        settle(home, round_bridge, discovery_url=moved.discovery_url)
        round_bridge.faults.add("body", status=404, content="a printer")
        assert home.run().code == 0


@pytest.mark.slow
def test_a_silent_address_leaves_time_for_looking_up_another(home: Home, simulator: Simulator) -> None:
    with Simulator() as moved:
        settle(home, simulator, discovery_url=moved.discovery_url, timeout_seconds=300)
        home.write_config(collection={"cycle_deadline_seconds": 10})
        simulator.faults.add("silent-handshake")
        assert home.run().code == 0


def test_without_an_address_the_bridge_is_looked_up_once(home: Home, simulator: Simulator) -> None:
    settle(home, simulator, bridge_ip=None)
    assert [home.run().code, home.run().code] == [0, 0]
    assert asked(simulator) == ["/discovery", "/api/config", "/api/KEY/sensors", "/api/KEY/sensors"]


def test_a_dry_run_finds_the_bridge_and_remembers_nothing(home: Home, simulator: Simulator) -> None:
    settle(home, simulator, bridge_ip=None)
    assert home.run("--dry-run").code == 0
    assert list(home.data.iterdir()) == []


def test_without_an_address_and_without_looking_up_a_human_is_asked(home: Home, simulator: Simulator) -> None:
    settle(home, simulator, bridge_ip=None, discovery_url=None)
    outcome = home.run()
    assert outcome.code == 2
    assert as_printed("Remedy: set collectors.hue.bridge_ip, or python devices.py pair hue") in outcome.err
    assert simulator.requests == []


def test_nothing_is_looked_up_where_that_is_turned_off(home: Home, bridge: Simulator) -> None:
    settle(home, bridge, discovery_url=None)
    bridge.move()
    outcome = home.run()
    assert outcome.code == 1 and "connection refused" in outcome.err
    assert bridge.requests == []


def test_nothing_is_looked_up_without_a_bridge_id(home: Home, bridge: Simulator) -> None:
    settle(home, bridge)
    home.write_secrets({"hue": {"api_key": bridge.key}})
    bridge.move()
    assert home.run().code == 1
    assert bridge.requests == []


@pytest.mark.parametrize("kind", ["429", "500", "not-json", "truncated", "key-refused"])
def test_nothing_is_looked_up_for_a_bridge_that_is_where_it_was(kind: str, home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    simulator.faults.add(kind)
    assert home.run().code == (2 if kind == "key-refused" else 1)
    assert "/discovery" not in asked(simulator)


def test_a_refused_key_stays_refused_if_the_id_is_unknown(home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    simulator.faults.add("key-refused")
    simulator.faults.add("500", paths=["/config"])
    outcome = home.run()
    assert outcome.code == 2 and "refuses our key" in outcome.err
    assert "/discovery" not in asked(simulator)


def test_a_stranger_at_the_old_address_is_passed_over(home: Home, bridge: Simulator) -> None:
    """Two bridges that have swapped their addresses."""
    settle(home, bridge)
    bridge.move(stranger=True)
    assert home.run().code == 0
    assert all(row["device_id"].removeprefix("hue:")[:23] in bridge.house._by_mac for row in home.rows())
    before = len(bridge.stranger_requests)
    assert home.run().code == 0
    assert len(bridge.stranger_requests) == before


def test_over_https_a_stranger_is_not_even_asked(home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    simulator.move(stranger=True)
    assert home.run().code == 0
    assert simulator.stranger_requests == []


def test_a_stranger_at_the_only_address_there_is_asks_for_a_human(home: Home, bridge: Simulator) -> None:
    settle(home, bridge)
    bridge.faults.add("wrong-bridge")
    outcome = home.run()
    assert outcome.code == 2 and "Remedy: " in outcome.err
    assert home.rows() == []
    after_discovery = asked(bridge)[asked(bridge).index("/discovery"):]
    assert not any("KEY" in path for path in after_discovery)


@pytest.mark.parametrize("lie", ["another id", "our id"])
def test_an_address_looked_up_gets_no_key_before_it_has_shown_the_right_id(
        lie: str, home: Home, round_bridge: Simulator) -> None:
    settle(home, round_bridge)
    with Simulator(seed=9, tls=None) as stranger:
        round_bridge.discovery = listing(stranger, round_bridge.bridge_id if lie == "our id" else stranger.bridge_id)
        round_bridge.move()
        outcome = home.run()
        assert asked(stranger) == (["/api/config"] if lie == "our id" else [])
    assert outcome.code == 1 and "connection refused" in outcome.err


def test_an_address_looked_up_must_show_the_right_certificate(home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    with Simulator(seed=9) as stranger:
        simulator.discovery = listing(stranger, simulator.bridge_id)
        simulator.move()
        assert home.run().code == 1
        assert stranger.requests == []


def test_a_key_refused_at_the_new_address_asks_for_a_human(home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    simulator.move()
    simulator.faults.add("key-refused")
    outcome = home.run()
    assert outcome.code == 2 and "refuses our key" in outcome.err


@pytest.mark.parametrize("kind", ["429", "500", "not-json", "truncated", "reset", "redirect", "oversized",
                                  "unlisted"])
def test_when_looking_up_does_not_help_the_first_error_is_reported(kind: str, home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    if kind == "unlisted":
        simulator.discovery = []
    else:
        simulator.faults.add(kind, face="discovery")
    simulator.move()
    outcome = home.run()
    assert outcome.code == 1
    assert "connection refused" in outcome.err
    assert "looking up the bridge did not help" in home.log()


@pytest.mark.parametrize("answer", [
    [], {}, None, 7, "text", [None, 7, "x", [], {}], [{"id": None, "internalipaddress": None}],
    [{"id": ["x"], "internalipaddress": "127.0.0.1"}], [{"internalipaddress": "127.0.0.1"}]], ids=repr)
def test_a_senseless_answer_of_the_discovery_service_is_ignored(answer: Any, home: Home, simulator: Simulator) -> None:
    settle(home, simulator, bridge_ip=None)
    simulator.faults.add("body", face="discovery", content=json.dumps(answer))
    outcome = home.run()
    assert outcome.code == 1
    assert f"does not know bridge {simulator.bridge_id}" in outcome.err


def test_ids_are_compared_whatever_their_case(home: Home, simulator: Simulator) -> None:
    settle(home, simulator, bridge_id=simulator.bridge_id.upper())
    simulator.move()
    simulator.discovery = listing(simulator, simulator.bridge_id.upper())
    assert home.run().code == 0


def test_two_different_ids_ask_for_a_human_before_anything_is_sent(home: Home, simulator: Simulator) -> None:
    settle(home, simulator, bridge_id="001788fffe000000")
    outcome = home.run()
    assert outcome.code == 2
    assert (f"collectors.hue.bridge_id in config.yaml is 001788fffe000000, hue.bridge_id in secrets.yaml is "
            f"{simulator.bridge_id}. Remedy: remove the wrong one of the two") in outcome.err
    assert simulator.requests == []


def test_without_a_key_a_human_is_asked_to_pair(home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    home.write_secrets({})
    outcome = home.run()
    assert outcome.code == 2 and as_printed("Remedy: python devices.py pair hue") in outcome.err
    assert simulator.requests == []


@pytest.mark.parametrize("memory", [
    {"found": "http://127.0.0.1:1"}, {"configured": "IT", "found": 7}, {"configured": "IT", "found": "x" * 70}, [],
    "text", {"configured": "IT", "found": "https://[::1"}, {"configured": "IT"}, {"found": {}}, None])
def test_a_damaged_memory_costs_nothing(memory: Any, home: Home, simulator: Simulator) -> None:
    settle(home, simulator)
    if isinstance(memory, dict) and "configured" in memory:
        memory = {**memory, "configured": simulator.https_url}
    (home.data / "hue.session.json").write_text(json.dumps({"bridge": memory}), encoding="utf-8")
    assert home.run().code == 0
    assert asked(simulator) == ["/api/KEY/sensors"]


def probe(home: Home, simulator: Simulator) -> str:
    settings = hue.Settings(bridge_ip=simulator.http_url, discovery_url=None)
    secrets = hue.Secrets(api_key=simulator.key, bridge_id=simulator.bridge_id)
    with HttpClient(Deadline(20), retry_policy(config.Retry())) as http:
        return hue.probe(settings, secrets, http, State(home.data / "none"))


def test_the_probe_describes_the_bridge(home: Home, simulator: Simulator) -> None:
    """FR-025."""
    assert probe(home, simulator) == f"bridge {simulator.bridge_id} at {simulator.http_url} knows 5 temperature sensors"


def test_a_bridge_without_a_thermometer_that_is_read_is_a_warning(home: Home, simulator: Simulator) -> None:
    """FR-026."""
    simulator.faults.add("gone", sensor=None)
    simulator.faults.add("entries", entries=[{"type": "ZGPTemperature", "state": {"temperature": 2150}}])
    with pytest.raises(Questionable, match="0 temperature sensors; of types that are not read: ZGPTemperature"):
        probe(home, simulator)
