"""The bridge's refusals and what they lead to: another try, the full configuration, patience, or a human."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from collectors import hue
from tests.home import Home, as_printed
from tests.simulator.server import Simulator


def asked(simulator: Simulator) -> list[str]:
    """Return the requests to the bridge in order, without the key; / is the full configuration."""
    paths = [request.path for request in simulator.requests if not request.path.startswith("/discovery")]
    return [path.removeprefix(f"/api/{simulator.key}") or "/" for path in paths]


def refusal(*kinds: object) -> str:
    """Return the bridge's list of errors, which comes with HTTP 200."""
    return json.dumps([{"error": {"type": kind, "address": "/sensors", "description": "so it is"}} for kind in kinds])


@pytest.fixture(params=["https", "http"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_healthy_cycle_is_one_request(home: Home, simulator: Simulator, scheme: str) -> None:
    """US5-3."""
    home.point_at(simulator, scheme)
    for _ in range(3):
        assert home.run().code == 0
    assert asked(simulator) == ["/sensors"] * 3
    assert [(cycle["requests"], cycle["endpoint"], cycle["outcome"]) for cycle in home.cycles()] == [
        (1, "optimized", "ok")] * 3


def test_the_old_way_finds_the_same_by_three_requests(home: Home, simulator: Simulator) -> None:
    """What the baseline measures is as good a cycle as today's: only dearer. FR-032."""
    home.point_at(simulator)
    module = SimpleNamespace(**{**vars(hue), "collect": hue.collect_unoptimised})
    lean = home.run("--json", "--dry-run").json["readings"]
    old = home.run("--json", "--dry-run", collector=module).json["readings"]
    assert asked(simulator) == ["/sensors", "/", "/sensors", "/sensors"]
    assert old and [{**each, "timestamp": ""} for each in old] == [{**each, "timestamp": ""} for each in lean]


def test_the_request_asks_for_no_compression_and_brings_the_key_once(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    home.run()
    [request] = simulator.requests
    assert request.headers["Accept-Encoding"] == "identity"
    assert simulator.key not in str(request.headers)


def test_the_bytes_of_the_answer_are_counted(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")
    content = json.dumps({"1": {"type": "Daylight", "name": "x" * 1000}})
    simulator.faults.add("body", content=content)
    assert home.run("--json").json["payload_bytes"] == len(content)


def test_proxies_and_netrc_of_the_environment_are_ignored(
        home: Home, simulator: Simulator, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would learn the key."""
    home.point_at(simulator, scheme)
    netrc = home.folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with Simulator(seed=9, tls=None) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.http_url)
        assert home.run().code == 0
        assert proxy.requests == []
    assert "Authorization" not in simulator.requests[0].headers


@pytest.mark.parametrize(("scheme", "requests"), [("https", ["/sensors"]), ("http", ["/sensors", "/api/config"])])
def test_a_refused_key_asks_for_a_human_and_over_http_for_the_bridges_id(
        scheme: str, requests: list[str], home: Home, simulator: Simulator) -> None:
    """Over https the certificate has proved that the bridge is ours: one request."""
    home.point_at(simulator, scheme)
    simulator.faults.add("key-refused")
    outcome = home.run()
    assert outcome.code == 2
    assert outcome.err == as_printed("hue: the bridge refuses our key. Remedy: python devices.py pair hue\n")
    assert asked(simulator) == requests
    assert home.cycles()[0]["outcome"] == "not_authorised"


def test_a_refused_key_is_tried_again_at_the_next_cycle(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    simulator.faults.add("key-refused", times=1)
    assert [home.run().code, home.run().code] == [2, 0]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_by_http_status_is_one_of_the_key(status: int, home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    simulator.faults.add("body", status=status)
    outcome = home.run()
    assert outcome.code == 2
    assert f"refused us (HTTP {status}). Remedy: " in outcome.err
    assert "/" not in asked(simulator)


@pytest.mark.parametrize("kind", [3, 4, 5, 6, 7, 8, 201, 999, -1, 0])
def test_an_error_that_trying_again_would_not_change_leads_to_the_full_configuration(
        kind: int, home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")
    simulator.faults.add("body", content=refusal(kind), paths=["/sensors"])
    assert home.run().code == 0
    assert asked(simulator) == ["/sensors", "/"]


def test_an_internal_error_is_tried_again_before_the_full_configuration_is(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    simulator.faults.add("body", content=refusal(901), paths=["/sensors"])
    assert home.run().code == 0
    assert asked(simulator) == ["/sensors", "/sensors", "/sensors", "/"]
    assert "internal error (so it is)" in home.log()


def test_of_several_errors_the_first_counts(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator)
    simulator.faults.add("body", content=refusal(1, 901), paths=["/sensors"])
    assert home.run().code == 2


@pytest.mark.parametrize("content", ["[]", "[{}]", "null", "17", '"text"', "[[]]", '[{"success": {}}]', "NaN",
                                     '[{"error": {"type": "1"}}]', '[{"error": {"type": true}}]', '[{"error": []}]'])
def test_an_unknown_shape_leads_to_the_full_configuration(content: str, home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")
    simulator.faults.add("body", content=content, paths=["/sensors"])
    assert home.run().code == 0
    assert asked(simulator) == ["/sensors", "/"]


@pytest.mark.parametrize(("kind", "options"), [
    ("500", {}), ("502", {}), ("503", {}), ("not-json", {}), ("truncated", {}), ("body", {"status": 404}),
    ("body", {"status": 408}), ("body", {"content": ""}), ("body", {"content": b"\xff\xfe{"}),
    ("oversized", {"megabytes": 9}), ("gzip-bomb", {"megabytes": 20}),
])
def test_an_unusable_answer_for_the_sensors_is_made_good_by_the_full_configuration(
        kind: str, options: Mapping[str, Any], home: Home, simulator: Simulator) -> None:
    """FR-036."""
    home.point_at(simulator, scheme="http")
    simulator.faults.add(kind, paths=["/sensors"], **options)
    assert home.run().code == 0
    assert asked(simulator)[-1] == "/"
    [cycle] = home.cycles()
    assert (cycle["endpoint"], cycle["outcome"], cycle["stored"]) == ("fallback", "ok", 5)
    assert len(home.rows()) == 5


@pytest.mark.parametrize(("kind", "options", "code"), [
    ("429", {}, 1), ("reset", {}, 1), ("silence", {}, 1), ("drip-body", {}, 1), ("body", {"status": 401}, 2),
    ("body", {"status": 403}, 2), ("redirect", {}, 2), ("body", {"content": refusal(1)}, 2),
])
def test_the_full_configuration_is_never_asked_of_a_bridge_that_is_unreachable_or_refuses(
        kind: str, options: Mapping[str, Any], code: int, home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http", timeout_seconds=0.15)
    home.configure_hue(discovery_url=None)
    simulator.faults.add(kind, paths=["/sensors"], **options)
    assert home.run().code == code
    assert "/" not in asked(simulator)
    assert home.cycles()[0]["endpoint"] == "optimized"


@pytest.mark.parametrize("kind", ["500", "502", "503", "not-json", "truncated", "reset", "429"])
def test_one_bad_answer_is_made_good_by_asking_again(kind: str, home: Home, simulator: Simulator) -> None:
    """US2-1."""
    home.point_at(simulator)
    simulator.faults.add(kind, times=1)
    assert home.run().code == 0
    assert asked(simulator) == ["/sensors", "/sensors"]
    [failed, recovered] = home.rows("SELECT * FROM retry_events ORDER BY id")
    assert (failed["attempt"], failed["outcome"]) == (1, "retrying")
    assert (recovered["attempt"], recovered["outcome"]) == (2, "recovered")


def test_when_nothing_helps_the_cycle_ends_with_1_and_the_reason(home: Home, simulator: Simulator) -> None:
    """US2-5."""
    home.point_at(simulator, scheme="http")
    simulator.faults.add("502")
    outcome = home.run()
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1 and "HTTP 502" in outcome.err
    assert asked(simulator) == ["/sensors"] * 3 + ["/"] * 3
    assert home.cycles()[0]["outcome"] == "unreachable"


def test_other_peoples_keys_in_the_full_configuration_are_neither_stored_nor_logged(
        home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, collect_raw_response=True)
    simulator.faults.add("body", status=404, paths=["/sensors"])
    outcome = home.run("-v", "--json")
    assert outcome.code == 0 and outcome.json["readings"][0]["raw_response"]
    everything = outcome.out + outcome.err + "".join(
        file.read_bytes().decode("latin-1") for file in home.data.rglob("*") if file.is_file())
    assert not any(key in everything for key in simulator.bridge.other_keys)


def test_a_bomb_costs_no_more_bytes_than_come_over_the_wire(home: Home, simulator: Simulator) -> None:
    home.point_at(simulator, scheme="http")
    home.configure_hue(discovery_url=None)
    simulator.faults.add("gzip-bomb", megabytes=50)
    outcome = home.run("--json")
    assert outcome.code == 1
    assert "more than 8 MB: cut off" in outcome.json["error"]
    assert outcome.json["payload_bytes"] < 1_000_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, home: Home, simulator: Simulator) -> None:
    with Simulator(seed=9, tls=None) as elsewhere:
        home.point_at(simulator, scheme="http")
        location = f"{elsewhere.http_url}/api/{simulator.key}/sensors"
        simulator.faults.add("redirect", status=status, location=location)
        outcome = home.run()
        assert elsewhere.requests == []
    assert outcome.code == 2
    assert "redirects us" in outcome.err and "Remedy: " in outcome.err
    assert simulator.key not in outcome.err + home.log()
