"""Reads one YAML file strictly: what a human would not expect YAML to do is refused, or not done.

Repeated keys are refused (YAML keeps the last in silence), and so are anchors, aliases and tags (a few lines of them
can fill the memory), several documents, deep nesting and large files. `010` and `5:00` stay text, which YAML 1.1 would
make 8 and 300; dates stay text as well. It knows nothing of what the keys mean.
"""

import os
import re
import shlex
import stat
from pathlib import Path

import yaml
from yaml.constructor import SafeConstructor

from config.problems import ConfigurationError, named

SIZE_LIMIT = 64 * 1024
DEPTH_LIMIT = 50
LOADER: "type[yaml.SafeLoader | yaml.CSafeLoader]" = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FORBIDDEN: re.Pattern[str] = yaml.reader.Reader.NON_PRINTABLE  # https://yaml.org/spec/1.1/#c-printable
MISLEADING_NUMBER = re.compile(r"[-+]?(0[0-9_]+|.*:.*)")


class Refused(Exception):
    """What is wrong with a text, known before anybody asks whose file it is; the arguments are the problems."""


def read(path: Path, remedy: str, private: bool = False) -> dict[object, object] | None:
    """Given a file, return its mapping (empty for an empty file), or None where there is no such file.

    Raise ConfigurationError with the given remedy for anything else. Of a private file nothing is quoted.
    """
    try:
        content = _content(path)
        return None if content is None else parse(_text(content), private)
    except OSError as error:
        raise ConfigurationError(path, [f"cannot be read: {error.strerror}"], _make_readable(error, path)) from error
    except Refused as refused:
        raise ConfigurationError(path, refused.args, remedy) from None


def parse(text: str, private: bool = False) -> dict[object, object]:
    """Given the text of a file, return its mapping. Raise Refused."""
    try:
        _survey(text)
        root = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise Refused(_located(error, text, private)) from None
    builder = _Builder(private)
    document = builder.value(root) if root else None
    if builder.problems:
        raise Refused(*builder.problems)
    if not isinstance(document, dict | None):
        raise Refused("the file does not consist of 'key: value' lines")
    return document or {}


def _make_readable(error: OSError, path: Path) -> str:
    if not isinstance(error, PermissionError):
        return f"make {path} readable for the account that runs this program"
    is_folder = not os.access(path.parent, os.X_OK)
    quoted = shlex.quote(str(path.parent if is_folder else path))
    return f"sudo chown {os.geteuid()} {quoted} && sudo chmod u+r{'wx' if is_folder else 'w'} {quoted}"


def _content(path: Path) -> bytes | None:
    try:
        # Opening a pipe would wait for ever for somebody to write into it.
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
    # What Python can print YAML can, too; the pattern takes 4 ms to compile.
    if not all(map(str.isprintable, text.split("\n"))) and (forbidden := FORBIDDEN.search(text)):
        line = text.count("\n", 0, forbidden.start()) + 1
        raise Refused(f"line {line}: a control character stands there; is this a UTF-8 text file?")
    return text


def _survey(text: str) -> None:
    """Look at the parser's events before anything is built of them: LibYAML builds nested nodes on the C stack."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=LOADER):
        line = f"line {getattr(event.start_mark, 'line', 0) + 1}: "
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if getattr(event, "anchor", None) is not None:
            raise Refused(line + "anchors and aliases are not allowed; put a text beginning with & or * in quotes")
        if getattr(event, "tag", None) is not None:
            raise Refused(line + "tags are not allowed; put a text beginning with ! in quotes")
        if depth > DEPTH_LIMIT:
            raise Refused(line + f"nested more than {DEPTH_LIMIT} levels deep")
        if documents > 1:
            raise Refused(line + "a second document begins; only one is allowed")


def _located(error: yaml.YAMLError, text: str, private: bool) -> str:
    said = "this is not valid YAML"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return said
    mark = error.problem_mark
    line = "".join(text.split("\n")[mark.line:mark.line + 1])
    if line[mark.column:mark.column + 1] == "\t":
        said = "a tab stands where YAML wants spaces"
    elif error.problem and not private:
        said = error.problem
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}"


class _Builder:
    """Makes plain values of YAML's nodes, collecting what is wrong with them."""

    def __init__(self, private: bool) -> None:
        self.problems: list[str] = []
        self._private = private
        self._scalars = SafeConstructor()

    def value(self, node: yaml.Node) -> object:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(each) for each in node.value]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode) -> dict[object, object]:
        built: dict[object, object] = {}
        lines: dict[object, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"line {line}: a list or a mapping stands where a key is expected")
                continue
            key = self._scalar(key_node)
            if key in built:
                name = named(key, self._private)
                self.problems.append(f"line {line}: the key {name} stands here again, first in line {lines[key]}")
            built[key] = self.value(value_node)
            lines.setdefault(key, line)
        return built

    def _scalar(self, node: yaml.Node) -> object:
        kind = node.tag.rpartition(":")[2]
        if kind not in ("null", "bool", "int", "float") or MISLEADING_NUMBER.fullmatch(node.value):
            return node.value
        try:
            return self._scalars.construct_object(node)
        except ValueError:  # More than the 4 300 digits that Python reads, or a bare sign: whatever it is, no number.
            return node.value
