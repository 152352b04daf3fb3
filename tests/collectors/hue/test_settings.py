"""The Hue sections of the files that ship with the project."""

from dataclasses import replace

import config
from collectors.hue import Secrets, Settings

SECRETS_EXAMPLE = config.DEFAULT_PATH.with_name("secrets.yaml.example")


def test_the_shipped_configuration_shows_every_key_with_its_default() -> None:
    loaded = config.load(config.DEFAULT_PATH, {"hue": Settings})
    assert loaded.warnings == ()
    assert loaded.collectors["hue"] == replace(Settings(), ca_file=loaded.root / "config" / "hue-bridge-ca.pem")
    text = config.DEFAULT_PATH.read_text(encoding="utf-8")
    assert all(f"\n    {name}: " in text for name in vars(Settings()))


def test_the_shipped_example_of_secrets_is_valid_and_holds_none() -> None:
    loaded = config.load_secrets(SECRETS_EXAMPLE, {"hue": Secrets})
    assert (loaded.sections["hue"], loaded.values, loaded.warnings) == (Secrets(), (), ())
