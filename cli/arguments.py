"""What a person types after a command, checked before anything is done; and what they answer when they are asked."""

import math
import re
import sys
from datetime import timedelta

import click

from runtime.formats import TEXT_LIMIT, one_line
from runtime.log import escape_unprintable

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LARGEST_OFFSET = 20.0  # kelvin: whatever is further off is broken, or was meant as a temperature


def words(value: str) -> str:
    """Return a name or a place as one printable line. Raise BadParameter where not all of it could be kept."""
    text = one_line(value)
    if text is None:
        raise click.BadParameter("there is no character in it that could be printed")
    if len(value.strip()) > TEXT_LIMIT:
        raise click.BadParameter(f"it has {len(value.strip())} characters, and {TEXT_LIMIT} are the most")
    return text


def span(value: str) -> timedelta:
    """Return a time back from now: 90m, 24h, 7d, 2w. Raise BadParameter for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhdw])", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no time such as 90m, 24h, 7d or 2w")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def degrees(value: str) -> float:
    """Return a correction in degrees Celsius, given with a point or a comma. Raise BadParameter for anything else."""
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST_OFFSET:
        raise click.BadParameter(f"{value!r} is no number from -{LARGEST_OFFSET:g} to {LARGEST_OFFSET:g}")
    return round(number, 2)


def ask(question: str) -> str:
    """Return the line that the person answers with; empty where there is nobody to answer."""
    click.echo(escape_unprintable(question), err=True, nl=False)
    if sys.stdin.isatty():
        import readline  # noqa: F401  # a terminal without it cuts a pasted address at 1024 characters
        try:
            return input()
        except EOFError:
            return ""
    return sys.stdin.readline()
