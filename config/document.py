"""Reads one YAML file strictly, without the surprises of YAML.

Repeated keys are refused (YAML keeps the last one silently), and so are anchors, aliases and tags (a few lines of them
can fill the memory), several documents, deep nesting and large files. `010` and `5:00`, which YAML 1.1 reads as 8 and
300, stay text, and so do dates.
"""

import os
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from runtime.errors import ConfigurationError

SIZE_LIMIT = 64 * 1024
DEPTH_LIMIT = 50
LENGTH_LIMIT = 60
Event = Any  # the types of PyYAML's stubs do not have all attributes
LOADER: "type[yaml.SafeLoader | yaml.CSafeLoader]" = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
FORBIDDEN: re.Pattern[str] = yaml.reader.Reader.NON_PRINTABLE  # https://yaml.org/spec/1.1/#c-printable
CONFLICT = re.compile(r"^(<<<<<<<|=======|>>>>>>>)( .*)?$", re.MULTILINE)  # git's marks
MISLEADING_NUMBER = r"[-+]?(0[0-9_]+|.*:.*)"


class Refused(Exception):
    """A text is not acceptable. The arguments are the problems."""


class Quoting:
    """How messages, which reach logs, terminals and e-mails, quote a file: shortened, and nothing of a private one."""

    def __init__(self, is_private: bool = False) -> None:
        self._is_private = is_private

    def value(self, value: object) -> str:
        if self._is_private:
            return "the value"
        if isinstance(value, dict | list):
            return "a list" if isinstance(value, list) else "a mapping"
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        # Python refuses to print integers of more than 4,300 digits, and a hexadecimal one may be that long.
        if isinstance(value, int) and abs(value) > 10 ** LENGTH_LIMIT:
            return "a very large number"
        return _shorten(repr(value))

    def key(self, key: object) -> str:
        text = key if isinstance(key, str) else self.value(key)
        if self._is_private:
            return text if re.fullmatch(r"[a-z][a-z_-]{0,30}", text) else "(a key not shown here)"
        return text if re.fullmatch(r"[\w.:-]{1,60}", text) else _shorten(repr(text))

    def parser_message(self, message: str) -> str:
        return "this is not valid YAML" if self._is_private else message  # PyYAML's may quote the file


PUBLIC, PRIVATE = Quoting(), Quoting(is_private=True)


def read(path: Path, remedy: str, quoting: Quoting = PUBLIC) -> dict[object, object] | None:
    """Return the file's mapping, empty for an empty file, or None if there is no such file. Raise ConfigurationError.

    The remedy is this one unless the file cannot be opened.
    """
    try:
        content = _content(path)
        return None if content is None else parse(_text(content), quoting)
    except OSError as error:
        raise ConfigurationError(path, [f"cannot be read: {error.strerror}"], _make_readable(error, path)) from error
    except Refused as refused:
        raise ConfigurationError(path, refused.args, remedy) from None


def parse(text: str, quoting: Quoting = PUBLIC) -> dict[object, object]:
    """Return the mapping in a text. Raise Refused."""
    try:
        builder = _Builder(text, quoting)
        document = builder.document()
    except yaml.YAMLError as error:
        raise Refused(_located(error, text, quoting)) from None
    if builder.problems:
        raise Refused(*builder.problems)
    if not isinstance(document, dict | None):
        raise Refused("the file does not consist of 'key: value' lines")
    return document or {}


def _content(path: Path) -> bytes | None:
    try:
        # Opening a pipe would wait forever for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise Refused("this is a directory, not a file" if path.is_dir() else "this is not an ordinary file")
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        return None
    if len(content) > SIZE_LIMIT:
        raise Refused(f"the file is larger than {SIZE_LIMIT // 1024} KiB")
    return content


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Refused(f"line {line}: the file is not encoded as UTF-8") from None
    # Whatever Python can print is allowed in YAML too, and this test is much faster than the pattern.
    if not all(map(str.isprintable, text.split("\n"))) and (forbidden := FORBIDDEN.search(text)):
        line = text.count("\n", 0, forbidden.start()) + 1
        raise Refused(f"line {line}: a control character is not allowed here; is this a UTF-8 text file?")
    return text


def _make_readable(error: OSError, path: Path) -> str:
    if not isinstance(error, PermissionError):
        return f"make {path} readable for the account that runs this program"
    is_folder = not os.access(path.parent, os.X_OK)
    quoted = shlex.quote(str(path.parent if is_folder else path))
    return f"sudo chown {os.geteuid()} {quoted} && sudo chmod u+r{'wx' if is_folder else 'w'} {quoted}"


def _located(error: yaml.YAMLError, text: str, quoting: Quoting) -> str:
    if mark := CONFLICT.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        return f"line {line}: {mark[1]} marks a merge conflict; keep one of the two versions, and remove the marks"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "this is not valid YAML"
    place = error.problem_mark
    row = "".join(text.split("\n")[place.line:place.line + 1])
    is_tab = row[place.column:place.column + 1] == "\t"
    message = "YAML does not allow a tab here, only spaces" if is_tab else quoting.parser_message(str(error.problem))
    return f"line {place.line + 1}, column {place.column + 1}: {message}"


class _Builder:
    """Builds plain values from the parser's events. `problems` do not end the reading."""

    def __init__(self, text: str, quoting: Quoting) -> None:
        self.problems: list[str] = []
        self._quoting = quoting
        self._depth = 0
        self._events: Iterator[Event] = yaml.parse(text, Loader=LOADER)
        self._resolver: Any = Resolver()
        self._constructor = SafeConstructor()

    def document(self) -> object:
        value, documents = None, 0
        for event in self._events:
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise Refused(f"{_line(event)}a second document begins; only one is allowed")
            if isinstance(event, yaml.NodeEvent):
                value = self._value(event)
        return value

    def _value(self, event: Event) -> object:
        if event.anchor is not None:
            raise Refused(f"{_line(event)}anchors and aliases are not allowed; "
                          "put a text beginning with & or * in quotes")
        if event.tag is not None:
            raise Refused(f"{_line(event)}tags are not allowed; put a text beginning with ! in quotes")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if self._depth == DEPTH_LIMIT:
            raise Refused(f"{_line(event)}nested more than {DEPTH_LIMIT} levels deep")
        self._depth += 1
        value = self._mapping() if isinstance(event, yaml.MappingStartEvent) else self._list()
        self._depth -= 1
        return value

    def _list(self) -> list[object]:
        values = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event))
        return values

    def _mapping(self) -> dict[object, object]:
        mapping: dict[object, object] = {}
        lines: dict[object, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key, is_key = self._value(event), isinstance(event, yaml.ScalarEvent)
            if not is_key:
                self.problems.append(f"{_line(event)}a list or a mapping is not allowed as a key")
            elif key in mapping:
                self.problems.append(
                    f"{_line(event)}the key {self._quoting.key(key)} is repeated; it is already in line {lines[key]}")
            value = self._value(next(self._events))
            if is_key:
                mapping[key] = value
                lines.setdefault(key, event.start_mark.line + 1)
        return mapping

    def _scalar(self, event: Event) -> object:
        tag: str = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        kind = tag.rpartition(":")[2]
        if kind not in ("null", "bool", "int", "float") or re.fullmatch(MISLEADING_NUMBER, event.value):
            return str(event.value)
        try:
            return self._constructor.construct_object(yaml.ScalarNode(tag, event.value))
        except ValueError:  # more than the 4,300 digits that Python reads, or only a sign
            return str(event.value)


def _line(event: Event) -> str:
    return f"line {event.start_mark.line + 1}: "


def _shorten(text: str) -> str:
    return text if len(text) <= LENGTH_LIMIT else text[:LENGTH_LIMIT] + "…"
