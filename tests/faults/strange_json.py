"""Strategies for hypothesis that make strange JSON, and a writer for what json.dumps would refuse.

A document is made strange by replacing, dropping or doubling some of its parts.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

NAMES = ("a\n2026-11-22T00:55:00+0000 CRITICAL hue cycle forged", "\x1b[2J\x1b]0;owned\x07",
         "'; DROP TABLE readings; --", "%s%n{}{0}", "\r\x00\x85\u2028\u202e", '"quoted"\\', "\ud800", "\ud83d\ude00",
         "n" * 10_000, "21.5", "true", "none", "../../etc/passwd", "<form action=/ap/signin>", "2026-11-22T00:54:00",
         "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00+23:59", "2026-11-22T00:54:00-24:00", "2026-W47-7",
         "FORBIDDEN", "OK", "CELSIUS")


@dataclass(frozen=True)
class Literal:
    """Text to write as it is, JSON or nearly so."""

    text: str


class Twice(list[Any]):
    """Several values for the same key of an object."""


LITERALS = [Literal(each) for each in (
    "NaN", "-Infinity", "1e999", "-1e999", "1e-400", "-0", "-0.0", "9" * 400, "-" + "9" * 400, "1" + "0" * 5000,
    "0." + "3" * 5000, "1E+2", "9223372036854775808", "-9223372036854775809", '"\\ud800"', "[" * 300 + "]" * 300)]
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10 ** 400), 10 ** 400)
TEXTS = st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=()), max_size=20)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from(LITERALS)
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
                        max_leaves=8)
MOSTLY_LEAVES = st.one_of(LEAVES, LEAVES, ANYTHING)


def written(document: object) -> str:
    """Return a document as JSON, strange parts included."""
    if isinstance(document, Literal):
        return document.text
    if isinstance(document, dict):
        pairs = [(name, each) for name, value in document.items()
                 for each in (value if isinstance(value, Twice) else [value])]
        return "{" + ",".join(f"{json.dumps(name)}:{written(each)}" for name, each in pairs) + "}"
    if isinstance(document, list):
        return "[" + ",".join(map(written, document)) + "]"
    if isinstance(document, int) and not isinstance(document, bool):
        return format(document) if abs(document) < 10 ** 4000 else "1" + "0" * 4000
    return json.dumps(document)


@st.composite
def made_strange(draw: st.DrawFn, document: Any, most: int = 6) -> Any:
    """Return the document with one to `most` of its parts replaced by anything, dropped, or doubled.

    Parts that become values or names are chosen more often than others.
    """
    for _ in range(draw(st.integers(1, most))):
        paths = sorted(_paths(document), key=_counts, reverse=True)
        path = draw(st.sampled_from([path for path in paths for _ in range(10 if _counts(path) else 1)]))
        document = _changed(draw, document, path)
    return document


def _paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of a document's parts, its own included."""
    yield path
    inner = document.items() if type(document) is dict else enumerate(document) if type(document) is list else ()
    for name, value in inner:
        yield from _paths(value, (*path, name))


def _counts(path: tuple[Any, ...]) -> bool:
    return bool(path) and path[-1] in ("temperature", "value", "name", "text", "uniqueid", "battery", "lastupdated",
                                       "timeOfSample", "type")


def _changed(draw: st.DrawFn, document: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return draw(MOSTLY_LEAVES)
    parts = dict(document) if type(document) is dict else list(document)
    if len(path) > 1:
        parts[path[0]] = _changed(draw, parts[path[0]], path[1:])
        return parts
    deed = draw(st.sampled_from(["replace", "replace", "drop", "double"]))
    if deed == "drop":
        del parts[path[0]]
    elif deed == "double" and type(parts) is dict:
        parts[path[0]] = Twice([parts[path[0]], draw(MOSTLY_LEAVES)])
    else:
        parts[path[0]] = draw(MOSTLY_LEAVES)
    return parts


def numbers(document: object) -> Iterator[float]:
    """Yield the finite numbers in a document, without True and False."""
    if isinstance(document, dict):
        for value in document.values():
            yield from numbers(value)
    elif isinstance(document, list):
        for value in document:
            yield from numbers(value)
    elif isinstance(document, Literal):
        yield from numbers(_read(document.text))
    elif isinstance(document, int | float) and not isinstance(document, bool):
        try:
            value = float(document)
        except OverflowError:
            return
        if math.isfinite(value):
            yield value


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
