"""The predecessor's keys: accepted, so that a file written for it keeps working.

A key that means the same today is carried to its new place; one whose meaning is gone is taken out in silence. What
stands here is only ever about names: values are checked where they arrive.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields

# What it called the retries, in either section that had some.
RETRIED = ("collection", "storage")
RETRIES = {
    "retry_attempts": "max_attempts",
    "retry_max_attempts": "max_attempts",
    "retry_backoff_base": "base_delay_seconds",
    "retry_base_delay": "base_delay_seconds",
    "retry_multiplier": "multiplier",
    "retry_max_delay": "max_delay_seconds",
}
# Where a value was written and where it belongs; an earlier line wins over a later one, the new key over both.
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
# Its secrets.yaml holds these, whichever of their sources this version reads.
SECRETS = ("hue", "amazon_aqm", "nest", "weather")

Document = dict[object, object]


def translate(document: Document, collectors: Mapping[str, type | None]) -> tuple[Document, dict[str, str]]:
    """Return the document in today's keys, and for each value that was carried: its new path to the one written."""
    current = _without(document, GONE_SECTIONS)
    for name, section in current.items():
        current[name] = _without(section, GONE.get(str(name), ())) if isinstance(section, dict) else section
    sections = current.get("collectors")
    if isinstance(sections, dict):
        current["collectors"] = _collectors(sections, collectors)
    written = _carry(current)
    for name in RETRIED:
        section = current.get(name)
        if isinstance(section, dict):
            current[name] = _without(section, (key for key in section if str(key).startswith("retry_")))
    return current, written


def _without(section: Document, gone: Iterable[object]) -> Document:
    dropped = set(gone)
    return {key: value for key, value in section.items() if key not in dropped}


def _collectors(sections: Document, collectors: Mapping[str, type | None]) -> Document:
    current = _without(sections, set(GONE_COLLECTORS) - set(collectors))
    for name, kind in collectors.items():
        section = current.get(name)
        if kind is not None and isinstance(section, dict):
            current[name] = _collector(section, kind)
    return current


def _collector(section: Document, kind: type) -> Document:
    own = {each.name for each in fields(kind)}
    gone = [key for key in section if key not in own
            and (key in GONE_FROM_COLLECTORS or isinstance(key, str) and key.startswith("collect_"))]
    current = _without(section, gone)
    if section.get("auto_discover") is False and "discovery_url" in own:
        current.setdefault("discovery_url", None)
    return current


def _carry(current: Document) -> dict[str, str]:
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
