"""Turns a mapping into a frozen dataclass and collects all problems.

A field has a type (`X | None` if it is optional), a default (for a missing key or null), and in its metadata `range`
(lowest, highest), `choices` and `key` (its name in the file, if Python cannot use that). A relative Path counts from
the folder above config.yaml's. A tuple is a list of texts or sections. An empty text means None if the field is
optional. "3" and 3.0 are no whole numbers.
"""

import dataclasses
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Any, get_args, get_origin

from config.document import PUBLIC, Quoting
from runtime.errors import ConfigurationError
from runtime.plugins import Section

CONTROL_CHARACTERS = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
MISSING = dataclasses.MISSING
NOTHING: Mapping[str, Any] = MappingProxyType({})
WRONG_TYPE = {bool: "is neither true nor false", int: "is not a whole number", float: "is not a number",
              str: "is not text"}


Sections = Mapping[str, type[Section] | None]


class Unfit(Exception):
    """The message is the rest of a sentence that begins with the value."""


class Validator:
    """Validates one file. `written` maps the paths in `problems` to those in the file where they differ."""

    def __init__(self, root: Path, quoting: Quoting = PUBLIC, written: Mapping[str, str] = NOTHING) -> None:
        self.problems: list[str] = []
        self.unknown: list[tuple[str, object, Collection[str]]] = []
        self._root, self._quoting, self._written = root, quoting, written

    def sections(self, kinds: Sections, mapping: Mapping[object, object], prefix: str = "",
                 others: Callable[[], Iterable[str]] = tuple) -> dict[str, Any]:
        """Return the sections whose type is not None; `others`, asked if need be, returns more keys that are allowed."""
        if mapping.keys() - kinds.keys():
            self.note_unknown(mapping, {*kinds, *others()}, prefix)
        return {name: self.section(kind, mapping.get(name), prefix + name)
                for name, kind in kinds.items() if kind is not None}

    def section(self, kind: type[Section], given: object, where: str) -> Any:
        """Return an instance of the dataclass, with defaults for wrong values; None without a default."""
        problem_count = len(self.problems)
        mapping = self.mapping(given, where)
        is_mapping = len(self.problems) == problem_count
        # A section without keys need not be a dataclass.
        fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
        keys = {field.name: field.metadata.get("key", field.name) for field in fields}
        self.note_unknown(mapping, keys.values(), f"{where}.")
        values: dict[str, Any] = {}
        for field in fields:
            default = field.default if field.default_factory is MISSING else field.default_factory()
            values[field.name] = self._root / default if isinstance(default, Path) else default
            key = keys[field.name]
            if default is MISSING and is_mapping and mapping.get(key) in (None, "", []):
                self._report(f"{where}.{key}", "is missing, and there is no default")
            elif key in mapping:
                values[field.name] = self._field(field, mapping[key], values[field.name], f"{where}.{key}")
        if MISSING in values.values():
            return None
        section = kind(**values)
        if len(self.problems) == problem_count:
            for name, sentence in section.problems():
                self._report(f"{where}.{keys.get(name, name)}", sentence)
        return section

    def mapping(self, given: object, where: str) -> dict[object, object]:
        """Return a mapping, an empty one for null or after reporting anything else."""
        if given is None or isinstance(given, dict):
            return given or {}
        self._report(where, f"{self._quoting.value(given)} is not a mapping of keys to values")
        return {}

    def note_unknown(self, mapping: Iterable[object], known: Collection[str], prefix: str) -> None:
        self.unknown.extend((prefix, key, known) for key in mapping if key not in known)

    def warnings(self) -> tuple[str, ...]:
        """Return a sentence for each unknown key."""
        return tuple(f"{self._name(prefix, key)}: unknown key, ignored{self._nearest(key, known)}"
                     for prefix, key, known in self.unknown)

    def refuse_unknown_sections(self, keys: Mapping[str, Collection[str]], secrets: Collection[str]) -> None:
        """Report unknown keys without a prefix. They may be `keys` of a section that are not indented, or `secrets`."""
        for prefix, key, known in self.unknown:
            if not prefix:
                section = next((name for name, fields in keys.items() if key in fields), None)
                hint = f"; it is a key of {section}: indent it below {section}" if section else self._nearest(key, known)
                hint = "; it belongs in secrets.yaml" if key in secrets else hint
                self._report(self._name("", key), f"unknown section{hint}")
        self.unknown = [item for item in self.unknown if item[0]]

    def _name(self, prefix: str, key: object) -> str:
        return f"{prefix}{self._quoting.key(key)}"

    def _nearest(self, key: object, known: Collection[str]) -> str:
        from difflib import get_close_matches  # slow to import, and rarely needed
        nearest = get_close_matches(self._quoting.key(key), list(known), n=1)
        return "".join(f"; did you mean {name}?" for name in nearest)

    def error(self, path: Path, remedy: str) -> ConfigurationError | None:
        return ConfigurationError(path, self.problems, remedy) if self.problems else None

    def _report(self, where: str, sentence: str) -> None:
        self.problems.append(f"{self._written.get(where, where)}: {sentence}")

    def _field(self, field: "dataclasses.Field[Any]", given: object, default: object, where: str) -> object:
        kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        if NoneType in kinds and given in (None, ""):
            return None
        value = MISSING if given is None else self._value(kinds[0], given, field.metadata, where)
        return default if value is MISSING else value

    def _value(self, kind: object, given: object, rules: Mapping[str, Any], where: str) -> object:
        """Return the value in the field's type, or report it and return MISSING."""
        if get_origin(kind) is dict:
            return self._texts(given, where)
        if get_origin(kind) is tuple:
            return self._tuple(get_args(kind)[0], given if isinstance(given, list) else [given], rules, where)
        try:
            return self._root / _path(given) if kind is Path else _convert(kind, given, rules)
        except Unfit as unfit:
            self._report(where, f"{self._quoting.value(given)} {unfit}{_allowed(rules)}")
            return MISSING

    def _tuple(self, kind: type, items: list[object], rules: Mapping[str, Any], where: str) -> object:
        if issubclass(kind, Section):
            values = [self.section(kind, item, f"{where}[{number}]") for number, item in enumerate(items, 1)]
        else:
            values = [self._value(kind, item, rules, where) for item in items]
        return MISSING if None in values or MISSING in values else tuple(values)

    def _texts(self, given: object, where: str) -> dict[object, object]:
        texts = {}
        for key, value in self.mapping(given, where).items():
            name = self._quoting.key(key)
            if not isinstance(key, str):
                self._report(where, f"the key {name} is not text; put it in quotes")
            texts[key] = self._value(str, value, NOTHING, f"{where}.{name}")
        return {key: text for key, text in texts.items() if text is not MISSING}


def _convert(kind: Any, given: Any, rules: Mapping[str, Any]) -> Any:
    if isinstance(given, bool) and kind is not bool or not isinstance(given, (int, float) if kind is float else kind):
        is_plain = kind is str and isinstance(given, bool | int | float)
        raise Unfit(WRONG_TYPE[kind] + ("; put it in quotes" if is_plain else ""))
    if isinstance(given, str) and not given.isprintable() and re.search(CONTROL_CHARACTERS, given):
        raise Unfit("contains a line break or another control character")
    if kind is float and not abs(given) <= sys.float_info.max:
        raise Unfit("is not a finite number")
    if "choices" in rules:
        return _choice(given, rules["choices"])
    lowest, highest = rules.get("range", (given, given))
    if not lowest <= given <= highest:
        raise Unfit("is out of range")
    return float(given) if kind is float else given


def _choice(given: Any, choices: tuple[str, ...]) -> str:
    for choice in choices:
        if choice.casefold() == given.casefold():
            return choice
    raise Unfit("is not one of the choices")


def _path(given: object) -> str:
    text: str = _convert(str, given, NOTHING)
    if not text.strip():
        raise Unfit("is not the name of a file")
    if text.startswith("~"):  # cron, root and a shell must all find the same file
        raise Unfit("begins with ~, which is another folder for each account; write it out")
    return text


def _allowed(rules: Mapping[str, Any]) -> str:
    """Return the end of a problem's sentence."""
    if "range" in rules:
        return "; allowed is {:.12g} to {:.12g}".format(*rules["range"])
    return "; allowed is " + ", ".join(rules["choices"]) if "choices" in rules else ""
