"""The types of command-line arguments, and a question to the person. The types raise BadParameter."""

import re
import sys
from datetime import timedelta

import click

from runtime.formats import TEXT_LIMIT, finite_number, one_line
from runtime.log import escape_unprintable

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LARGEST_OFFSET = 20.0  # kelvin: a sensor that is further off is broken, or a temperature was given


def text_type(value: str) -> str:
    """Return a name or a place as one printable line of which nothing is cut off."""
    text = one_line(value)
    if text is None:
        raise click.BadParameter("it has no printable character")
    if len(value.strip()) > TEXT_LIMIT:
        raise click.BadParameter(f"it has {len(value.strip())} characters; at most {TEXT_LIMIT} are allowed")
    return text


def duration_type(value: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhdw])", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not a duration such as 90m, 24h, 7d or 2w")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def offset_type(value: str) -> float:
    """Return a correction in kelvin, given with a point or a comma."""
    try:
        offset = finite_number(float(value.replace(",", ".")))
    except ValueError:
        offset = None
    if offset is None or abs(offset) > LARGEST_OFFSET:
        raise click.BadParameter(f"{value!r} is not a number from -{LARGEST_OFFSET:g} to {LARGEST_OFFSET:g}")
    return round(offset, 2)


def ask(question: str) -> str:
    """Return the answer; empty if there is no one to answer."""
    click.echo(escape_unprintable(question), err=True, nl=False)
    if sys.stdin.isatty():
        import readline  # noqa: F401  # without it a terminal cuts a pasted address at 1024 characters
        try:
            return input()
        except EOFError:
            return ""
    return sys.stdin.readline()
