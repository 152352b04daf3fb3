"""`python devices.py pair hue`, with and without a press of the button."""

import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

import config
import devices
from collectors import hue
from collectors.hue import pairing
from collectors.hue.bridge import ButtonNotPressed
from runtime.deadline import Deadline
from runtime.errors import CannotReach, NotUnderstood
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.state import State
from tests.home import Home, as_printed
from tests.simulator.server import Simulator


class Person:
    """A user at the terminal: the lines shown, and the answer given."""

    def __init__(self, address: str | None = None, answer: str = "") -> None:
        self.address, self.answer = address, answer
        self.lines: list[str] = []
        self.questions: list[str] = []

    def keep(self, values: Mapping[str, str]) -> None:
        self.kept = dict(values)

    def tell(self, text: str) -> None:
        self.lines.append(text)

    def ask(self, question: str) -> str:
        self.questions.append(question)
        return self.answer


def introduce(person: Person, sleep: Callable[[float], None] = lambda seconds: None,
              **settings: str | None) -> dict[str, str]:
    chosen = hue.Settings(**{"discovery_url": None, **settings})  # type: ignore[arg-type]  # texts only
    with HttpClient(Deadline(60), retry_policy(config.Retry(base_delay_seconds=0))) as http:
        return pairing.pair(chosen, hue.Secrets(), http, State(Path("nowhere")), person, sleep)


def pair(home: Home, *arguments: str) -> Result:
    return CliRunner().invoke(devices.main, ["--config", str(home.config), "pair", "hue", *arguments])


def registrations(simulator: Simulator) -> int:
    return sum(request.method == "POST" for request in simulator.requests)


@pytest.fixture
def unpaired(home: Home) -> Home:
    """A home that knows of no bridge, and asks no discovery service."""
    home.configure_hue(discovery_url=None)
    return home


@pytest.fixture
def pressed(simulator: Simulator) -> Simulator:
    simulator.press_link_button()
    return simulator


def test_the_command_waits_for_the_button_and_then_everything_is_known(unpaired: Home, simulator: Simulator) -> None:
    """As real processes, with the button pressed while one waits; then a cycle without further configuration."""
    over = threading.Event()

    def press() -> None:
        while not registrations(simulator) and not over.wait(0.01):
            pass
        simulator.press_link_button()

    somebody = threading.Thread(target=press)
    somebody.start()
    try:
        outcome = unpaired.devices("pair", "hue", "--bridge", simulator.https_url)
    finally:
        over.set()
        somebody.join()
    assert outcome.code == 0, outcome.err
    assert registrations(simulator) == 2
    assert outcome.out.count("°C [Battery: ") == 5 and "Küche" in outcome.out
    assert f"Found bridge {simulator.bridge_id}" in outcome.err and "Waiting for the button: 30 s left." in outcome.err
    asked_before = len(simulator.requests)
    assert unpaired.process().code == 0
    assert len(simulator.requests) == asked_before + 1
    assert len(unpaired.rows()) == 5


def test_the_key_stands_in_the_secrets_and_nowhere_else(unpaired: Home, pressed: Simulator) -> None:
    outcome = unpaired.devices("pair", "hue", "--bridge", pressed.https_url)
    assert outcome.code == 0
    key = yaml.safe_load(unpaired.secrets.read_text(encoding="utf-8"))["hue"]["api_key"]
    assert key in pressed.bridge.keys
    assert key not in outcome.out + outcome.err
    assert not any(key.encode() in file.read_bytes() for file in unpaired.data.rglob("*") if file.is_file())


def test_what_is_kept_is_key_id_and_fingerprint_for_the_owner_alone(unpaired: Home, pressed: Simulator) -> None:
    assert pair(unpaired, "--bridge", pressed.https_url).exit_code == 0
    kept = yaml.safe_load(unpaired.secrets.read_text(encoding="utf-8"))["hue"]
    assert (kept["bridge_id"], kept["certificate_fingerprint"]) == (pressed.bridge_id, pressed.fingerprint)
    assert stat.S_IMODE(unpaired.secrets.stat().st_mode) == 0o600


def test_the_bridge_learns_our_host_name(pressed: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no more characters than it takes: some 20 before the # and 19 after it."""
    monkeypatch.setattr("socket.gethostname", lambda: "a-machine-with-a-very-long-name")
    key = introduce(Person(pressed.https_url))["api_key"]
    assert pressed.bridge.keys[key] == "home-monitor#a-machine-with-a-ve"


@pytest.mark.parametrize("status", [200, 403])
def test_a_button_pressed_while_waiting_is_enough(status: int, simulator: Simulator) -> None:
    """deCONZ answers with 403 until then."""
    if status == 403:
        simulator.faults.add("pairing-403")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 12:
            simulator.press_link_button()

    person = Person(simulator.https_url)
    assert introduce(person, sleep)["api_key"] in simulator.bridge.keys
    assert slept == [1] * 12
    assert sum("Waiting for the button" in text for text in person.lines) == 3


def test_a_button_not_pressed_within_30_seconds_ends_it(simulator: Simulator) -> None:
    slept: list[float] = []
    with pytest.raises(ButtonNotPressed, match="not pressed within 30 s") as caught:
        introduce(Person(simulator.https_url), slept.append)
    assert caught.value.remedy == as_printed(f"python devices.py pair hue --bridge {simulator.https_url}")
    assert sum(slept) == 30 and registrations(simulator) == 30


def test_without_the_button_the_command_ends_with_1_and_changes_nothing(
        unpaired: Home, simulator: Simulator, waits: list[float]) -> None:
    result = pair(unpaired, "--bridge", simulator.https_url)
    assert result.exit_code == 1
    assert as_printed("Remedy: python devices.py pair hue") in result.output
    assert not unpaired.secrets.exists() and list(unpaired.data.iterdir()) == []


def test_comments_and_everybody_elses_secrets_stay(unpaired: Home, pressed: Simulator) -> None:
    """And a file that others could read is closed to them."""
    text = ("# Ours, do not share.\n\nhue:\n  # from last year\n  api_key: \"0123456789abcdef\"\n"
            "email:   # at work\n  smtp_host: 'mail.example'\n  from: me@mail.example\n  to: [me@mail.example]\n")
    unpaired.secrets.write_text(text, encoding="utf-8")
    unpaired.secrets.chmod(0o644)
    assert pair(unpaired, "--bridge", pressed.https_url).exit_code == 0
    edited = unpaired.secrets.read_text(encoding="utf-8")
    untouched = [line for line in text.splitlines() if "api_key" not in line]
    assert [line for line in edited.splitlines() if line in untouched] == untouched
    assert "0123456789abcdef" not in edited
    assert stat.S_IMODE(unpaired.secrets.stat().st_mode) == 0o600
    assert unpaired.run().code == 0


def test_where_the_form_of_the_file_is_not_ours_the_lines_are_shown_and_nothing_changes(
        unpaired: Home, pressed: Simulator) -> None:
    text = 'hue: {api_key: "0123456789abcdef"}  # in one line\n'
    unpaired.secrets.write_text(text, encoding="utf-8")
    outcome = unpaired.devices("pair", "hue", "--bridge", pressed.https_url)
    assert outcome.code == 2
    assert unpaired.secrets.read_text(encoding="utf-8") == text
    shown = yaml.safe_load(outcome.out)["hue"]
    assert shown["api_key"] in pressed.bridge.keys and shown["bridge_id"] == pressed.bridge_id
    unpaired.secrets.write_text(outcome.out, encoding="utf-8")
    assert unpaired.run().code == 0


def test_the_configured_address_counts_more_than_the_one_that_pairing_kept(unpaired: Home, pressed: Simulator) -> None:
    assert pair(unpaired, "--bridge", pressed.https_url).exit_code == 0
    with Simulator() as same_bridge_elsewhere:
        unpaired.configure_hue(bridge_ip=same_bridge_elsewhere.https_url)
        same_bridge_elsewhere.bridge.keys.update(pressed.bridge.keys)
        assert unpaired.run().code == 0
        assert len(same_bridge_elsewhere.requests) == 1


def test_a_bridge_given_by_hand_is_asked_though_the_configuration_names_another_address(
        unpaired: Home, pressed: Simulator) -> None:
    unpaired.configure_hue(bridge_ip="https://127.0.0.1:1")
    result = pair(unpaired, "--bridge", pressed.https_url)
    assert result.exit_code == 0 and "Note that config.yaml names another address" in result.output
    assert unpaired.run().code == 0


def test_another_certificate_in_the_configuration_is_named_before_the_button_is_pressed(
        unpaired: Home, pressed: Simulator) -> None:
    """It would win over the one that pairing keeps."""
    unpaired.configure_hue(certificate_fingerprint="AB:" * 31 + "AB")
    result = pair(unpaired, "--bridge", pressed.https_url)
    assert result.exit_code == 2 and "collectors.hue.certificate_fingerprint in config.yaml. Remedy: if it" in result.output
    assert as_printed(f"that line there, then python devices.py pair hue --bridge {pressed.https_url}") in result.output
    assert registrations(pressed) == 0
    unpaired.configure_hue(certificate_fingerprint=pressed.fingerprint.upper())
    assert pair(unpaired, "--bridge", pressed.https_url).exit_code == 0


def test_pairing_again_replaces_the_old_key(unpaired: Home, pressed: Simulator) -> None:
    keys = set()
    for _ in range(2):
        pressed.press_link_button()
        assert pair(unpaired, "--bridge", pressed.https_url).exit_code == 0
        keys.add(yaml.safe_load(unpaired.secrets.read_text(encoding="utf-8"))["hue"]["api_key"])
    assert len(keys) == 2
    assert unpaired.secrets.read_text(encoding="utf-8").count("api_key") == 1


def test_an_old_round_bridge_is_paired_over_http_if_the_address_says_http(unpaired: Home) -> None:
    with Simulator(tls=None) as round_bridge:
        round_bridge.press_link_button()
        assert pair(unpaired, "--bridge", round_bridge.http_url).exit_code == 0
        assert "certificate_fingerprint" not in unpaired.secrets.read_text(encoding="utf-8")
        assert unpaired.run().code == 0


def test_the_configured_address_is_the_default(unpaired: Home, pressed: Simulator) -> None:
    unpaired.configure_hue(bridge_ip=pressed.https_url)
    assert pair(unpaired).exit_code == 0
    assert unpaired.run().code == 0


def test_the_one_bridge_that_the_discovery_service_knows_needs_no_question(unpaired: Home, pressed: Simulator) -> None:
    unpaired.configure_hue(discovery_url=pressed.discovery_url)
    assert pair(unpaired).exit_code == 0
    assert unpaired.run().code == 0


def test_of_several_bridges_the_person_chooses(pressed: Simulator) -> None:
    pressed.discovery = [{"id": "001788fffe00000" + digit, "internalipaddress": f"10.0.0.{digit}"} for digit in "12"]
    person = Person(answer=pressed.https_url + "\n")
    assert introduce(person, discovery_url=pressed.discovery_url)["bridge_id"] == pressed.bridge_id
    assert person.lines[:2] == ["bridge 001788fffe000001 at 10.0.0.1", "bridge 001788fffe000002 at 10.0.0.2"]
    assert len(person.questions) == 1


def test_without_internet_the_person_is_asked_where_the_bridge_is(pressed: Simulator) -> None:
    person = Person(answer=pressed.https_url)
    assert introduce(person, discovery_url="http://127.0.0.1:9")["bridge_id"] == pressed.bridge_id
    assert person.lines[0].startswith("Could not look up your bridge: 127.0.0.1:9 cannot be reached")


def test_without_internet_a_bridge_that_was_paired_is_asked_at_its_last_address(unpaired: Home, pressed: Simulator) -> None:
    unpaired.write_secrets({"hue": {"bridge_ip": pressed.https_url}})
    assert pair(unpaired).exit_code == 0
    assert yaml.safe_load(unpaired.secrets.read_text())["hue"]["api_key"] in pressed.bridge.keys


def test_without_any_address_the_remedy_is_shown(unpaired: Home) -> None:
    outcome = unpaired.devices("pair", "hue", answer="")
    assert outcome.code == 1
    assert unpaired.as_printed("no bridge was found. Remedy: python devices.py pair hue --bridge ADDRESS") in outcome.err


def test_an_unreachable_address_is_named(simulator: Simulator) -> None:
    simulator.close()
    with pytest.raises(CannotReach, match="127.0.0.1:[0-9]+ cannot be reached: Connection refused"):
        introduce(Person(simulator.https_url))


def test_a_bridge_without_https_is_paired_by_the_remedy(unpaired: Home, pressed: Simulator) -> None:
    outcome = unpaired.devices("pair", "hue", "--bridge", pressed.http_url.replace("http:", "https:"))
    remedy = f"for an old round bridge: python devices.py pair hue --bridge {pressed.http_url}\n"
    assert outcome.code == 1 and outcome.err.endswith(unpaired.as_printed(remedy))


@pytest.mark.parametrize(("status", "content"), [(200, "{}"), (200, "[]"), (200, '{"bridgeid": 7}'), (404, "")])
def test_a_server_without_bridge_id_is_not_paired(status: int, content: str, pressed: Simulator) -> None:
    pressed.faults.add("body", status=status, content=content)
    with pytest.raises(NotUnderstood):
        introduce(Person(pressed.https_url))
    assert registrations(pressed) == 0


@pytest.mark.parametrize("content", ["{}", "[]", "[{}]", '[{"success": {}}]', '[{"success": {"username": 7}}]', "null"])
def test_an_answer_without_a_key_is_not_taken_for_one(content: str, pressed: Simulator) -> None:
    pressed.faults.add("body", content=content, paths=["/api"])
    with pytest.raises(NotUnderstood, match="did not answer with a key"):
        introduce(Person(pressed.https_url))


@pytest.mark.parametrize("address", ["two words", "host:port", "host:99999", "x" * 70, "a..b", "https://[::1",
                                     "host/path", "ftp://host", "user@host"])
def test_an_invalid_address_is_rejected_at_once(address: str, unpaired: Home) -> None:
    result = pair(unpaired, "--bridge", address)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    assert "is no host, host:port, or address" in result.output


def test_an_unknown_source_is_rejected_with_the_known_ones(unpaired: Home) -> None:
    result = CliRunner().invoke(devices.main, ["--config", str(unpaired.config), "pair", "kettle"])
    assert result.exit_code == 2
    assert "'kettle' cannot be paired" in result.output and "hue" in result.output


def test_with_signifys_authority_pairing_and_collecting_rely_on_it(unpaired: Home, pressed: Simulator) -> None:
    unpaired.configure_hue(ca_file=str(pressed.ca_file))
    assert pair(unpaired, "--bridge", pressed.https_url).exit_code == 0
    unpaired.configure_hue(certificate_fingerprint="0" * 64)
    assert unpaired.run().code == 0


def test_with_signifys_authority_an_impostor_is_not_paired(unpaired: Home, simulator: Simulator) -> None:
    with Simulator(tls="self-signed") as impostor:
        impostor.press_link_button()
        unpaired.configure_hue(ca_file=str(simulator.ca_file))
        assert pair(unpaired, "--bridge", impostor.https_url).exit_code == 2
        assert registrations(impostor) == 0


def test_secrets_in_another_encoding_are_rejected_before_the_button_is_pressed(unpaired: Home, pressed: Simulator) -> None:
    unpaired.secrets.write_bytes("# Schlüssel\nhue:\n".encode("latin-1"))
    result = pair(unpaired, "--bridge", pressed.https_url)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    assert "not encoded as UTF-8" in result.output
    assert registrations(pressed) == 0
