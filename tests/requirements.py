"""`python -m tests.requirements`: write docs/requirements.md, the user's requirements with the tests that show them.

A test shows a requirement if its docstring, or its module's, names it: FR-012. The requirements are in requirements.yaml.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.checkout import CHECKOUT

PAGE = CHECKOUT / "docs" / "requirements.md"
ID = re.compile(r"\b(?:FR-\d{3}|SC-\d{3}|US\d-\d|EDGE-\d)\b")
GROUPS = {"FR": "Functional requirements", "SC": "Success criteria", "US": "Acceptance scenarios of the user stories",
          "ED": "Edge cases"}
HEAD = """# Requirements

What the user asked for, and the tests that show it. `python -m tests.requirements` writes this page from
tests/requirements.yaml and the tests' own docstrings; a test fails if it is out of date. Long forms of the tests, soak and
benchmarks are in [reliability.md](reliability.md), [soak.md](soak.md) and [performance.md](performance.md).
"""


def required() -> Mapping[str, Mapping[str, str]]:
    found: Mapping[str, Mapping[str, str]] = yaml.safe_load(
        Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return found


def shown() -> dict[str, list[str]]:
    """Return the tests that show each requirement, as pytest names them."""
    found = defaultdict(list)
    for path in sorted((CHECKOUT / "tests").rglob("test_*.py")):
        for name, text in _docstrings(ast.parse(path.read_text(encoding="utf-8"))):
            for requirement in dict.fromkeys(ID.findall(text)):
                found[requirement].append(f"{path.relative_to(CHECKOUT)}{name}")
    return found


def page() -> str:
    tests, parts = shown(), [HEAD]
    for prefix, title in GROUPS.items():
        parts += ["", f"## {title}", "", *_table({name: entry for name, entry in required().items()
                                                   if name.startswith(prefix)}, tests)]
    return "\n".join(parts) + "\n"


def _table(entries: Mapping[str, Any], tests: Mapping[str, list[str]]) -> Iterator[str]:
    yield "| | what | shown by |"
    yield "|---|---|---|"
    for name, entry in entries.items():
        sentence = entry["is"] + (f" **Departs:** {entry['departs']}" if "departs" in entry else "")
        yield f"| {name} | {sentence} | {', '.join(f'`{test}`' for test in tests[name])} |"


def _docstrings(module: ast.Module) -> Iterator[tuple[str, str]]:
    yield "", ast.get_docstring(module) or ""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.lower().startswith("test"):
            yield f"::{node.name}", ast.get_docstring(node) or ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
