"""The sections of plug-ins: publishers in config.yaml, notifiers in secrets.yaml."""

from dataclasses import dataclass
from pathlib import Path

import pytest

import config
from collectors import NoSecrets


@dataclass(frozen=True)
class Broker(NoSecrets):
    port: int = 1883


@dataclass(frozen=True)
class Webhook(NoSecrets):
    url: str


def write(house: Path, name: str, text: str) -> Path:
    path = house / "config" / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_publishers_section_is_loaded(house: Path) -> None:
    path = write(house, "config.yaml", "publishers: {mqtt: {port: 8883}}")
    assert config.load(path, {}, {"mqtt": Broker}).publishers == {"mqtt": Broker(8883)}
    write(house, "config.yaml", "publishers: {mqtt: {port: x}}")
    loaded = config.load(path, {})
    assert (loaded.publishers, loaded.warnings) == ({}, ())  # not even checked unless asked for


def test_wrong_and_unknown_keys_of_a_publisher_are_named_with_their_path(house: Path) -> None:
    path = write(house, "config.yaml", "publishers: {mqtt: {port: x, prot: 1}, mqqt: {}}")
    configuration, error = config.survey(path, {}, {"mqtt": Broker})
    assert error is not None and error.problems == ("publishers.mqtt.port: 'x' is not a whole number",)
    assert [warning.split(":")[0] for warning in configuration.warnings] == ["publishers.mqqt", "publishers.mqtt.prot"]


@pytest.mark.parametrize(("text", "urls"), [
    ("{webhook: {url: a}}", ["a"]), ("{webhook: [{url: a}, {url: b}]}", ["a", "b"]), ("{webhook: null}", []),
    ("{webhook: []}", []), ("null", [])])
def test_a_notifier_has_one_section_or_a_list_of_them(text: str, urls: list[str], house: Path) -> None:
    path = write(house, "secrets.yaml", f"notify: {text}")
    notifiers = config.load_secrets(path, {}, lambda: {"webhook": lambda: Webhook}).notifiers
    assert [settings.url for settings in notifiers.get("webhook", ())] == urls


def test_a_notifier_without_a_section_is_not_imported(house: Path) -> None:
    def load_type() -> type[Webhook]:
        raise AssertionError

    path = write(house, "secrets.yaml", "email: null\nnotify: {other: {}}")
    secrets = config.load_secrets(path, {}, lambda: {"webhook": load_type, "email": load_type})
    assert (secrets.notifiers, secrets.warnings) == ({}, ("notify.other: unknown key, ignored",))


def test_problems_of_notifiers_are_named_with_their_path(house: Path) -> None:
    path = write(house, "secrets.yaml", "notify: {webhook: [{url: a}, {}, b]}")
    secrets = config.load_secrets(path, {}, lambda: {"webhook": lambda: Webhook})
    assert [settings.url for settings in secrets.notifiers["webhook"]] == ["a"]
    assert secrets.notifier_error is not None and secrets.notifier_error.problems == (
        "notify.webhook[2].url: is missing, and there is no default",
        "notify.webhook[3]: the value is not a mapping of keys to values")
