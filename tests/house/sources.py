"""The project's Python files in the form that the rules look at: parsed, never imported."""

import ast
import io
import os
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NOT_OURS = {"build", "data", "dist", "node_modules", "__pycache__"}


@dataclass(frozen=True)
class Import:
    """`import module`, or `from module import name`, with the line it stands in."""

    line: int
    module: str
    name: str = ""


@dataclass(frozen=True)
class Source:
    """One file: its path within the project, and its text."""

    path: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.text, str(self.path))

    @property
    def module(self) -> str:
        """The name it is imported by."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def lines(self) -> int:
        """How many of its lines are not blank."""
        return sum(1 for line in self.text.splitlines() if line.strip())

    def functions(self) -> Iterator[tuple[str, int]]:
        """Yield where each function stands, and its lines from `def` to the last one, docstring included."""
        for node in ast.walk(self.tree):
            if isinstance(node, FUNCTIONS):
                yield f"{self.path}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1

    def comments(self) -> Iterator[tuple[int, str]]:
        """Yield each comment and its line."""
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string

    def texts(self) -> Iterator[tuple[int, str]]:
        """Yield each string and its line, the pieces of f-strings too, docstrings not."""
        told = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                yield node.lineno, node.value

    def imports(self, *, at_run_time: bool = False) -> Iterator[Import]:
        """Yield all imports, or only those made when the module is imported: not in functions, not for types."""
        for node in _running(self.tree) if at_run_time else ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(node.lineno, each.name) for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (Import(node.lineno, self._absolute(node), each.name) for each in node.names)

    def places(self, is_meant: Callable[[ast.AST], bool]) -> Iterator[int]:
        """Yield the line of each node that is meant."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.expr | ast.stmt | ast.ExceptHandler) and is_meant(node):
                yield node.lineno

    def uses(self) -> Iterator[tuple[int, str]]:
        """Yield every name that is used, under what it was imported as, and its line: `datetime.datetime.now`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute):
                yield node.lineno, self.origin(node)

    def origin(self, node: ast.expr) -> str:
        """Given a name or a chain of attributes, return it as its module calls it; empty for anything else."""
        if isinstance(node, ast.Attribute):
            return f"{self.origin(node.value)}.{node.attr}"
        return self._origins.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    @cached_property
    def _origins(self) -> dict[str, str]:
        origins: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                origins |= {each.asname: each.name for each in node.names if each.asname}
            elif isinstance(node, ast.ImportFrom):
                module = self._absolute(node)
                origins |= {each.asname or each.name: f"{module}.{each.name}" for each in node.names}
        return origins

    def _absolute(self, node: ast.ImportFrom) -> str:
        """Return what is imported from, also where it is written with dots."""
        if not node.level:
            return node.module or ""
        package = self.path.parent.parts[:len(self.path.parent.parts) + 1 - node.level]
        return ".".join([*package, node.module] if node.module else package)


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            child = ast.Module(child.orelse, [])
        yield child
        yield from _running(child)


def read(root: Path) -> list[Source]:
    """Read the Python files below a folder, but for virtual environments, hidden folders, and what was built."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if _is_ours(Path(folder, each)))
        for path in (Path(folder, each) for each in sorted(files) if each.endswith(".py")):
            found.append(Source(PurePosixPath(path.relative_to(root)), path.read_text(encoding="utf-8")))
    return found


def ours(sources: list[Source]) -> list[Source]:
    """Return the program's own files: all but the tests."""
    return [source for source in sources if source.path.parts[0] != "tests"]


def _is_ours(folder: Path) -> bool:
    return not (folder.name in NOT_OURS or folder.name.startswith(".") or folder.suffix == ".egg-info"
                or (folder / "pyvenv.cfg").exists())
