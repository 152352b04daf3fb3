"""Turns one value as YAML has it into what a field wants, or says why it cannot.

Nothing is guessed: a number in quotes is text, true is no number, 3.0 is no whole number.
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Unfit(Exception):
    """Why a value cannot be taken: the rest of the sentence that begins with the value."""


def convert(kind: object, given: object, rules: Mapping[str, Any], root: Path) -> object:
    """Given a field's type and metadata, return the value as that type, a path as an absolute one. Raise Unfit."""
    if is_path(kind, rules):
        return root / _path(given)
    value = CONVERTERS[kind](given)
    if "choices" in rules:
        return _chosen(value, rules["choices"])
    lowest, highest = rules.get("range", (value, value))
    if not lowest <= value <= highest:
        raise Unfit("is out of range")
    return value


def is_path(kind: object, rules: Mapping[str, Any]) -> bool:
    """Tell whether a field holds the path of a file."""
    return kind is Path or bool(rules.get("path"))


def allowed(rules: Mapping[str, Any]) -> str:
    """Return what a problem's sentence ends with: the range or the choices, if there are any."""
    if "range" in rules:
        return "; allowed is {} to {}".format(*(f"{limit:f}".rstrip("0").rstrip(".") for limit in rules["range"]))
    return "; allowed is " + ", ".join(map(str, rules["choices"])) if "choices" in rules else ""


def _truth(given: object) -> bool:
    if not isinstance(given, bool):
        raise Unfit("is neither true nor false")
    return given


def _whole(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise Unfit("is not a whole number")
    return given


def _number(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise Unfit("is not a number")
    try:
        converted = float(given)
    except OverflowError:
        converted = math.inf
    if not math.isfinite(converted):
        raise Unfit("is not a finite number")
    return converted


def _text(given: object) -> str:
    if isinstance(given, bool | int | float):
        raise Unfit("is not text; put it in quotes")
    if not isinstance(given, str):
        raise Unfit("is not text")
    if not given.isprintable() and CONTROL_CHARACTERS.search(given):
        raise Unfit("holds a line break or another control character")
    return given


def _path(given: object) -> str:
    text = _text(given)
    if not text.strip():
        raise Unfit("names no file")
    # Cron, root and a shell must all find the same file.
    if text.startswith("~"):
        raise Unfit("begins with ~, which is another folder for each account; write it out")
    return text


def _chosen(value: object, choices: tuple[object, ...]) -> object:
    for choice in choices:
        if str(choice).casefold() == str(value).casefold():
            return choice
    raise Unfit("is not one of the choices")


CONVERTERS: Mapping[object, Callable[[object], Any]] = {bool: _truth, int: _whole, float: _number, str: _text}
