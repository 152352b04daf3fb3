"""The predecessor's config.yaml, and its device_registry.yaml with the names and places that people gave to devices."""

import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from config.document import read

DEVICES = "device_registry.yaml"
# A word of three letters or more: a bare hardware address (00:17:88:…, ec:b5:fa:…) begins with two digits.
DEVICE_ID = re.compile(r"[a-z][a-z_]{2,}:\S.*")
RETRIES = {"retry_attempts": "max_attempts", "retry_max_attempts": "max_attempts", "retry_multiplier": "multiplier",
           "retry_backoff_base": "base_delay_seconds", "retry_base_delay": "base_delay_seconds",
           "retry_max_delay": "max_delay_seconds"}
# Old section and key, new section and key; an earlier line wins over a later one, the new key over both.
MOVED = (
    *((section, old, "retry", new) for section in ("collection", "storage") for old, new in RETRIES.items()),
    ("collection", "collection_interval", "collection", "interval_seconds"),
)
# Patterns of keys that mean nothing any more.
GONE = {"collection": "max_timeout|retry_.*", "storage": "enable_pooling|retry_.*",
        "logging": "enable_file_logging|encoding"}
GONE_FROM_COLLECTORS = ("auto_discover|collect_.*|collection_interval|fallback_location|fallback_to_name|iaq_max|iaq_min"
                        "|max_timeout|retry_attempts|retry_backoff_base")

Document = dict[object, object]


class NamedDevice(NamedTuple):
    device_id: str  # hue:… or alexa:…
    device_type: str | None
    name: str | None
    location: str | None


def known_devices(path: Path) -> list[NamedDevice]:
    """Return the devices in the file beside config.yaml, given the latter's path. Raise ConfigurationError."""
    file = path.with_name(DEVICES)
    document = read(file, f"correct {file}, or remove it to go on without the names in it") or {}
    entries = document.get("devices", document)
    if not isinstance(entries, dict):
        return []
    return [NamedDevice(key, _text(entry, "device_type"), _text(entry, "name"), _text(entry, "location"))
            for key, entry in entries.items()
            if isinstance(entry, dict) and isinstance(key, str) and DEVICE_ID.fullmatch(key)]


def translate(document: Document, collectors: Mapping[str, type[Any] | None]) -> dict[str, str]:
    """Change config.yaml's keys to today's; return for each value that was moved its new path and its old one."""
    _drop(document, "nest|validation|weather")
    written = {}
    for old_section, old_key, section, key in MOVED:
        source, target = document.get(old_section), document.get(section)
        if not isinstance(source, dict) or old_key not in source:
            continue
        value = source.pop(old_key)
        if target is None:
            target = document[section] = {}
        if value is not None and isinstance(target, dict) and key not in target:
            target[key] = value
            written[f"{section}.{key}"] = f"{old_section}.{old_key}"
    for name, gone in GONE.items():
        _drop(document.get(name), gone)
    sections = document.get("collectors")
    _drop(sections, "general|nest|weather", kept=collectors)
    for name, kind in collectors.items():
        if kind is not None and isinstance(sections, dict):
            _translate_collector(sections.get(name), {field.name for field in fields(kind)})
    return written


def _translate_collector(section: object, names: Collection[str]) -> None:
    if isinstance(section, dict) and section.get("auto_discover") is False and "discovery_url" in names:
        section.setdefault("discovery_url", None)
    _drop(section, GONE_FROM_COLLECTORS, kept=names)


def _drop(section: object, gone: str, kept: Collection[str] = ()) -> None:
    if isinstance(section, dict):
        for key in [key for key in section if isinstance(key, str) and re.fullmatch(gone, key) and key not in kept]:
            del section[key]


def _text(entry: Document, name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) and value.strip() else None
