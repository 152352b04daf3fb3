"""How long files and functions are, whether they say what they are for, and whether they are tested."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.house.sources import FUNCTIONS, Source, ours

LONGEST_FUNCTION, LONG_FUNCTION, MEDIAN_FUNCTION = 40, 25, 10
LONGEST_FILE = 250
TRIVIAL = 10  # lines of a special method whose name tells all there is to tell
TEST_LINES_PER_LINE = 1.0


def no_function_is_long(sources: list[Source]) -> list[str]:
    """No function is longer than 40 lines."""
    return [f"{where} has {lines} lines, more than {LONGEST_FUNCTION}"
            for source in ours(sources) for where, lines in source.functions() if lines > LONGEST_FUNCTION]


def most_functions_are_short(sources: list[Source]) -> list[str]:
    """Nine functions in ten have 25 lines at most, and half of them 10."""
    lengths = [lines for source in ours(sources) for _, lines in source.functions()] or [0]
    violations = []
    if (share := sum(lines > LONG_FUNCTION for lines in lengths) / len(lengths)) > 0.1:
        violations.append(f"{share:.0%} of the functions have more than {LONG_FUNCTION} lines")
    if (median := statistics.median(lengths)) > MEDIAN_FUNCTION:
        violations.append(f"the median function has {median:g} lines, more than {MEDIAN_FUNCTION}")
    return violations


def no_file_is_long(sources: list[Source]) -> list[str]:
    """No file has more than 250 lines that are not blank."""
    return [f"{source.path} has {source.lines} lines, more than {LONGEST_FILE}"
            for source in ours(sources) if source.lines > LONGEST_FILE]


def all_that_is_public_says_what_it_is_for(sources: list[Source]) -> list[str]:
    """Every module and every public class, function and method has a docstring."""
    violations = []
    for source in ours(sources):
        if not ast.get_docstring(source.tree):
            violations.append(f"{source.path} has no docstring")
        violations += [f"{source.path}:{node.lineno} {node.name} has no docstring" for node in _silent(source.tree)]
    return violations


def tests_mirror_the_tree(sources: list[Source]) -> list[str]:
    """What is at collectors/hue is tested by tests/collectors/test_hue.py, or by tests in tests/collectors/hue/."""
    tests = [source.path for source in sources if source.path.name.startswith("test_")]
    files = [source.path for source in ours(sources)]
    packages = {parent for path in files for parent in path.parents if parent.name}
    alone = {path.with_suffix("") for path in files if path.parent in (PurePosixPath(), PurePosixPath("collectors"))}
    return [f"{path} has neither tests/{path.with_name(f'test_{path.name}')}.py nor tests in tests/{path}/"
            for path in sorted(packages | alone) if path.name != "__init__"
            and not any(test == "tests" / path.with_name(f"test_{path.name}.py") or "tests" / path in test.parents
                        for test in tests)]


def tests_outweigh_the_program(sources: list[Source]) -> list[str]:
    """There is at least one line of tests, their simulator included, for each line of the program."""
    program, everything = (sum(source.lines for source in each) for each in (ours(sources), sources))
    ratio = (everything - program) / max(program, 1)
    if program == 0 or ratio >= TEST_LINES_PER_LINE:
        return []
    return [f"{ratio:.2f} lines of tests for each of the program's {program}, less than {TEST_LINES_PER_LINE}"]


def _silent(parent: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in parent.body:
        if isinstance(node, (ast.ClassDef, *FUNCTIONS)) and not _is_private(node.name):
            if not ast.get_docstring(node) and not _speaks_for_itself(node):
                yield node
            if isinstance(node, ast.ClassDef):
                yield from _silent(node)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _speaks_for_itself(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether its class has told of it already.

    That is so of `__init__`, whose arguments are the class's, of other special methods while they are trivial, and of
    a protocol's properties, which are fields but for the syntax.
    """
    is_field = ast.unparse(node.body[-1]) == "..." and "property" in map(ast.unparse, node.decorator_list)
    is_trivial = node.name.endswith("__") and (node.end_lineno or node.lineno) - node.lineno < TRIVIAL
    return not isinstance(node, ast.ClassDef) and (node.name == "__init__" or is_field or is_trivial)


RULES = [no_function_is_long, most_functions_are_short, no_file_is_long, all_that_is_public_says_what_it_is_for,
         tests_mirror_the_tree, tests_outweigh_the_program]
