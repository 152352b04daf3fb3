"""The predecessor's device_registry.yaml: what people called their devices, read beside config.yaml."""

from pathlib import Path

import pytest

import config
from config.legacy import NamedDevice, known_devices


def devices(house: Path, text: str) -> list[NamedDevice]:
    """Write the text as device_registry.yaml and return the devices it names."""
    (house / "config" / "device_registry.yaml").write_text(text, encoding="utf-8")
    return known_devices(house / "config" / "config.yaml")


@pytest.mark.parametrize("head", ["", "devices:\n"])
def test_names_and_places_are_read_by_id_with_or_without_a_heading(head: str, house: Path) -> None:
    indent = "  " if head else ""
    text = head + "".join(indent + line + "\n" for line in (
        'hue:00:17:88:01:02:03:04:05-02-0402: {name: Larder, location: Cellar, device_type: hue_sensor}',
        '"alexa:G123": {location: Küche}'))
    assert devices(house, text) == [
        NamedDevice("hue:00:17:88:01:02:03:04:05-02-0402", "hue_sensor", "Larder", "Cellar"),
        NamedDevice("alexa:G123", None, None, "Küche")]


def test_no_file_names_no_device(house: Path) -> None:
    assert known_devices(house / "config" / "config.yaml") == []


@pytest.mark.parametrize("text", ["", "devices:\n", "devices: []\n", "devices: text\n", "version: 1\n",
                                  "a: {name: B}\n", "00:17:88:01:02:03:04:05-02-0402: {name: B}\n",
                                  "ec:b5:fa:01: {name: B}\n", "':x': {name: B}\n", "'hue:': {name: B}\n",
                                  "'hue:1': text\n", "'hue:1': [name, B]\n", "'hue:1':\n"])
def test_other_entries_are_left_out(text: str, house: Path) -> None:
    assert devices(house, text) == []


@pytest.mark.parametrize("value", ["''", "'  '", "null", "7", "true", "[Larder]", "{a: b}"])
def test_an_invalid_name_is_none(value: str, house: Path) -> None:
    text = f"'hue:1': {{name: {value}, location: Cellar}}"
    assert devices(house, text) == [NamedDevice("hue:1", None, None, "Cellar")]


@pytest.mark.parametrize("text", ["a: b: c\n", "- a\n", "'hue:1': {}\n'hue:1': {}\n", "a: &x {}\n"])
def test_an_unreadable_file_is_an_error_with_two_remedies(text: str, house: Path) -> None:
    with pytest.raises(config.ConfigurationError) as caught:
        devices(house, text)
    assert "device_registry.yaml" in str(caught.value)
    assert "or remove it" in caught.value.remedy


def test_the_file_is_left_as_it_is(house: Path) -> None:
    text = "'hue:1': {name: Larder}  # ours\n"
    devices(house, text)
    assert (house / "config" / "device_registry.yaml").read_text(encoding="utf-8") == text
