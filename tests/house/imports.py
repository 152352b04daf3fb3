"""Who may import whom.

    healthcheck, devices ── collectors (its contract) ── collectors.<source>, reached by `collectors.load` only
            │                                                  │
            └───────────── collectors.kit ─────────────────────┘
                              │
                       storage, config (which know nobody)

Imports in functions and for types count as well, except where cycles are looked for: those arise at import only.
"""

import ast
import graphlib
from collections.abc import Iterator

from tests.house.sources import Import, Source, ours

ROOMS = ("collectors", "config", "storage")
DOORS = ("devices", "healthcheck")
HANDED_TO_COLLECTORS = (("storage.memory", "Memory"), ("collectors", "Human"))


def every_file_belongs_to_a_room(sources: list[Source]) -> list[str]:
    """The top level holds collectors, config, storage, tests, devices.py and healthcheck.py: no room without rules."""
    return [f"{source.path} belongs to no room of the house" for source in ours(sources)
            if source.module.partition(".")[0] not in (ROOMS if len(source.path.parts) > 1 else DOORS)]


def imports_keep_to_the_plan(sources: list[Source]) -> list[str]:
    """Everybody imports only what the drawing above allows, and the program nothing of its tests."""
    modules = {source.module for source in sources}
    return [f"{source.path}:{line} imports {target} {name}".rstrip()
            for source in ours(sources)
            for line, target, name in _targets(source.imports(), modules)
            if not _may_import(source.module, target, name)]


def collectors_are_handed_their_memory(sources: list[Source]) -> list[str]:
    """A collector names the type of the memory it is handed, and never makes one."""
    return [f"{source.path}:{node.lineno} makes a Memory of its own"
            for source in ours(sources) if _collector(source.module)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call) and source.origin(node.func).startswith("storage.memory.")]


def imports_make_no_cycle(sources: list[Source]) -> list[str]:
    """No module needs itself in order to be imported, however long the way round."""
    modules = {source.module for source in sources}
    graph = {source.module: set(_needed(source, modules)) for source in sources}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [f"a cycle: {' needs '.join(reversed(error.args[1]))}"]
    return []


def modules_are_named_where_they_are_imported(sources: list[Source]) -> list[str]:
    """Only `collectors.load` imports a module by a name made up at run time, or nobody could read who imports whom.

    The stand-ins of `thrift` do so too, on behalf of libraries.
    """
    return [f"{source.path}:{line} imports by {name}" for source in ours(sources)
            if source.path.as_posix() not in ("collectors/__init__.py", "collectors/kit/thrift.py")
            for line, name in source.uses() if name in ("importlib.import_module", "__import__")]


def nobody_touches_sys_path(sources: list[Source]) -> list[str]:
    """What is imported is installed, or lies below the current directory; tests hold to that too."""
    return [f"{source.path}:{line} touches sys.path" for source in sources
            for line, name in source.uses() if name == "sys.path" or name == "site.addsitedir"]


def _may_import(importer: str, target: str, name: str) -> bool:
    collector = _collector(importer)
    if collector:
        return (_is_within(target, collector) or _is_within(target, "collectors.kit") or target == "storage.reading"
                or (target, name) in HANDED_TO_COLLECTORS)
    room = importer.partition(".")[0]
    if room in ("config", "storage"):
        return _is_within(target, room)
    return target.partition(".")[0] in ROOMS and not _collector(target)


def _collector(module: str) -> str:
    """Return the collector that a module belongs to, `collectors.hue` say; empty for none."""
    match module.split("."):
        case ["collectors", name, *_] if name != "kit":
            return f"collectors.{name}"
    return ""


def _is_within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def _targets(imports: Iterator[Import], modules: set[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the imports of what is ours: line, module, and the name taken from it where that is no module itself."""
    rooms = {module.partition(".")[0] for module in modules} | {*ROOMS, *DOORS, "tests"}
    for each in imports:
        if f"{each.module}.{each.name}" in modules:
            yield each.line, f"{each.module}.{each.name}", ""
        elif each.module.partition(".")[0] in rooms:
            yield each.line, each.module, each.name


def _needed(source: Source, modules: set[str]) -> Iterator[str]:
    """Yield the modules that must be there first: those imported, and the packages around them."""
    for _, target, _ in _targets(source.imports(at_run_time=True), modules):
        yield target
        parts = target.split(".")
        around = {".".join(parts[:length]) for length in range(1, len(parts))}
        yield from (package for package in around if not _is_within(source.module, package))


RULES = [every_file_belongs_to_a_room, imports_keep_to_the_plan, collectors_are_handed_their_memory,
         imports_make_no_cycle, modules_are_named_where_they_are_imported, nobody_touches_sys_path]
