"""Reads one YAML file strictly, without the surprises of YAML.

It refuses repeated keys (YAML keeps the last one silently), anchors, aliases and tags (a few lines of them can fill the
memory), several documents, deep nesting and large files. Dates stay text, as do `010` and `5:00` (in YAML 8 and 300).
"""

import os
import re
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
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
RESOLVER: Any = Resolver()
CONFLICT = r"(?m)^(<<<<<<<|=======|>>>>>>>)( .*)?$"  # git's marks
# PyYAML's messages, with LibYAML and without, for a line that is indented by too much or too little.
UNEXPECTED = r"mapping values are not allowed|did not find expected key|expected <block end>"
MISLEADING_NUMBER = r"[-+]?(0[0-9_]+|.*:.*)"


class Refused(Exception):
    """A text is not acceptable. The arguments are the problems."""


class Quoting:
    """How messages, which reach logs, terminals and e-mails, quote a file: shortened, and nothing of a private one."""

    def __init__(self, is_private: bool = False) -> None:
        self.is_private = is_private

    def value(self, value: object) -> str:
        if self.is_private:
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
        if self.is_private:
            return text if re.fullmatch(r"[a-z][a-z_-]{0,30}", text) else "(a key not shown here)"
        return text if re.fullmatch(r"[\w.:-]{1,60}", text) else _shorten(repr(text))


PUBLIC, PRIVATE = Quoting(), Quoting(is_private=True)


def read(path: Path, remedy: str, quoting: Quoting = PUBLIC) -> dict[object, object] | None:
    """Return the file's mapping, or None if there is no file. Raise ConfigurationError, with the remedy for its text."""
    try:
        content = _content(path)
        return None if content is None else parse(_text(content), quoting)
    except OSError as error:
        raise ConfigurationError(path, [f"cannot be read: {error.strerror}"], _make_readable(error, path)) from error
    except Refused as refused:
        raise ConfigurationError(path, refused.args, remedy) from None


def parse(text: str, quoting: Quoting = PUBLIC) -> dict[object, object]:
    """Return the mapping in a text, an empty one if there is no value. Raise Refused."""
    builder = _Builder(text, quoting)
    try:
        nodes = builder.nodes()
    except yaml.YAMLError as error:
        raise Refused(_located(error, text, quoting)) from None
    if builder.problems:
        raise Refused(*(f"line {line}: {problem}" for line, problem in sorted(builder.problems)))
    document = nodes[0][1] if nodes else None
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
    if conflict := re.search(CONFLICT, text):
        line = text.count("\n", 0, conflict.start()) + 1
        return f"line {line}: {conflict[1]} marks a merge conflict; keep one of the two versions, and remove the marks"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "this is not valid YAML"
    mark = error.problem_mark
    message = "this is not valid YAML" if quoting.is_private else error.problem  # PyYAML's may quote the file
    if "".join(text.split("\n")[mark.line:mark.line + 1])[mark.column:mark.column + 1] == "\t":
        message = "YAML does not allow a tab here, only spaces"
    if re.match(UNEXPECTED, error.problem or ""):
        message = "is this line indented like its neighbours? (a text with a colon in it needs quotes)"
    return f"line {mark.line + 1}, column {mark.column + 1}: {message}"


class _Builder:
    """Builds plain values from the parser's events. `problems`, with their lines, do not end the reading."""

    def __init__(self, text: str, quoting: Quoting) -> None:
        self.problems: list[tuple[int, str]] = []
        self._quoting = quoting
        self._events: Iterator[Event] = yaml.parse(text, Loader=LOADER)

    def nodes(self, depth: int = 0) -> list[tuple[Event, Any]]:
        """Return the values up to the end of the list, mapping or text, and the events that they begin with."""
        nodes: list[tuple[Event, Any]] = []
        for event in self._events:
            if isinstance(event, yaml.CollectionEndEvent):
                break
            if isinstance(event, yaml.DocumentStartEvent) and nodes:
                raise Refused(f"line {_line(event)}: a second document begins; only one is allowed")
            if isinstance(event, yaml.NodeEvent):
                _check(event, depth)
            if isinstance(event, yaml.ScalarEvent):
                nodes.append((event, _scalar(event)))
            elif isinstance(event, yaml.CollectionStartEvent):
                contents = self.nodes(depth + 1)
                nodes.append((event, self._mapping(contents) if isinstance(event, yaml.MappingStartEvent)
                              else [value for _, value in contents]))
        return nodes

    def _mapping(self, nodes: list[tuple[Event, Any]]) -> dict[object, object]:
        mapping: dict[object, object] = {}
        lines: dict[object, int] = {}
        for (event, key), (_, value) in zip(nodes[::2], nodes[1::2]):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                self.problems.append((line, "a list or a mapping is not allowed as a key"))
                continue
            if key in lines:
                name = self._quoting.key(key)
                self.problems.append((line, f"the key {name} is repeated; it is already in line {lines[key]}"))
            mapping[key] = value
            lines.setdefault(key, line)
        return mapping


def _check(event: Event, depth: int) -> None:
    line = f"line {_line(event)}"
    if event.anchor is not None:
        raise Refused(f"{line}: anchors and aliases are not allowed; put a text beginning with & or * in quotes")
    if event.tag is not None:
        raise Refused(f"{line}: tags are not allowed; put a text beginning with ! in quotes")
    if depth == DEPTH_LIMIT and isinstance(event, yaml.CollectionStartEvent):
        raise Refused(f"{line}: nested more than {DEPTH_LIMIT} levels deep")


def _scalar(event: Event) -> object:
    tag: str = RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)
    kind = tag.rpartition(":")[2]
    if kind in ("null", "bool", "int", "float") and not re.fullmatch(MISLEADING_NUMBER, event.value):
        with suppress(ValueError):  # more than the 4,300 digits that Python reads, or only a sign
            return SafeConstructor().construct_object(yaml.ScalarNode(tag, event.value))
    return str(event.value)


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _shorten(text: str) -> str:
    return text if len(text) <= LENGTH_LIMIT else text[:LENGTH_LIMIT] + "…"
