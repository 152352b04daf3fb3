"""The rules of the house that can be counted hold; and each of them can fail, as a planted violation shows."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.house import habits, imports, sizes
from tests.house.planted import HARMLESS, NEIGHBOURS, VIOLATIONS, Rule
from tests.house.sources import Source, read

RULES: list[Rule] = [*imports.RULES, *sizes.RULES, *habits.RULES]
ROOT = Path(__file__).parent.parent


@cache
def house() -> list[Source]:
    """Read the project's files, once for all rules."""
    return read(ROOT)


def pretended(folder: Path, files: Mapping[str, str]) -> list[Source]:
    """Write a pretended house with these files into a folder, and read it from there."""
    for name, text in {**NEIGHBOURS, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return read(folder)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_to_the_rule(rule: Rule) -> None:
    violations = rule(house())
    assert not violations, "\n".join([f"{rule.__doc__}", *violations])


@pytest.mark.parametrize(("rule", "name", "text", "complaint"), [
    (rule, *violation) for rule, violations in VIOLATIONS.items() for violation in violations])
def test_a_planted_violation_is_found(rule: Rule, name: str, text: str, complaint: str, tmp_path: Path) -> None:
    assert complaint in "\n".join(rule(pretended(tmp_path, {name: text})))


@pytest.mark.parametrize(("rule", "files"), HARMLESS)
def test_what_only_looks_like_a_violation_is_none(rule: Rule, files: Mapping[str, str], tmp_path: Path) -> None:
    assert rule(pretended(tmp_path, files)) == []


def test_a_cycle_through_the_package_around_a_module_is_found(tmp_path: Path) -> None:
    """To import a.b is to import a first."""
    files = {"storage/a.py": "import config.b", "config/b.py": "", "config/__init__.py": "import storage.a"}
    found, = imports.imports_make_no_cycle(pretended(tmp_path, files))
    assert found in ("a cycle: config needs storage.a needs config", "a cycle: storage.a needs config needs storage.a")


def test_every_rule_has_been_seen_to_fail() -> None:
    assert set(VIOLATIONS) == set(RULES)


def test_all_files_of_the_house_are_looked_at() -> None:
    """Rules that look at nothing keep everybody happy."""
    modules = {source.module for source in house()}
    assert modules >= {"collectors", "collectors.kit.cycle", "config", "devices", "storage.manager", "tests.test_house"}
