"""The configuration and the secrets' example that ship with the project, against what the plug-ins really take."""

import dataclasses
import re
from functools import partial
from pathlib import Path

import config
import publishers
from collectors import amazon_aqm, hue, weather
from runtime import plugins

COLLECTORS = {"amazon_aqm": amazon_aqm, "hue": hue, "weather": weather}
SETTINGS = {name: module.Settings for name, module in COLLECTORS.items()}
DESTINATIONS = {name: publishers.load(name) for name in publishers.names()}
PUBLISHERS = {name: module.Settings for name, module in DESTINATIONS.items()}
SECRETS = {name: module.Secrets for name, module in COLLECTORS.items()}
SECRETS |= {name: module.Secrets for name, module in DESTINATIONS.items() if module.Secrets is not publishers.NoSecrets}
EXAMPLE = config.DEFAULT_PATH.with_name("secrets.yaml.example")


def test_the_shipped_configuration_shows_the_defaults() -> None:
    """Every value of it equals the one that holds without it."""
    shipped = config.load(config.EXAMPLE_PATH, SETTINGS)
    assert vars(shipped.collection) == vars(config.Collection())
    assert vars(shipped.retry) == vars(config.Retry())
    assert shipped.warnings == ()
    assert shipped.collectors == {
        "amazon_aqm": amazon_aqm.Settings(),
        "hue": hue.Settings(ca_file=shipped.root / "config" / "hue-bridge-ca.pem"), "weather": weather.Settings()}


def test_the_shipped_configuration_shows_the_publishers_defaults(tmp_path: Path) -> None:
    example, empty = tmp_path / "example.yaml", tmp_path / "empty.yaml"
    example.write_bytes(config.EXAMPLE_PATH.read_bytes())
    empty.touch()
    assert config.load(example, {}, PUBLISHERS).publishers == config.load(empty, {}, PUBLISHERS).publishers


def test_the_shipped_configuration_shows_every_key() -> None:
    """A key that the file left out would not be found by anyone who reads only the file."""
    text = config.EXAMPLE_PATH.read_text(encoding="utf-8")
    names = [field.name for kind in (*SETTINGS.values(), *PUBLISHERS.values()) for field in dataclasses.fields(kind)]
    assert all(f"\n    {name}: " in text for name in names)
    shared = {f"\n{section}:" for section in (*config.SHARED, "collectors", "publishers")}
    kinds = config.Collection, config.Retry, config.Storage, config.Logging, config.Display
    assert {*kinds} == {*config.SHARED.values()}
    shared |= {f"\n  {field.name}: " for kind in kinds for field in dataclasses.fields(kind)}
    assert {key for key in shared if key not in text} == set()


def test_the_shipped_example_of_secrets_is_valid_and_holds_none() -> None:
    loaded = config.load_secrets(EXAMPLE, SECRETS)
    assert loaded.sections == {name: kind() for name, kind in SECRETS.items()}
    assert (loaded.values, loaded.warnings, loaded.notifiers) == ((), (), {})


def test_the_example_of_secrets_shows_every_key_of_the_sources_and_the_notifiers(tmp_path: Path) -> None:
    """What it shows of notifiers is valid once it is no longer a comment."""
    text = EXAMPLE.read_text(encoding="utf-8")
    top, notifiers = text.split("# email:", 1)
    keys = [field.name for kind in SECRETS.values() for field in dataclasses.fields(kind)]
    assert [key for key in keys if f"\n  {key}: " not in top] == []
    example = tmp_path / "secrets.yaml"
    example.write_text(re.sub("(?m)^# ?", "", f"# email:{notifiers}".replace("# Other", "# # Other")), encoding="utf-8")
    loaded = config.load_secrets(example, {}, partial(plugins.settings_types, "notifiers"))
    assert loaded.notifier_error is None and loaded.warnings == ()
    assert sorted(loaded.notifiers) == plugins.names("notifiers")
    keys = [field.metadata.get("key", field.name) for name in plugins.names("notifiers")
            for field in dataclasses.fields(plugins.load("notifiers", name).Settings)]
    assert [key for key in keys if f" {key}: " not in notifiers] == []
