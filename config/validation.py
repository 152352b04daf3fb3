"""Turns a mapping into a frozen dataclass, collecting everything that is wrong with it instead of stopping.

The dataclass says it all: a field's type what is taken, its default what holds where the file is silent or says null,
its metadata what is allowed. An empty text stands for no value where a field may have none.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, get_args, get_origin

from config.problems import ConfigurationError, named, shown, unknown
from config.values import Unfit, allowed, convert, is_path

MISSING = dataclasses.MISSING
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Inspection:
    """One file's check: its problems and warnings so far, each with the path that the human wrote."""

    def __init__(self, root: Path, written: Mapping[str, str] = NOTHING, private: bool = False) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._root = root
        self._written = written
        self._private = private

    def section(self, kind: type[Any], given: object, where: str) -> Any:
        """Return an instance of the dataclass; what is wrong is among the problems then, and has its default here.

        Without a default for it there is no instance: None.
        """
        fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()  # a section that has no keys
        known = {each.metadata.get("key", each.name): each for each in fields}
        before = len(self.problems)
        mapping, values = self.mapping(given, where), {}
        if len(self.problems) == before:
            self.note_unknown(mapping, known, f"{where}.")
            values = {each.name: self._field(each, mapping.get(key, MISSING), f"{where}.{key}")
                      for key, each in known.items()}
        if len(self.problems) > before:
            given_up = {each.name: self._default(each) for each in known.values() if values.get(each.name) is None}
            return None if MISSING in given_up.values() else kind(**values | given_up)
        made = kind(**values)
        keys = {each.name: key for key, each in known.items()}
        for name, sentence in getattr(made, "problems", tuple)():
            self._report(f"{where}.{keys.get(name, name)}", sentence)
        return made

    def mapping(self, given: object, where: str) -> dict[object, object]:
        """Return what should be a mapping as one; nothing at all counts as an empty one."""
        if given is None or isinstance(given, dict):
            return given or {}
        self._report(where, f"{self._shown(given)} stands where keys and values are expected")
        return {}

    def note_unknown(self, mapping: Iterable[object], known: Iterable[str], prefix: str = "") -> None:
        """Warn of each key that is not among the known ones."""
        names = tuple(known)
        for key in mapping:
            if key not in names:
                self.warnings.append(f"{prefix}{named(key, self._private)}: {unknown(key, names, self._private)}")

    def verdict(self, path: Path, remedy: str) -> ConfigurationError | None:
        """Return all problems as one error, None if there is none."""
        return ConfigurationError(path, self.problems, remedy) if self.problems else None

    def _report(self, where: str, sentence: str) -> None:
        self.problems.append(f"{self._written.get(where, where)}: {sentence}")

    def _shown(self, value: object) -> str:
        return "the value" if self._private else shown(value)

    def _field(self, each: "dataclasses.Field[Any]", given: object, where: str) -> object:
        kind, optional = _unwrapped(each.type)
        default = self._default(each)
        if default is MISSING and given in (MISSING, None, "", []):
            self._report(where, "is missing, and there is no default")
            return None
        if optional and (given is None or given == ""):
            return None
        if given is not MISSING and given is not None:
            return self._value(kind, given, each.metadata, where)
        return default

    def _default(self, each: "dataclasses.Field[Any]") -> object:
        default = each.default if each.default_factory is MISSING else each.default_factory()
        is_file = is_path(_unwrapped(each.type)[0], each.metadata) and default not in (MISSING, None)
        return self._root / str(default) if is_file else default

    def _value(self, kind: object, given: object, rules: Mapping[str, Any], where: str) -> object:
        if get_origin(kind) is dict:
            return self._texts(given, where)
        if get_origin(kind) is tuple:
            listed = given if isinstance(given, list) else [given]
            return tuple(self._value(str, each, rules, where) for each in listed)
        try:
            return convert(kind, given, rules, self._root)
        except Unfit as unfit:
            self._report(where, f"{self._shown(given)} {unfit}{allowed(rules)}")
            return None

    def _texts(self, given: object, where: str) -> dict[object, object]:
        mapping = self.mapping(given, where)
        for key in mapping:
            if not isinstance(key, str):
                self._report(where, f"the key {named(key, self._private)} is not text; put it in quotes")
        return {key: self._value(str, value, NOTHING, f"{where}.{named(key, self._private)}")
                for key, value in mapping.items()}


def _unwrapped(kind: object) -> tuple[object, bool]:
    rest = [each for each in get_args(kind) if each is not NoneType]
    optional = NoneType in get_args(kind)
    return (rest[0] if optional else kind), optional
