"""README.md and the pages in docs/: short, with links that lead somewhere and commands that exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT
from tests.home import unmeasured

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
COMMAND = re.compile(r"^ {4}\.venv/bin/python (\S+\.py .*)$", re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_guide_is_short() -> None:
    assert README.count("\n") <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for name, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / name if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), f"{name}#{anchor}"


@pytest.mark.parametrize("line", sorted(set(COMMAND.findall(README))))
def test_every_command_of_the_guide_exists(line: str) -> None:
    """With the arguments as they are; --help keeps it from acting."""
    done = subprocess.run([sys.executable, *shlex.split(line), "--help"], cwd=CHECKOUT, capture_output=True, text=True,
                          env=unmeasured())
    assert done.returncode == 0 and "Usage: " in done.stdout, done.stderr
