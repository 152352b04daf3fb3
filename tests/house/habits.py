"""What is done in one place only, or nowhere at all."""

import ast
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from tests.house.sources import Source, ours

CYCLE = "collectors/kit/cycle.py"
SESSION, TRUST = "collectors/kit/session.py", "collectors/kit/trust.py"
STOPWATCH, RETRY = "collectors/kit/stopwatch.py", "collectors/kit/retry.py"
WALL_CLOCK = {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
              "time.time", "time.time_ns"}
STEADY_CLOCK = {"time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"}
SAYS_NOTHING = {"util", "utils", "helper", "helpers", "common", "base", "misc", "manager", "managers"}
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE)\s")
SQL_CLOCK = re.compile(r"\bCURRENT_(TIME|DATE|TIMESTAMP)\b|'now'", re.IGNORECASE)
LINT_EXCEPTION = re.compile(
    r"#\s*(type:\s*ignore(\[[\w, -]*\])?|noqa(:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)?|pragma:\s*no cover)(?P<reason>.*)")
CONSTANT = re.compile(r"_?[A-Z]\w*|__\w+__")
CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}


def errors_are_caught_by_name(sources: list[Source]) -> list[str]:
    """One catch-all in the whole program, in cycle.py, and one where the health check isolates its components."""
    return _beyond(sources, "catches everything", {CYCLE: 1, "healthcheck.py": 1}, lambda source: source.places(
        lambda node: _catches_all(source, node)))


def the_time_is_asked_once(sources: list[Source]) -> list[str]:
    """Those in charge read the wall clock, once each, and hand the time down."""
    return _beyond(sources, "reads the wall clock", {CYCLE: 1, "devices.py": 1, "healthcheck.py": 1},
                   _users(WALL_CLOCK))


def durations_are_measured_by_the_stopwatch(sources: list[Source]) -> list[str]:
    """The monotonic clock is read by the stopwatch and by the retry decorator."""
    return _beyond(sources, "measures time", {STOPWATCH: math.inf, RETRY: math.inf}, _users(STEADY_CLOCK))


def sql_tells_no_time(sources: list[Source]) -> list[str]:
    """The time comes from the cycle, never from SQLite."""
    return _beyond(sources, "asks SQLite for the time", {}, lambda source: (
        line for line, text in source.texts() if SQL_CLOCK.search(text)))


def sql_stays_in_storage(sources: list[Source]) -> list[str]:
    """Statements and the sqlite3 module are storage's own."""
    return _beyond(sources, "speaks SQL", {"storage/": math.inf}, lambda source: [
        *(line for line, text in source.texts() if SQL.search(text)), *_importing(source, "sqlite3")])


def requests_stays_in_the_session(sources: list[Source]) -> list[str]:
    """Only the session and its trust know by what means they reach the world; the others know the errors."""
    return _beyond(sources, "imports requests", {SESSION: math.inf, TRUST: math.inf},
                   lambda source: _importing(source, "requests"))


def only_commands_print(sources: list[Source]) -> list[str]:
    """Under cron whatever is printed is mailed."""
    return _beyond(sources, "prints", {"devices.py": math.inf, "healthcheck.py": math.inf}, _users({"print"}))


def lint_exceptions_carry_their_reason(sources: list[Source]) -> list[str]:
    """Whoever switches a check off for a line says why, after it on the same line."""
    return _beyond(sources, "gives no reason for its exception", {}, lambda source: (
        line for line, text in source.comments()
        if (exception := LINT_EXCEPTION.search(text)) and not re.search(r"[a-z]{2}", exception["reason"])))


def nothing_is_left_to_do(sources: list[Source]) -> list[str]:
    """What is to be done is no business of the source."""
    return _beyond(sources, "leaves something to do", {}, lambda source: (
        line for line, text in enumerate(source.text.splitlines(), 1) if re.search(r"\b(TODO|FIXME|XXX)\b", text)))


def settings_are_no_nested_dictionaries(sources: list[Source]) -> list[str]:
    """No `.get(…).get(…)`: raw documents are parsed at the border, and there by part."""
    return _beyond(sources, "chains .get()", {}, lambda source: source.places(_chains_get))


def modules_keep_no_state(sources: list[Source]) -> list[str]:
    """A module holds constants, types and its log, and nobody changes a constant."""
    return _beyond(sources, "keeps state in a module", {}, lambda source: [
        *_variables(source.tree), *source.places(_changes_a_constant)])


def names_say_something(sources: list[Source]) -> list[str]:
    """No util, helper, common, base, misc or manager of everything, and nothing named as in the standard library."""
    violations = []
    for source in ours(sources):
        name = source.module.rpartition(".")[2]
        if SAYS_NOTHING & set(name.split("_")) and source.module != "storage.manager":
            violations.append(f"{source.path} has a name that says nothing")
        if name in sys.stdlib_module_names:
            violations.append(f"{source.path} is named like a module of the standard library")
    return violations


def _beyond(sources: list[Source], complaint: str, allowed: Mapping[str, float],
            find: Callable[[Source], Iterable[int]]) -> list[str]:
    """Return the lines found beyond the number allowed to their file, or to its folder (which ends with a slash)."""
    violations = []
    for source in ours(sources):
        number = max((count for place, count in allowed.items()
                      if source.path.as_posix() == place or place.endswith("/") and f"{source.path}".startswith(place)),
                     default=0)
        lines = sorted(find(source))
        violations += [f"{source.path}:{line} {complaint}" for line in lines[int(min(number, len(lines))):]]
    return violations


def _users(names: set[str]) -> Callable[[Source], Iterator[int]]:
    return lambda source: (line for line, name in source.uses() if name in names)


def _importing(source: Source, package: str) -> Iterator[int]:
    return (each.line for each in source.imports() if each.module.partition(".")[0] == package)


def _catches_all(source: Source, node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        return node.type is None or _names_all(node.type)
    return (isinstance(node, ast.Call) and source.origin(node.func) == "contextlib.suppress"
            and any(map(_names_all, node.args)))


def _names_all(expression: ast.expr) -> bool:
    names = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def _chains_get(node: ast.AST) -> bool:
    """Tell whether it is `….get(…).get(…)`, or `(….get(…) or {}).get(…)`."""
    match node:
        case ast.Call(func=ast.Attribute(attr="get", value=ast.BoolOp(values=inner))):
            return any(map(_is_get, inner))
        case ast.Call(func=ast.Attribute(attr="get", value=inner)):
            return _is_get(inner)
    return False


def _is_get(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get"


def _variables(module: ast.Module) -> Iterator[int]:
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(
            node, ast.AnnAssign | ast.AugAssign) else []
        for name in (each for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)):
            if not CONSTANT.fullmatch(name.id) and ast.unparse(node) != "log = logging.getLogger(__name__)":
                yield node.lineno


def _changes_a_constant(node: ast.AST) -> bool:
    match node:
        case ast.Global():
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in CHANGES:
            return name.isupper()
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name.isupper()
    return False


RULES = [errors_are_caught_by_name, the_time_is_asked_once, durations_are_measured_by_the_stopwatch, sql_tells_no_time,
         sql_stays_in_storage, requests_stays_in_the_session, only_commands_print, lint_exceptions_carry_their_reason,
         nothing_is_left_to_do, settings_are_no_nested_dictionaries, modules_keep_no_state, names_say_something]
