"""How a bridge proves on https who it is, and that nothing is sent to one that cannot.

Its certificate has the id as common name and no other name: by Signify's authority, through an intermediate on newer
bridges, or by itself on the earliest.
"""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.home import Home, as_printed
from tests.simulator.messages import Seen
from tests.simulator.server import Simulator

NOT_TRUSTED = "presents a certificate that is not the one to trust. Remedy: python devices.py pair hue"


def asked_with_a_key(request: Seen) -> bool:
    """An unknown bridge may be asked who it is."""
    return "/api/" in request.path and request.path != "/api/config"


@pytest.fixture(params=["ca", "intermediate", "self-signed"])
def bridge(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with Simulator(tls=request.param) as running:
        yield running


def trusting(home: Home, simulator: Simulator, **trust: Any) -> Home:
    home.point_at(simulator, **{"certificate_fingerprint": None, **trust})
    return home


def test_the_authoritys_file_and_the_id_as_common_name_are_enough(home: Home, bridge: Simulator) -> None:
    assert trusting(home, bridge, ca_file=str(bridge.ca_file)).run().code == 0
    assert len(bridge.requests) == 1


def test_the_id_may_be_written_in_capitals(home: Home, simulator: Simulator) -> None:
    trusting(home, simulator, ca_file=str(simulator.ca_file), bridge_id=simulator.bridge_id.upper())
    assert home.run().code == 0


def test_the_authoritys_file_beside_the_configuration_needs_no_word_in_it(home: Home, simulator: Simulator) -> None:
    trusting(home, simulator)
    shutil.copy(simulator.ca_file, home.config.parent / "hue-bridge-ca.pem")
    assert home.run().code == 0


def test_under_an_authority_a_bridge_that_signs_for_itself_is_refused(home: Home, simulator: Simulator) -> None:
    with Simulator(tls="self-signed") as impostor:
        trusting(home, impostor, ca_file=str(simulator.ca_file))
        outcome = home.run()
        assert outcome.code == 2 and as_printed(NOT_TRUSTED) in outcome.err
        assert not any(asked_with_a_key(request) for request in impostor.requests)


def test_under_an_authority_another_bridge_of_its_own_is_refused(home: Home, simulator: Simulator) -> None:
    with Simulator(seed=9) as neighbour:
        trusting(home, neighbour, ca_file=str(neighbour.ca_file))
        home.write_secrets({"hue": {"api_key": neighbour.key, "bridge_id": simulator.bridge_id}})
        outcome = home.run()
        assert outcome.code == 2 and as_printed(NOT_TRUSTED) in outcome.err
        assert not any(asked_with_a_key(request) for request in neighbour.requests)


@pytest.mark.parametrize("spell", [str, str.upper, lambda text: ":".join(text[at:at + 2] for at in range(0, 64, 2))],
                         ids=["plain", "capitals", "colons"])
def test_a_fingerprint_is_enough_for_every_kind_of_certificate(spell: Any, home: Home, bridge: Simulator) -> None:
    assert trusting(home, bridge, certificate_fingerprint=spell(bridge.fingerprint)).run().code == 0


def test_a_fingerprint_in_the_secrets_is_as_good(home: Home, bridge: Simulator) -> None:
    trusting(home, bridge)
    home.write_secrets({"hue": {"api_key": bridge.key, "certificate_fingerprint": bridge.fingerprint}})
    assert home.run().code == 0


@pytest.mark.parametrize("looked_up", [True, False])
def test_another_fingerprint_asks_for_a_human_before_anything_is_sent(
        looked_up: bool, home: Home, bridge: Simulator) -> None:
    trusting(home, bridge, certificate_fingerprint="0" * 64)
    if not looked_up:
        home.configure_hue(discovery_url=None)
    outcome = home.run()
    assert outcome.code == 2 and as_printed(NOT_TRUSTED) in outcome.err
    assert not any("/api/" in request.path for request in bridge.requests)
    assert home.cycles()[0]["outcome"] == "not_authorised"


@pytest.mark.parametrize("fingerprint", ["z" * 64, "0" * 63, "é" * 64, "sha256"])
@pytest.mark.parametrize("place", ["config", "secrets"])
def test_an_invalid_fingerprint_is_named_by_its_path(
        place: str, fingerprint: str, home: Home, simulator: Simulator) -> None:
    trusting(home, simulator, **({"certificate_fingerprint": fingerprint} if place == "config" else {}))
    if place == "secrets":
        home.write_secrets({"hue": {"api_key": simulator.key, "certificate_fingerprint": fingerprint}})
    outcome = home.run()
    assert outcome.code == 2 and "hue.certificate_fingerprint" in outcome.err
    assert simulator.requests == []


def test_the_authority_counts_more_than_the_fingerprint(home: Home, simulator: Simulator) -> None:
    """A renewed certificate has another fingerprint and the same authority."""
    trusting(home, simulator, ca_file=str(simulator.ca_file), certificate_fingerprint="0" * 64)
    assert home.run().code == 0


def test_a_fingerprint_does_not_make_up_for_the_wrong_authority(home: Home, simulator: Simulator) -> None:
    with Simulator(tls="self-signed") as impostor:
        trusting(home, impostor, ca_file=str(simulator.ca_file), certificate_fingerprint=impostor.fingerprint)
        assert home.run().code == 2
        assert not any(asked_with_a_key(request) for request in impostor.requests)


def test_a_file_that_holds_no_authority_is_named(home: Home, simulator: Simulator) -> None:
    trusting(home, simulator)
    (home.config.parent / "hue-bridge-ca.pem").write_text("not a certificate", encoding="utf-8")
    outcome = home.run()
    assert outcome.code == 2
    assert "hue-bridge-ca.pem holds no certificate" in outcome.err and "check ca_file" in outcome.err
    assert not any("/api/" in request.path for request in simulator.requests)


@pytest.mark.parametrize("spell", [str, lambda url: url.removeprefix("https://"),
                                   lambda url: url.replace("https", "HTTPS")], ids=["https", "plain", "capitals"])
def test_https_without_anything_to_trust_asks_for_a_human(spell: Any, home: Home, simulator: Simulator) -> None:
    trusting(home, simulator)
    home.configure_hue(bridge_ip=spell(simulator.https_url))
    outcome = home.run()
    assert outcome.code == 2
    assert "identifies the bridge" in outcome.err and as_printed("python devices.py pair hue") in outcome.err
    assert simulator.requests == []


def test_nothing_falls_back_from_https_to_http(home: Home) -> None:
    """Neither where the bridge speaks http only, nor at the port where it does."""
    with Simulator(tls=None) as round_bridge:
        home.point_at(round_bridge, scheme="http", certificate_fingerprint="0" * 64)
        for address in (round_bridge.http_url.replace("http", "https"), round_bridge.http_url.removeprefix("http://")):
            home.configure_hue(bridge_ip=address)
            assert home.run().code == 1
        assert not any("/api/" in request.path for request in round_bridge.requests)


@pytest.mark.parametrize("proven", [True, False])
def test_a_bridge_to_which_ours_was_transferred_is_recognised(proven: bool, home: Home, simulator: Simulator) -> None:
    """Moved to a Bridge Pro: another id, and the key is still good. Its word alone is no proof."""
    ours = simulator.bridge.bridge_id
    with Simulator(seed=5) as successor, Simulator(tls="self-signed", seed=6) as impostor:
        successor.ca_file.write_bytes(simulator.ca_file.read_bytes() + successor.ca_file.read_bytes())
        shown = successor if proven else impostor
        shown.bridge.replaces = ours
        trusting(home, shown, ca_file=str(successor.ca_file))
        home.write_secrets({"hue": {"api_key": shown.key, "bridge_id": ours}})
        outcome = home.run()
        assert outcome.code == 2 and home.rows() == []
        assert (f"was replaced by {shown.bridge.bridge_id}" in outcome.err) == proven
        assert "pair hue" in outcome.err
        assert not any(asked_with_a_key(request) for request in shown.requests)
