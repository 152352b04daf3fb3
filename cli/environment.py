"""Is the virtual environment fit for use? Called by make, with the standard library only, by any Python 3.11 or newer.

`environment.py FOLDER` removes an environment that cannot work, or the stamps of one that lacks packages; make then makes
them. `environment.py FOLDER --prove` exits with 1 if something is missing.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMPS = "installed*"
PROOF = "import click, requests, yaml, config; print(config.__file__)"


def main(arguments: list[str]) -> int:
    """Given the folder of the environment, repair or prove it; return the exit code."""
    folder = Path(os.path.abspath(arguments[0]))
    if "--prove" in arguments:
        if problem := why_broken(folder) or what_is_missing(folder):
            print(f"{folder} cannot be used: {problem}. Remedy: make clean install", file=sys.stderr)
        return int(bool(problem))
    if not os.path.lexists(folder):
        return 0
    if problem := why_broken(folder):
        print(f"{folder.name} is made again: {problem}.")
        folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
    elif problem := what_is_missing(folder):
        stamps = list(folder.glob(STAMPS))
        if stamps:
            print(f"The packages are installed again: {problem}.")
        for stamp in stamps:
            stamp.unlink()
    return 0


def why_broken(folder: Path) -> str:
    try:
        recorded = dict(re.findall(r"^(\S+) *= *(.*)$", (folder / "pyvenv.cfg").read_text(encoding="utf-8"), re.MULTILINE))
    except (OSError, UnicodeDecodeError):
        return "it has no pyvenv.cfg"
    if (command := recorded.get("command")) and not command.endswith((f" {folder}", f" {os.path.realpath(folder)}")):
        return f"it was moved or copied; it was made by {command}"
    running, error = _ask(folder, "import sys; print('%d.%d' % sys.version_info[:2])")
    if error:
        return f"its Python does not start: {error}"
    made_by = recorded.get("version", recorded.get("version_info", ""))
    if not f"{made_by}.".startswith(f"{running}."):
        return f"it was made by Python {made_by}, and its Python is {running} now"
    _, error = _ask(folder, "import pip")
    return f"it has no pip: {error}" if error else ""


def what_is_missing(folder: Path) -> str:
    place, error = _ask(folder, PROOF)
    if not error and Path(place).resolve().parent.parent != ROOT:
        return f"the program is that of {Path(place).parent.parent}"
    return error


def _ask(folder: Path, code: str) -> tuple[str, str]:
    """Run Python code in the environment, away from the current folder; return what it prints, and the last error."""
    try:
        done = subprocess.run([str(folder / "bin" / "python"), "-I", "-c", code], capture_output=True, text=True)
    except OSError as error:
        return "", error.strerror or type(error).__name__
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return done.stdout.strip(), lines[-1] if done.returncode else ""


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
