"""Shells complete the commands of devices.py with the lines in docs/commands.md, tried at a real prompt."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from tests.checkout import CHECKOUT
from tests.home import unmeasured

PAGE = (CHECKOUT / "docs" / "commands.md").read_text(encoding="utf-8")
BASH, = re.findall(r'^    (eval "\$\(_DEVICES_COMPLETE=bash_source devices\)")$', PAGE, re.MULTILINE)
FISH, = re.findall(r"In fish: `(.*?)`", PAGE)
TIMEOUT_SECONDS = 20


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which `devices` is a program, as `make install` puts it into .venv/bin; and an empty home."""
    program = tmp_path / "bin" / "devices"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom devices import main\nsys.exit(main())\n")
    program.chmod(0o755)
    return unmeasured() | {
        "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT), "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path), "TERM": "dumb", "PS1": "ready> "}


def at_a_prompt(shell: list[str], environment: dict[str, str], line: str, pressed: str, wanted: str) -> str:
    """Give an interactive shell a line, then press keys; return what appears after them, up to what is wanted."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(shell, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
                               start_new_session=True, close_fds=True)
    os.close(theirs)
    try:
        until(ours, "ready> ")
        os.write(ours, f"{line}\necho it is d''one\n".encode())
        until(ours, "it is done.*ready> ")
        os.write(ours, pressed.encode())
        return until(ours, wanted)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def until(terminal: int, wanted: str) -> str:
    seen, end = "", monotonic() + TIMEOUT_SECONDS
    while not re.search(wanted, seen, re.DOTALL) and _is_readable(terminal, end - monotonic()):
        with suppress(UnicodeDecodeError):
            seen += os.read(terminal, 65536).decode()
    return seen


def _is_readable(terminal: int, seconds: float) -> bool:
    return bool(select.select([terminal], [], [], max(0.0, seconds))[0])


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"there is no {shell} here")


@needs("bash")
@pytest.mark.parametrize(("pressed", "wanted"), [
    ("devices am\t", "devices amend-name "), ("devices amend-name --rec\t", "amend-name --recursive "),
    ("devices ga\t", "devices gaps ")])
def test_bash_completes(environment: dict[str, str], pressed: str, wanted: str) -> None:
    seen = at_a_prompt(["bash", "--norc", "--noprofile", "-i"], environment, BASH, pressed, wanted)
    assert wanted in seen


@needs("bash")
def test_bash_lists_the_choices(environment: dict[str, str]) -> None:
    seen = at_a_prompt(["bash", "--norc", "--noprofile", "-i"], environment, BASH, "devices set-\t\t", "set-offset")
    assert {"set-location", "set-name", "set-offset"} <= set(seen.split())


@needs("zsh")
def test_zsh_completes(environment: dict[str, str]) -> None:
    line_for_zsh = BASH.replace("bash_source", "zsh_source")
    line = re.search(r"`(autoload [^`]*compinit)`", PAGE)
    assert line is not None
    seen = at_a_prompt(["zsh", "-f", "-i"], environment, f"{line[1]} -u; {line_for_zsh}", "devices am\t", "amend-name ")
    assert "amend-name " in seen


@needs("fish")
@pytest.mark.parametrize(("typed", "found"), [
    ("devices am", ["amend-name"]), ("devices amend-name --rec", ["--recursive"]),
    ("devices set-", ["set-location", "set-name", "set-offset"])])
def test_fish_completes(environment: dict[str, str], typed: str, found: list[str]) -> None:
    done = subprocess.run(["fish", "-c", f"{FISH}; complete -C '{typed}'"], env=environment, capture_output=True,
                          text=True, timeout=60)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == found, done.stderr
