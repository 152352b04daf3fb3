"""Run the tests on every Python of this machine and on Debian's newest, and write the table in docs/platforms.md.

    python -m tests.matrix [VERSION ...] [--debian FOLDER] [--tests PATHS]

Each Python gets an environment of its own in .venv-matrix. Debian's newest (sid) is made by debootstrap, in a folder
that is kept; that needs root and debootstrap. With VERSIONs, such as 3.12 or debian, only those run.
"""

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from tests.checkout import CHECKOUT

MATRIX = CHECKOUT / ".venv-matrix"
PAGE = CHECKOUT / "docs" / "platforms.md"
MINORS = range(11, 15)
DEBIAN_PACKAGES = (
    "ca-certificates", "chromium", "cron", "curl", "e2fsprogs", "faketime", "git", "influxdb", "iproute2", "lsof", "make",
    "mosquitto", "mount", "postgresql", "procps", "prometheus", "prometheus-node-exporter", "psmisc", "python3-venv",
    "strace")
# What pip and the network need in there, if this machine has it.
SHARED = ("etc/pip.conf", "etc/xdg/pip/*", "root/.config/pip/*", "etc/resolv.conf", "etc/hosts",
          "etc/ssl/certs/ca-certificates.crt", "etc/apt/apt.conf.d/*")
# A mount name space of its own takes all mounts with it when it ends.
ENTER = r"""
    set -e
    mount --rbind "$1" "$1"
    mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; mkdir -p "$1$2"; mount --bind "$2" "$1$2"
    folder=$1; checkout=$2; shift 2
    exec chroot "$folder" env HOME=/root LANG=C.UTF-8 PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        sh -c 'cd "$0" && exec "$@"' "$checkout" "$@"
"""


class Platform(NamedTuple):
    """A Python to test with: the command that starts it, and the environment to make for it."""

    name: str
    python: tuple[str, ...]
    environment: Path

    @property
    def inside(self) -> tuple[str, ...]:
        """The command of the Python in its environment."""
        return (*self.python[:-1], str(self.environment / "bin" / "python"))


def main() -> int:
    """Run what was asked for, and return 1 if a test failed or a platform could not be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description="Run the tests on several Pythons.")
    parser.add_argument("versions", nargs="*", help="3.11 to 3.14, or debian; all by default")
    parser.add_argument("--debian", type=Path, default=MATRIX / "sid", metavar="FOLDER",
                        help="where Debian is, or goes")
    parser.add_argument("--tests", default="tests", metavar="PATHS", help="these tests only; the table stays as it is")
    chosen = parser.parse_args()
    MATRIX.mkdir(exist_ok=True)
    rows, is_well = [], True
    for platform in [*pythons(chosen.versions), *debian(chosen.debian, chosen.versions)]:
        print(f"{platform.name}: running the tests; see {MATRIX / platform.name}.log", flush=True)
        counts = test(platform, chosen.tests.split())
        is_well &= counts is not None and counts["failed"] == 0
        if counts:
            rows.append(row(platform, counts))
            print(rows[-1], flush=True)
    if rows and chosen.tests == parser.get_default("tests"):
        write_table(rows)
    return 0 if is_well else 1


def pythons(versions: Iterable[str]) -> Iterator[Platform]:
    """Yield every Python on PATH and of pyenv that starts, each version once."""
    seen = set()
    for minor in MINORS:
        candidates = [shutil.which(f"python3.{minor}"),
                      *sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))]
        for candidate in filter(None, candidates):
            version = answer((str(candidate),), "import platform; print(platform.python_version())")
            if version and version not in seen and (not versions or f"3.{minor}" in versions):
                seen.add(version)
                yield Platform(f"Python-{version}", (str(candidate),), MATRIX / version)
        if not any(version.startswith(f"3.{minor}.") for version in seen) and not versions:
            print(f"SKIPPED: there is no Python 3.{minor} on this machine", flush=True)


def debian(folder: Path, versions: Iterable[str]) -> Iterator[Platform]:
    """Yield Debian's newest, in a folder that is made if it does not exist."""
    if versions and "debian" not in versions:
        return
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        print("SKIPPED: Debian's newest needs root and debootstrap (sudo apt-get install debootstrap)", flush=True)
        return
    if not (folder / "usr" / "bin" / "python3").exists():
        print(f"Making Debian sid in {folder} ...", flush=True)
        made = subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(DEBIAN_PACKAGES)}", "sid",
                               str(folder)], stdout=subprocess.DEVNULL)
        if made.returncode:
            print(f"SKIPPED: debootstrap could not make Debian sid in {folder}", flush=True)
            return
    for path in (path for pattern in SHARED for path in Path("/").glob(pattern) if path.is_file()):
        target = folder / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a link in there would lead out of the folder
        shutil.copy(path, target)
    enter = ("unshare", "--mount", "sh", "-c", ENTER, "sh", str(folder), str(CHECKOUT))
    yield Platform("Debian-sid", (*enter, "python3"), Path("/opt/monitor-tests"))


def test(platform: Platform, paths: list[str]) -> dict[str, int] | None:
    """Make the environment, run the tests as `make test` does, and return how many passed, failed and were skipped."""
    with open(MATRIX / f"{platform.name}.log", "w", encoding="utf-8") as log:
        def run(*command: str) -> int:
            return subprocess.run(command, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT).returncode
        pip = (*platform.inside, "-m", "pip", "install", "--quiet", "--constraint", str(CHECKOUT / "constraints.txt"),
               "--config-settings", "editable_mode=compat", "--editable", f"{CHECKOUT}[dev]")
        if run(*platform.python, "-m", "venv", str(platform.environment)) or run(*pip):
            print(f"FAILED: the packages cannot be installed; see {log.name}", flush=True)
            return None
        pytest = (*platform.inside, "-m", "pytest", "-q", "-p", "no:cacheprovider", *paths)
        run(*pytest, "-m", "not alone", "--numprocesses=2", "--dist=loadfile")
        run(*pytest, "-m", "alone")
    return counted((MATRIX / f"{platform.name}.log").read_text(encoding="utf-8"))


def counted(log: str) -> dict[str, int]:
    """Add up the summaries that pytest ends with. A run that broke off has none and counts as a failure."""
    summaries = re.findall(r"^(?:\d+ \w+(?:, )?)+ in [\d.]+s", log, re.MULTILINE)
    counts = {"passed": 0, "failed": 2 - len(summaries), "skipped": 0}
    for number, word in re.findall(r"(\d+) (\w+)", " ".join(summaries)):
        kind = {"error": "failed", "errors": "failed", "deselected": ""}.get(word, word)
        if kind in counts:
            counts[kind] += int(number)
    return counts


def row(platform: Platform, counts: dict[str, int]) -> str:
    """Return the platform's row of the table."""
    version, sqlite = answer(platform.inside, "import platform, sqlite3\n"
                             "print(platform.python_version(), sqlite3.sqlite_version)").split()
    name = "Debian sid" if platform.name == "Debian-sid" else "this machine"
    return f"| {name} | {version} | {sqlite} | {' | '.join(map(str, counts.values()))} | {date.today()} |"


def write_table(rows: list[str]) -> None:
    """Replace the rows of the same Python in docs/platforms.md, and add the others."""
    head, rule, rest = PAGE.read_text(encoding="utf-8").partition("|---|---|---|---|---|---|---|\n")
    old, end, rest = rest.partition("\n\n")
    by_version = {key(line): line for line in [*old.split("\n"), *rows] if line}
    table = "\n".join(by_version[versions] for versions in sorted(by_version))
    PAGE.write_text(head + rule + table + end + rest, encoding="utf-8")


def key(line: str) -> tuple[int, ...]:
    """Return what a row is about: its Python's and SQLite's versions."""
    cells = line.split(" | ")
    return tuple(int(part) for cell in cells[1:3] for part in cell.split("."))


def answer(python: tuple[str, ...], program: str) -> str:
    """Return what a Python prints, nothing if it does not start: pyenv's names exist for versions it lacks."""
    return subprocess.run([*python, "-c", program], capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
