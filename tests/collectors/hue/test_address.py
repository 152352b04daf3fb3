"""Addresses of bridges from users and from the discovery service, valid and invalid."""

from pathlib import Path
from typing import Any

import pytest
import responses

import config
from collectors import hue
from collectors.hue.bridge import base_address
from runtime.deadline import Deadline
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.reading import Reading
from storage.state import State
from tests.collectors.hue.samples import KEY, NOW, box
from tests.home import Home
from tests.simulator.server import Simulator

OURS = "001788fffe256501"
NO_ADDRESSES = ["", "two words", "bridge:port", "bridge:99999", "bridge/api", "a@b", "bridge?x", "bridge#x", "x" * 70,
                "x" * 300, "[::1", "a..b", "\nbridge", "é" * 80, "\ud800", "%00", "back\\slash",
                "192.168.1", "192.168.1.300", "192.168.1.1.", "1"]


def found_at(address: str, *, port: Any, bridge_ip: str | None) -> bool:
    """Return whether a moved bridge is read at that address, if discovery lists host `new` and a port."""
    settings = hue.Settings(bridge_ip=bridge_ip, discovery_url="https://discovery")
    secrets = hue.Secrets(api_key=KEY, bridge_id=OURS, certificate_fingerprint="0" * 64)
    policy = retry_policy(config.Retry(base_delay_seconds=0))
    listing = [{"id": OURS.upper(), "internalipaddress": "new", "port": port}]
    with responses.RequestsMock(assert_all_requests_are_fired=False) as net, HttpClient(Deadline(20), policy) as http:
        net.get("https://discovery", json=listing)
        net.get(f"{address}/api/config", json={"bridgeid": OURS.upper()})
        net.get(f"{address}/api/{KEY}/sensors", json=box())
        found = list(hue.collect(settings, secrets, http, State(Path("nowhere")), NOW))
    return any(isinstance(item, Reading) for item in found)


@pytest.mark.parametrize(("written", "address"), [
    ("192.168.1.2", "https://192.168.1.2"), ("bridge.local:8443", "https://bridge.local:8443"),
    ("http://bridge/", "http://bridge"), ("https://bridge", "https://bridge"), ("HTTP://bridge", "http://bridge"),
    ("HTTPS://Bridge", "https://Bridge"), ("fe80::1", "https://[fe80::1]"), ("[fe80::1]:81", "https://[fe80::1]:81"),
])
def test_an_address_may_be_written_in_several_ways(written: str, address: str) -> None:
    assert base_address(written) == address
    assert list(hue.Settings(bridge_ip=written).problems()) == []


@pytest.mark.parametrize("written", [*NO_ADDRESSES, "ftp://bridge", "https://", "bridge:0"])
def test_an_invalid_address_is_named_by_its_path(written: str) -> None:
    [(path, sentence)] = hue.Settings(bridge_ip=written).problems()
    assert path == "bridge_ip" and "is no host, host:port" in sentence


@pytest.mark.parametrize("written", NO_ADDRESSES)
def test_an_invalid_address_in_the_secrets_is_named_too(written: str) -> None:
    [(path, _)] = hue.Secrets(bridge_ip=written).problems()
    assert path == "bridge_ip"


@pytest.mark.parametrize("host", [*NO_ADDRESSES, "127.0.0.1:notaport"])
def test_an_invalid_discovered_address_is_ignored(host: str, home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    simulator.discovery = [{"id": simulator.bridge_id, "internalipaddress": host}]
    simulator.move()
    outcome = home.run()
    assert outcome.code == 1 and "connection refused" in outcome.err
    assert not any("/api" in request.path for request in simulator.requests)


@pytest.mark.parametrize("port", ["text", None, True, 1.5, [443]])
def test_an_invalid_port_is_ignored(port: Any) -> None:
    assert found_at("https://new", port=port, bridge_ip="https://old")


@pytest.mark.parametrize(("port", "configured", "expected"), [
    (443, "http://old", "http://new"), (80, "http://old", "http://new:80"), (8080, "http://old:80", "http://new:8080"),
    (443, "old", "https://new:443"), (8443, "https://old", "https://new:8443"), (443, None, "https://new:443"),
    (443, "HTTP://old", "http://new"),
])
def test_the_configured_scheme_stays_and_over_http_port_443_means_80(
        port: int, configured: str | None, expected: str) -> None:
    assert found_at(expected, port=port, bridge_ip=configured)


@pytest.mark.parametrize("url", ["https://[::1", f"https://{'x' * 70}", "https://a..b"])
def test_an_invalid_discovery_url_is_no_fault_of_the_program(url: str, home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    home.configure_hue(discovery_url=url)
    simulator.move()
    outcome = home.run()
    assert "a fault in the program" not in home.log()
    assert outcome.code in (1, 2) and "connection refused" in outcome.err
