"""Turns a mapping into a frozen dataclass and collects all problems.

The dataclass describes its section: each field's type (a Path counts from the folder above config.yaml's), default (for
a missing key or null), and in its metadata `range` (lowest, highest), `choices` and `key` (its name in the file, if
Python cannot use that). An empty text means None where None is allowed. Nothing is converted: "3" and 3.0 are not 3.
"""

import dataclasses
import math
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Protocol, get_args, get_origin

from config.document import PUBLIC, Quoting
from runtime import plugins
from runtime.errors import ConfigurationError

CONTROL_CHARACTERS = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
MISSING = dataclasses.MISSING
NOTHING: Mapping[str, Any] = MappingProxyType({})
WRONG_TYPE = {bool: "is neither true nor false", int: "is not a whole number", float: "is not a number",
              str: "is not text"}


class Section(Protocol):
    """A dataclass for a section."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield fields that are wrong although each value alone is allowed, with a sentence each."""


Sections = Mapping[str, type[Section] | None]


class Unfit(Exception):
    """A value is not allowed. The message is the rest of a sentence that begins with the value."""


class Validator:
    """Validates one file. `problems` name the keys as they are written in it."""

    def __init__(self, root: Path, quoting: Quoting = PUBLIC, written: Mapping[str, str] = NOTHING) -> None:
        self.problems: list[str] = []
        self.unknown: list[tuple[str, object, Collection[str]]] = []
        self._root, self._quoting, self._written = root, quoting, written

    def group(self, kinds: Sections, given: object, where: str) -> dict[str, Any]:
        """Return the sections of plug-ins whose type is not None; those of further plug-ins are not looked at."""
        mapping = self.mapping(given, where)
        if mapping.keys() - kinds.keys():
            self.note_unknown(mapping, {*kinds, *plugins.names(where)}, f"{where}.")
        return {name: self.section(kind, mapping.get(name), f"{where}.{name}")
                for name, kind in kinds.items() if kind is not None}

    def section(self, kind: type[Section], given: object, where: str) -> Any:
        """Return an instance of the dataclass, with defaults for wrong values; None without a default."""
        problem_count = len(self.problems)
        fields: tuple[dataclasses.Field[Any], ...] = (
            dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ())  # none: a section without keys
        by_key = {field.metadata.get("key", field.name): field for field in fields}
        mapping = self.mapping(given, where)
        if len(self.problems) > problem_count:
            values = {field.name: self._default(field) for field in fields}
        else:
            self.note_unknown(mapping, by_key, f"{where}.")
            values = {field.name: self._field(field, mapping.get(key, MISSING), f"{where}.{key}")
                      for key, field in by_key.items()}
        if MISSING in values.values():
            return None
        section = kind(**values)
        if len(self.problems) == problem_count:
            keys = {field.name: key for key, field in by_key.items()}
            for name, sentence in section.problems():
                self._report(f"{where}.{keys.get(name, name)}", sentence)
        return section

    def mapping(self, given: object, where: str) -> dict[object, object]:
        """Return a mapping; null counts as an empty one."""
        if given is None or isinstance(given, dict):
            return given or {}
        self._report(where, f"{self._quoting.value(given)} is not a mapping of keys to values")
        return {}

    def note_unknown(self, mapping: Iterable[object], known: Collection[str], prefix: str = "") -> None:
        self.unknown.extend((prefix, key, known) for key in mapping if key not in known)

    def warnings(self) -> tuple[str, ...]:
        """Return a sentence for each unknown key."""
        sentences = []
        for prefix, key, known in self.unknown:
            from difflib import get_close_matches  # slow to import, and rarely needed
            name = self._quoting.key(key)
            hint = "".join(f"; did you mean {nearest}?" for nearest in get_close_matches(name, list(known), n=1))
            sentences.append(f"{prefix}{name}: unknown key, ignored{hint}")
        return tuple(sentences)

    def error(self, path: Path, remedy: str) -> ConfigurationError | None:
        """Return all problems as one error."""
        return ConfigurationError(path, self.problems, remedy) if self.problems else None

    def _report(self, where: str, sentence: str) -> None:
        self.problems.append(f"{self._written.get(where, where)}: {sentence}")

    def _field(self, field: "dataclasses.Field[Any]", given: object, where: str) -> object:
        kind, is_optional = _unwrap(field.type)
        default = self._default(field)
        if default is MISSING and given in (MISSING, None, "", []):
            self._report(where, "is missing, and there is no default")
            return MISSING
        if is_optional and (given is None or given == ""):
            return None
        if given is MISSING or given is None:
            return default
        value = self._value(kind, given, field.metadata, where)
        return default if value is MISSING else value

    def _default(self, field: "dataclasses.Field[Any]") -> object:
        default = field.default if field.default_factory is MISSING else field.default_factory()
        return self._root / default if isinstance(default, Path) else default

    def _value(self, kind: object, given: object, rules: Mapping[str, Any], where: str) -> object:
        """Return the value in the field's type, or report it and return MISSING."""
        if get_origin(kind) is dict:
            return self._texts(given, where)
        if get_origin(kind) is tuple:
            values = [self._value(str, item, rules, where) for item in (given if isinstance(given, list) else [given])]
            return MISSING if MISSING in values else tuple(values)
        try:
            return self._root / _path(given) if kind is Path else _convert(kind, given, rules)
        except Unfit as unfit:
            self._report(where, f"{self._quoting.value(given)} {unfit}{_allowed(rules)}")
            return MISSING

    def _texts(self, given: object, where: str) -> dict[object, object]:
        texts = {}
        for key, value in self.mapping(given, where).items():
            name = self._quoting.key(key)
            if not isinstance(key, str):
                self._report(where, f"the key {name} is not text; put it in quotes")
            texts[key] = self._value(str, value, NOTHING, f"{where}.{name}")
        return {key: text for key, text in texts.items() if text is not MISSING}


def _unwrap(kind: object) -> tuple[object, bool]:
    """Given `X | None` or `X`, return X and whether None is allowed."""
    if kind in WRONG_TYPE:
        return kind, False
    kinds = [argument for argument in get_args(kind) if argument is not NoneType]
    is_optional = NoneType in get_args(kind)
    return (kinds[0] if is_optional else kind), is_optional


def _convert(kind: Any, given: object, rules: Mapping[str, Any]) -> object:
    value = _plain(kind, given)
    if "choices" in rules:
        return _choice(value, rules["choices"])
    lowest, highest = rules.get("range", (value, value))
    if not lowest <= value <= highest:
        raise Unfit("is out of range")
    return value


def _plain(kind: Any, given: Any) -> Any:
    if isinstance(given, bool) and kind is not bool or not isinstance(given, (int, float) if kind is float else kind):
        is_plain = kind is str and isinstance(given, bool | int | float)
        raise Unfit(WRONG_TYPE[kind] + ("; put it in quotes" if is_plain else ""))
    if isinstance(given, str) and not given.isprintable() and re.search(CONTROL_CHARACTERS, given):
        raise Unfit("contains a line break or another control character")
    if kind is not float:
        return given
    try:
        if math.isfinite(given):
            return float(given)
    except OverflowError:
        pass
    raise Unfit("is not a finite number")


def _allowed(rules: Mapping[str, Any]) -> str:
    """Return the end of a problem's sentence."""
    if "range" in rules:
        return "; allowed is {} to {}".format(*(f"{limit:f}".rstrip("0").rstrip(".") for limit in rules["range"]))
    return "; allowed is " + ", ".join(map(str, rules["choices"])) if "choices" in rules else ""


def _path(given: object) -> str:
    text: str = _plain(str, given)
    if not text.strip():
        raise Unfit("is not the name of a file")
    # Cron, root and a shell must all find the same file.
    if text.startswith("~"):
        raise Unfit("begins with ~, which is another folder for each account; write it out")
    return text


def _choice(value: object, choices: tuple[object, ...]) -> object:
    for choice in choices:
        if str(choice).casefold() == str(value).casefold():
            return choice
    raise Unfit("is not one of the choices")
