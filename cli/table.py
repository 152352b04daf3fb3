"""How a table is shown on terminals of any width, in any script."""

import shutil
import sys
from collections.abc import Sequence

import click

from runtime.log import escape_unprintable
from runtime.tables import aligned, columns

Rows = Sequence[Sequence[str]]


def show(rows: Rows, below: Sequence[int] = ()) -> None:
    """Print a table, its headings first, in as many columns as the terminal has; see `fitted`."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in fitted([[escape_unprintable(cell) for cell in row] for row in rows], width, below):
        click.echo(line)


def fitted(rows: Rows, width: int | None, below: Sequence[int] = ()) -> list[str]:
    """Return a table as lines of at most that many columns, if that can be done at all; None sets no limit.

    Where it is too wide, the cells of the columns `below` stand below their row; where that does not help, each row
    becomes a paragraph.
    """
    for lines in (aligned(rows), _folded(rows, below)):
        if width is None or max(map(columns, lines)) <= width:
            return lines
    headings, *others = rows
    paragraphs = (["", *aligned(list(zip(headings, row)))] for row in others)
    return [line for paragraph in paragraphs for line in paragraph][1:]


def _folded(rows: Rows, below: Sequence[int]) -> list[str]:
    upper = aligned([[cell for number, cell in enumerate(row) if number not in below] for row in rows])
    lower = [f"    {line}" for line in aligned([[row[number] for number in below] for row in rows])]
    return [line for pair in zip(upper, lower) for line in pair]
