"""Aligns the columns of a table on a terminal, in any script."""

import unicodedata
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines, each cell as wide as the widest of its column."""
    widths = [max(map(columns, column)) for column in zip(*rows)]
    return ["  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def columns(text: str) -> int:
    """Return how many columns a text takes: combining marks take none, wide characters two."""
    return sum(0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
               for character in text)
