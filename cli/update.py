"""Brings a checkout up to date, or leaves the version that ran. Called by make update, with the standard library only.

The new version first runs its offline health check beside the old one, on the user's settings. Then it is put in place and
installed, and the database is migrated. A failure is undone at once, an interrupted update at the next call. Settings are
never written. For an older version: git fetch && git show FETCH_HEAD:cli/update.py | python3 -
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

SETTINGS = {"config/config.yaml"}  # tracked, and to be edited, in older versions
EDITABLE = "crontab.example"  # the crontab that is in use is a copy of it
REQUIREMENTS = ("setup.cfg", "pyproject.toml", "constraints.txt")
OLDER = "has an older schema"  # the health check's message about a database to be migrated
PASSING = ("alerts", "disk_space", "freshness", "spool")  # components that no version is to blame for
Health = dict[str, dict[str, Any]]  # the components of the health check, by name
ENVIRONMENT = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}


class Failed(Exception):
    """A sentence, and the exit code: 1 if it may work later, 2 if a human is needed."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Checkout:
    """The checkout in a folder. `state` is where an update works, out of git's sight."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.python = root / ".venv" / "bin" / "python"
        self.config = Path(os.path.abspath(os.environ.get("HOME_MONITOR_CONFIG") or root / "config" / "config.yaml"))
        self.state = root / self.git("rev-parse", "--git-dir") / "home-monitor-update"
        self.journal = self.state / "journal"

    def git(self, *arguments: str, stdin: str | None = None, index: Path | None = None) -> str:
        environment = ENVIRONMENT if index is None else {**ENVIRONMENT, "GIT_INDEX_FILE": str(index)}
        done = subprocess.run(["git", *arguments], cwd=self.root, input=stdin, capture_output=True, text=True,
                              env=environment)
        if done.returncode != 0:
            raise Failed(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
        return done.stdout.strip()

    def changed(self, *arguments: str) -> list[str]:
        return [name for name in self.git("diff", "--name-only", "-z", *arguments).split("\0") if name]

    def switch(self, old: str, new: str) -> None:
        """Replace the files of one version by another's, except settings; repeatable."""
        index = self.state / "index"
        self.git("read-tree", new, index=index)
        written = [name for name in self.changed("--no-renames", "--diff-filter=d", old, new) if name not in SETTINGS]
        self.git("checkout-index", "-f", "-z", "--stdin", stdin="".join(f"{name}\0" for name in written), index=index)
        for name in self.changed("--no-renames", "--diff-filter=D", old, new):
            if name not in SETTINGS:
                (self.root / name).unlink(missing_ok=True)
        self.git("read-tree", new)
        self.git("update-ref", "HEAD", new)

    def install(self) -> None:
        self.run(["make", "--no-print-directory", "install"], "make install")

    def run(self, command: list[str], name: str, folder: Path | None = None) -> str:
        done = subprocess.run(command, cwd=folder or self.root, capture_output=True, text=True, env=ENVIRONMENT)
        if done.returncode != 0:
            raise Failed(f"{name} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout.strip()


def main() -> int:
    is_file = sys.argv[0] != "-"  # else it is read from standard input
    root = Path(__file__).resolve().parent.parent if is_file else Path.cwd()
    if os.geteuid() == 0 and (owner := root.stat()).st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    try:
        checkout = Checkout(root)
        undo(checkout)
        return update(checkout)
    except Failed as failed:
        print(f"Not updated: {failed}", file=sys.stderr)
        return failed.code


def update(checkout: Checkout) -> int:
    """Bring the checkout up to date. Raise Failed, the old version being in place."""
    old, new = versions(checkout)
    if old == new:
        print("This is the newest version.")
        return 0
    check_own_changes(checkout, old, new)
    checkout.state.mkdir(exist_ok=True)
    before = examine(checkout, checkout.root, checkout.python)
    stage(checkout, new)
    compare(before, examine(checkout, *staged(checkout, old, new)))
    checkout.journal.write_text(f"{old} {new}", encoding="ascii")
    try:
        checkout.switch(old, new)
        checkout.install()
        after = examine(checkout, checkout.root, checkout.python)
        compare(before, after)
        if OLDER in (after or {}).get("database_write", {}).get("message", ""):
            migrate = [str(checkout.python), "devices.py", "--config", str(checkout.config), "migrate"]
            print(checkout.run(migrate, "migrating the database"))
    except Failed as failed:
        undo(checkout)
        raise Failed(f"{failed}\nThe version that ran before is in place again.", failed.code) from None
    shutil.rmtree(checkout.state)
    print(f"Updated from {old[:9]} to {new[:9]}.{news(checkout, old, new)}", flush=True)
    subprocess.run([str(checkout.python), "healthcheck.py", "--offline", "--quiet"], cwd=checkout.root, check=False)
    return 0


def undo(checkout: Checkout) -> None:
    """Put the old version back after an update that failed or was interrupted."""
    if checkout.journal.exists():
        old, new = checkout.journal.read_text(encoding="ascii").split()
        checkout.switch(new, old)
        if checkout.changed(old, new, "--", *REQUIREMENTS) or not checkout.python.exists():
            checkout.install()
    shutil.rmtree(checkout.state, ignore_errors=True)


def versions(checkout: Checkout) -> tuple[str, str]:
    checkout.git("fetch", "--quiet")
    old, new = checkout.git("rev-parse", "HEAD"), checkout.git("rev-parse", "@{upstream}")
    base = checkout.git("merge-base", old, new)
    if base not in (old, new):
        raise Failed("this checkout has commits of its own; combine them with the new version: git pull --rebase", 2)
    return old, new if base == old else old


def check_own_changes(checkout: Checkout, old: str, new: str) -> None:
    """Raise Failed if a file would be overwritten that the user has changed or made."""
    edited = set(checkout.changed("HEAD")) - SETTINGS
    added = {name for name in checkout.changed("--no-renames", "--diff-filter=A", old, new)
             if os.path.lexists(checkout.root / name)}
    if names := sorted(edited - {EDITABLE} | added - SETTINGS):
        raise Failed(f"these files hold changes of yours: {', '.join(names)}. Remedy: set them aside with git stash -u", 2)
    if EDITABLE in edited and checkout.changed(old, new, "--", EDITABLE):
        shutil.copy(checkout.root / EDITABLE, checkout.root / "crontab.mine")
        print(f"Your changes of {EDITABLE} are kept in crontab.mine.")


def stage(checkout: Checkout, new: str) -> None:
    """Put the new version's files beside the old one."""
    index = checkout.state / "index"
    checkout.git("read-tree", new, index=index)
    checkout.git("checkout-index", "-a", f"--prefix={checkout.state / 'new'}/", index=index)


def staged(checkout: Checkout, old: str, new: str) -> tuple[Path, Path]:
    """Return the folder of the new version and a Python with the packages that it needs."""
    folder = checkout.state / "new"
    if checkout.python.exists() and not checkout.changed(old, new, "--", *REQUIREMENTS):
        return folder, checkout.python
    checkout.run(["make", "--no-print-directory", ".venv/installed"], "installing the new version's packages", folder)
    return folder, folder / ".venv" / "bin" / "python"


def examine(checkout: Checkout, folder: Path, python: Path) -> Health | None:
    """Return the offline health check of the version in a folder, None without an answer."""
    command = [str(python), str(folder / "healthcheck.py"), "--offline", "--json", "--config", str(checkout.config)]
    try:
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, env=ENVIRONMENT)
        return {component["name"]: component for component in json.loads(done.stdout)["components"]}
    except (OSError, ValueError):
        return None


def compare(old: Health | None, new: Health | None) -> None:
    """Raise Failed if the new version's health check fails where the old one's does not."""
    if new is None:
        raise Failed("the health check of the new version does not run")
    if worse := [f"{name}: {item['message']}. Remedy: {item['remedy']}" for name, item in new.items()
                 if item["status"] == "fail" and name not in PASSING
                 and old is not None and old.get(name, {}).get("status") != "fail"]:
        raise Failed("\n".join(["the health check of the new version fails:", *worse]), 2)


def news(checkout: Checkout, old: str, new: str) -> str:
    known = set(_entries(checkout.git("show", f"{old}:CHANGELOG.md")))
    entries = [entry for entry in _entries(checkout.git("show", f"{new}:CHANGELOG.md")) if entry not in known]
    return "".join(f"\n{entry}" for entry in entries)


def _entries(text: str) -> list[str]:
    return [f"- {entry.partition(chr(10) + '#')[0].strip()}" for entry in f"\n{text}".split("\n- ")[1:]]


if __name__ == "__main__":
    raise SystemExit(main())
