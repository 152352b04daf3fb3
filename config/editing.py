"""Puts values into the text of secrets.yaml, line by line, and leaves the rest, comments included, as it is."""

import json
import re
from collections.abc import Mapping

from config.document import PRIVATE, Refused, parse

QUOTED, PLAIN = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""", r"""[^\s#"'](?:(?!\s#).)*"""
VALUE_AND_COMMENT = re.compile(rf"\s*[\w-]+:(?:\s+(?:{QUOTED}|{PLAIN}))?(\s+#.*)?$")


def lines(section: str, values: Mapping[str, str | None]) -> list[str]:
    return [f"{section}:", *(_line(name, value, "  ") for name, value in values.items())]


def with_values(text: str, section: str, values: Mapping[str, str | None]) -> str | None:
    """Return a file's text with these values in the section, or None if it would not parse to just the old and new ones."""
    try:
        before = parse(text, PRIVATE)
        old = before.get(section) or {}
        edited = _edit(text, section, values)
        wanted = {**before, section: {**old, **values}} if isinstance(old, dict) else None
        return edited if parse(edited, PRIVATE) == wanted else None
    except Refused:
        return None


def _edit(text: str, section: str, values: Mapping[str, str | None]) -> str:
    """Replace each value's line in the section's block, or insert it at the top; append a missing block."""
    rows = text.splitlines()
    heads = [number for number, row in enumerate(rows) if re.match(rf"{re.escape(section)}:\s*(#.*)?$", row)]
    if not heads:
        return "\n".join([*rows, *([""] if rows else []), *lines(section, values)]) + "\n"
    start = heads[0] + 1
    end = next((number for number in range(start, len(rows)) if re.match(r"[^\s#]", rows[number])), len(rows))
    block = rows[start:end]
    indent = next((match[1] for row in block if (match := re.match(r"(\s+)[^\s#]", row))), "  ")
    for name, value in reversed(list(values.items())):
        old = next((row for row in block if re.match(rf"{indent}{re.escape(name)}:(\s|$)", row)), None)
        if old is None:
            block.insert(0, _line(name, value, indent))
        else:
            match = VALUE_AND_COMMENT.match(old)
            block[block.index(old)] = _line(name, value, indent) + (match[1] or "" if match else "")
    return "\n".join([*rows[:start], *block, *rows[end:]]) + "\n"


def _line(name: str, value: str | None, indent: str) -> str:
    return f"{indent}{name}: {json.dumps(value)}"
