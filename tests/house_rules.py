"""The rules of this house that no tool checks; ruff, import-linter and mypy check the others.

Each rule is a generator: given all sources, it yields a sentence per violation. tests/test_house.py runs them.
"""

import ast
import io
import re
import statistics
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from tests.checkout import ROOMS

SCRIPTS = ("devices", "healthcheck", "readings")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
CATCH_ALLS = {"jobs/job.py": 1, "health/finding.py": 1}
CLOCK_READERS = {"runtime/interpreter.py": 1, "jobs/job.py": 1, "devices.py": 1, "healthcheck.py": 1, "readings.py": 1}
HOOKS = {"sys.excepthook", "sys.unraisablehook", "logging.raiseExceptions"}  # are there to be set
KEYWORDS = {"retry_with_backoff"}  # its keywords are the user's own specification
WALL_CLOCK = re.compile(r"(datetime\.)?(datetime\.(now|utcnow|today)|date\.today|time\.time(_ns)?)")
SQL = re.compile(r"\b(SELECT .* FROM|INSERT .*INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE|PRAGMA)\b", re.S)
CONTRACTS = re.compile(r"module|settings|collector|publisher|notifier|source")
REASONLESS = re.compile(r"# *(type: *ignore(\[[\w, -]*\])?|noqa(: *[A-Z]+\d+(, *[A-Z]+\d+)*)?|pragma: *no cover)\W*$")
IDIOM = re.compile(
    r"\b(whoever|lest|tells?|told|said|says?|anew|nobody|somebody|in vain|bears?|is none|are none|but for|comes? to|"
    r"had better|meanwhile|by turns|for (?:good|ever)|at hand|such as are|those that|what is|what was|put down|let go|"
    r"mend(?:ed|s)?|of ours|of its own|begun?|ought|shall|where (?:that|it) cannot)\b", re.I)


class Source(NamedTuple):
    """A file of the program: its path in the checkout, its text, its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    @property
    def lines(self) -> int:
        return sum(1 for line in self.text.splitlines() if line.strip())

    def places(self, matches: Callable[[ast.AST], bool]) -> Iterator[str]:
        """Yield where the nodes stand that match."""
        yield from (f"{self.path}:{node.lineno}" for node in ast.walk(self.tree)
                    if isinstance(node, ast.stmt | ast.expr | ast.ExceptHandler) and matches(node))

    def comments(self) -> list[str]:
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [token.string for token in tokens if token.type == tokenize.COMMENT]


Rule = Callable[[list[Source]], Iterator[str]]


def read(root: Path) -> list[Source]:
    """Read the rooms and the scripts below a folder; missing ones are skipped."""
    paths = [path for name in ROOMS for path in (root / name).rglob("*.py")]
    paths += [path for name in SCRIPTS if (path := root / f"{name}.py").exists()]
    texts = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(paths)}
    return [Source(path, text, ast.parse(text)) for path, text in texts.items()]


def errors_are_caught_by_name(sources: list[Source]) -> Iterator[str]:
    yield from _beyond(sources, CATCH_ALLS, "catches everything", lambda node: isinstance(node, ast.ExceptHandler) and (
        node.type is None or "Exception" in _names(node.type)) or isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("suppress") and "Exception" in _names(node))


def the_wall_clock_is_read_once_per_script(sources: list[Source]) -> Iterator[str]:
    yield from _beyond(sources, CLOCK_READERS, "reads the wall clock", lambda node: isinstance(node, ast.Call) and bool(
        WALL_CLOCK.fullmatch(ast.unparse(node.func))))


def sql_stays_in_storage(sources: list[Source]) -> Iterator[str]:
    """That of the record; a destination's SQL is its publisher's."""
    outside = [source for source in sources if not source.path.startswith(("storage/", "publishers/postgres/"))]
    yield from _beyond(outside, {}, "speaks SQL", lambda node: isinstance(node, ast.Constant)
                       and isinstance(node.value, str) and bool(SQL.search(node.value)))


def no_library_is_patched(sources: list[Source]) -> Iterator[str]:
    """The two stand-ins of runtime/startup.py go into sys.modules, before the real modules are imported."""
    for source in sources:
        imported = {alias.asname or alias.name for node in ast.walk(source.tree) if isinstance(node, ast.Import)
                    for alias in node.names}
        targets = [target for node in ast.walk(source.tree) if isinstance(node, ast.Assign) for target in node.targets]
        yield from (f"{source.path}:{target.lineno} patches {ast.unparse(target)}" for target in targets
                    if isinstance(target, ast.Attribute) and ast.unparse(target.value) in imported
                    and ast.unparse(target) not in HOOKS)
        if source.path != "runtime/startup.py":
            yield from (f"{where} changes sys.modules or sys.path" for where in source.places(_changes_imports))


def contracts_are_not_probed(sources: list[Source]) -> Iterator[str]:
    yield from _beyond(sources, {}, "asks for what a contract should promise", lambda node: isinstance(node, ast.Call)
                       and ast.unparse(node.func) in ("getattr", "hasattr") and bool(
                           CONTRACTS.search(ast.unparse(node.args[0]))))


def exceptions_from_a_tool_have_a_reason(sources: list[Source]) -> Iterator[str]:
    yield from (f"{source.path} gives no reason: {comment}" for source in sources for comment in source.comments()
                if REASONLESS.search(comment))


def sizes_are_kept(sources: list[Source]) -> Iterator[str]:
    lengths = []
    for source in sources:
        yield from _over(source.path, "lines", source.lines, 250)
        for node in ast.walk(source.tree):
            if isinstance(node, FUNCTIONS):
                lengths.append((node.end_lineno or 0) - node.lineno + 1)
                yield from _over(f"{source.path}:{node.lineno} {node.name}", "lines", lengths[-1], 40)
                parameters = [argument for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                              if argument.arg not in ("self", "cls")]
                if node.name not in KEYWORDS:
                    yield from _over(f"{source.path}:{node.lineno} {node.name}", "parameters", len(parameters), 8)
            if isinstance(node, ast.ClassDef):
                public = [part for part in node.body if isinstance(part, FUNCTIONS) and not part.name.startswith("_")]
                yield from _over(f"{source.path}:{node.lineno} {node.name}", "public methods", len(public), 8)
    yield from _over("the median function", "lines", statistics.median(lengths or [0]), 10)


def no_room_outgrows_the_house(sources: list[Source]) -> Iterator[str]:
    rooms = Counter[str]()
    for source in sources:
        rooms[source.path.partition("/")[0]] += source.lines
    yield from (f"{room} holds {share:.0%} of the source, more than 28 %" for room, lines in rooms.items()
                if (share := lines / rooms.total()) > 0.28)


def modules_import_each_other_in_no_circle(sources: list[Source]) -> Iterator[str]:
    modules = {source.module for source in sources}
    try:
        TopologicalSorter({source.module: set(_imports(source, modules)) for source in sources}).prepare()
    except CycleError as error:
        yield f"a circle: {' imports '.join(reversed(error.args[1]))}"


def nothing_imports_the_tests(sources: list[Source]) -> Iterator[str]:
    yield from _beyond(sources, {}, "imports tests", lambda node: isinstance(node, ast.Import | ast.ImportFrom)
                       and bool(re.match(r"(from|import) tests\b", ast.unparse(node))))


def prose_is_short_and_plain(sources: list[Source]) -> Iterator[str]:
    prose = "\n".join(text for source in sources for text in _prose(source))
    words, lines = len(prose.split()), sum(source.lines for source in sources)
    yield from _over("the program", "words of prose per 1,000 lines", 1000 * words / lines, 1500)
    idioms = len(IDIOM.findall(prose)) / max(words, 200)
    yield from _over("its prose", "stilted idioms per 1,000 words", 1000 * idioms, 3)


def _beyond(sources: list[Source], allowed: dict[str, int], complaint: str,
            matches: Callable[[ast.AST], bool]) -> Iterator[str]:
    for source in sources:
        yield from (f"{where} {complaint}" for where in [*source.places(matches)][allowed.get(source.path, 0):])


def _changes_imports(node: ast.AST) -> bool:
    match node:
        case ast.Subscript(value=ast.Attribute(attr="modules"), ctx=ast.Store() | ast.Del()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="modules"), attr=method)):
            return method != "get"
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path"


def _over(what: str, unit: str, count: float, limit: int) -> Iterator[str]:
    if count > limit:
        yield f"{what} has {count:.1f} {unit}, more than {limit}"


def _names(node: ast.AST) -> set[str]:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names | {"Exception"} if "BaseException" in names else names


def _imports(source: Source, modules: set[str]) -> Iterator[str]:
    """Yield the modules that a source imports, in functions too, but not for type checking only."""
    guarded = {id(part) for node in ast.walk(source.tree) if isinstance(node, ast.If)
               and ast.unparse(node.test).endswith("TYPE_CHECKING") for part in ast.walk(node)}
    for node in ast.walk(source.tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name in modules - {source.module} and id(node) not in guarded)


def _prose(source: Source) -> Iterator[str]:
    yield from (comment.lstrip("# ") for comment in source.comments())
    yield from (ast.get_docstring(node) or "" for node in ast.walk(source.tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef))


RULES: list[Rule] = [
    errors_are_caught_by_name, the_wall_clock_is_read_once_per_script, sql_stays_in_storage, no_library_is_patched,
    contracts_are_not_probed, exceptions_from_a_tool_have_a_reason, sizes_are_kept, no_room_outgrows_the_house,
    modules_import_each_other_in_no_circle, nothing_imports_the_tests, prose_is_short_and_plain]
