"""Puts values into secrets.yaml as a careful person would: the rest of the file, comments included, stays as it is.

The text is changed line by line and then read again: where the result does not hold exactly the old values and the new
ones, the file's form is not for us to edit, and a human is shown the lines instead. Nothing here writes a file.
"""

import json
import re
from collections.abc import Mapping

from config.document import PRIVATE, Refused, parse

QUOTED, PLAIN = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""", r"""[^\s#"'](?:(?!\s#).)*"""
VALUE_AND_COMMENT = re.compile(rf"\s*[\w-]+:(?:\s+(?:{QUOTED}|{PLAIN}))?(\s+#.*)?$")


def lines(section: str, values: Mapping[str, str]) -> list[str]:
    """Return the lines that a human would paste into the file."""
    return [f"{section}:", *(_line(name, value, "  ") for name, value in values.items())]


def with_values(text: str, section: str, values: Mapping[str, str]) -> str | None:
    """Given a file's text, return it with these values in that section; None where its form does not allow that."""
    try:
        before = parse(text, PRIVATE)
        old = before.get(section) or {}
        edited = _edited(text, section, values)
        wanted = {**before, section: {**old, **values}} if isinstance(old, dict) else None
        return edited if parse(edited, PRIVATE) == wanted else None
    except Refused:
        return None


def _edited(text: str, section: str, values: Mapping[str, str]) -> str:
    """Replace each value's line within the section's block, or add it at the block's head; add the block at the end."""
    rows = text.splitlines()
    heads = [number for number, row in enumerate(rows) if re.match(rf"{re.escape(section)}:\s*(#.*)?$", row)]
    if not heads:
        return "\n".join([*rows, *([""] if rows else []), *lines(section, values)]) + "\n"
    start, end = heads[0] + 1, _block_end(rows, heads[0] + 1)
    indent = next((found[1] for row in rows[start:end] if (found := re.match(r"(\s+)[^\s#]", row))), "  ")
    block = rows[start:end]
    for name, value in reversed(list(values.items())):
        at = [number for number, row in enumerate(block) if re.match(rf"{indent}{re.escape(name)}:(\s|$)", row)]
        comment = _comment(block[at[0]]) if at else ""
        block[slice(at[0], at[0] + 1) if at else slice(0, 0)] = [_line(name, value, indent) + comment]
    return "\n".join([*rows[:start], *block, *rows[end:]]) + "\n"


def _comment(row: str) -> str:
    """Return the comment behind a value, with the blanks before it; a # within a quoted or plain value is none."""
    found = VALUE_AND_COMMENT.match(row)
    return found[1] or "" if found else ""


def _block_end(rows: list[str], start: int) -> int:
    for number in range(start, len(rows)):
        if re.match(r"[^\s#]", rows[number]):
            return number
    return len(rows)


def _line(name: str, value: str, indent: str) -> str:
    return f"{indent}{name}: {json.dumps(value)}"
