"""The predecessor's keys: moved if they still mean the same, dropped silently if they mean nothing any more."""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import fields
from typing import Any

# The predecessor's names for the retries, in either of two sections.
RETRIED = ("collection", "storage")
RETRIES = {
    "retry_attempts": "max_attempts",
    "retry_max_attempts": "max_attempts",
    "retry_backoff_base": "base_delay_seconds",
    "retry_base_delay": "base_delay_seconds",
    "retry_multiplier": "multiplier",
    "retry_max_delay": "max_delay_seconds",
}
# Old path and new path; an earlier line wins over a later one, the new key over both.
HONOURED = (
    *((f"{section}.{old}", f"retry.{new}") for section in RETRIED for old, new in RETRIES.items()),
    ("collection.collection_interval", "collection.interval_seconds"),
)
GONE = {
    "collection": ("max_timeout",),
    "storage": ("enable_pooling",),
    "logging": ("enable_file_logging", "encoding"),
}
GONE_FROM_COLLECTORS = frozenset({
    "auto_discover", "collection_interval", "fallback_location", "fallback_to_name", "iaq_max", "iaq_min",
    "max_timeout", "retry_attempts", "retry_backoff_base",
})
GONE_COLLECTORS = ("general", "nest", "weather")
GONE_SECTIONS = ("nest", "validation", "weather")

Document = dict[object, object]


def translate(document: Document, collectors: Mapping[str, type[Any] | None]) -> tuple[Document, dict[str, str]]:
    """Return the document with today's keys, and for each value that was moved: its new path to its old one."""
    current = deepcopy(document)
    for name in GONE_SECTIONS:
        current.pop(name, None)
    written = _move(current)
    for name, gone in GONE.items():
        _drop(current.get(name), lambda key: key in gone or name in RETRIED and key.startswith("retry_"))
    sections = current.get("collectors")
    if isinstance(sections, dict):
        _drop(sections, lambda name: name in GONE_COLLECTORS and name not in collectors)
        for name, kind in collectors.items():
            if kind is not None and isinstance(sections.get(name), dict):
                _translate_collector(sections[name], {field.name for field in fields(kind)})
    return current, written


def _drop(section: object, is_gone: Callable[[str], bool]) -> None:
    if isinstance(section, dict):
        for key in [key for key in section if isinstance(key, str) and is_gone(key)]:
            del section[key]


def _translate_collector(section: Document, names: Collection[str]) -> None:
    if section.get("auto_discover") is False and "discovery_url" in names:
        section.setdefault("discovery_url", None)
    _drop(section, lambda key: key not in names and (key in GONE_FROM_COLLECTORS or key.startswith("collect_")))


def _move(current: Document) -> dict[str, str]:
    written: dict[str, str] = {}
    for old, new in HONOURED:
        (old_section, old_key), (section, key) = old.split("."), new.split(".")
        source, target = current.get(old_section), current.get(section)
        if not isinstance(source, dict) or old_key not in source:
            continue
        value = source.pop(old_key)
        if target is None:
            target = current[section] = {}
        if value is not None and isinstance(target, dict) and key not in target:
            target[key] = value
            written[new] = old
    return written
