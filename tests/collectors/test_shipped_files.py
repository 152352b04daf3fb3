"""The configuration and the secrets' example that ship with the project, against what the collectors really take."""

import dataclasses

import config
from collectors import amazon_aqm, hue, weather

COLLECTORS = {"amazon_aqm": amazon_aqm, "hue": hue, "weather": weather}
SETTINGS = {name: module.Settings for name, module in COLLECTORS.items()}
SECRETS = {name: module.Secrets for name, module in COLLECTORS.items()}
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


def test_the_shipped_configuration_shows_every_key() -> None:
    """A key that the file left out would not be found by anyone who reads only the file."""
    text = config.EXAMPLE_PATH.read_text(encoding="utf-8")
    names = [field.name for kind in SETTINGS.values() for field in dataclasses.fields(kind)]
    assert all(f"\n    {name}: " in text for name in names)


def test_the_shipped_example_of_secrets_is_valid_and_holds_none() -> None:
    loaded = config.load_secrets(EXAMPLE, SECRETS)
    assert loaded.sections == {name: kind() for name, kind in SECRETS.items()}
    assert (loaded.values, loaded.warnings, loaded.notifiers) == ((), (), {})
