"""make update: a clone follows two local commits; what fails or is killed leaves a version that works."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import wheel
from tests.checkout import CHECKOUT, make_checkout, write_script
from tests.cli.test_environment import SHIPPED
from tests.home import Home, Outcome, unmeasured
from tests.simulator.server import Simulator

pytestmark = pytest.mark.slow
NEWS = "- Rooms can be painted."
# Runs git or make; at the chosen call of the chosen verb it kills the update instead, or afterwards.
KILLER = """
real=$(PATH=/usr/bin:/bin:/usr/local/bin command -v {0})
for word in "$@"; do case "$word" in -*) ;; *) break;; esac; done
[ "$KILL_VERB" = "$word" ] && echo >> "$KILL_COUNT"
if [ "$KILL_VERB" = "$word" ] && [ "$(wc -l < "$KILL_COUNT")" = "$KILL_CALL" ]; then
    [ "$KILL_WHEN" = after ] && "$real" "$@"
    kill -9 $PPID; exit 1
fi
exec "$real" "$@" """


class Clone:
    """A user's clone of an origin, with settings, a .venv, and a bridge; the origin is one commit ahead of it."""

    def __init__(self, folder: Path, simulator: Simulator, is_tracked: bool = False) -> None:
        self.origin, self.folder, self.bin = folder / "origin", folder / "monitor", folder / "bin"
        self.python = self.folder / ".venv" / "bin" / "python"
        self._make_origin(is_tracked)
        self.git("clone", "--quiet", str(self.origin), str(self.folder), folder=folder)
        self.home = Home(self.folder)
        self.home.point_at(simulator, scheme="http", timeout_seconds=2)
        self.settings = self.home.config.read_bytes()
        self._make_environment()

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
        return subprocess.run(["git", *identity, *arguments], cwd=folder or self.folder, check=True, capture_output=True,
                              text=True).stdout.strip()

    def publish(self, **files: str) -> None:
        """Commit a new version to the origin, with further files, whose names have __ for / and no .py."""
        for name, text in {"runtime____init__": 'VERSION = "0.2.0"\n', **files}.items():
            (self.origin / f"{name.replace('____', '/__').replace('___', '/')}.py").write_text(text)
        changes = self.origin / "CHANGELOG.md"
        changes.write_text(changes.read_text().replace("# Changes\n", f"# Changes\n\n{NEWS}\n"))
        self.commit()

    def commit(self) -> None:
        self.git("add", "-A", folder=self.origin)
        self.git("commit", "--quiet", "-m", "A version", folder=self.origin)

    def update(self, **environment: str) -> Outcome:
        done = subprocess.run(["make", "update", f"PYTHON={sys.executable}"], cwd=self.folder, capture_output=True,
                              text=True, timeout=180, env=self.environment(**environment))
        return Outcome(done.returncode, done.stdout, done.stderr)

    def environment(self, **further: str) -> dict[str, str]:
        variables = {name: value for name, value in unmeasured().items() if name != "HOME_MONITOR_CONFIG"}
        return {**variables, "MAKEFLAGS": "", "MAKELEVEL": "0", "KILL_COUNT": str(self.bin / "count"),
                "PATH": f"{self.bin}:{os.environ['PATH']}", **further}

    def version(self) -> str:
        return (self.folder / "runtime" / "__init__.py").read_text().rpartition("VERSION = ")[2].strip().strip('"')

    def collects(self) -> bool:
        """Return whether a cycle as cron starts it stores all that the bridge has."""
        before = len(self.home.rows())
        self.home.wait_for_the_next_second()
        done = subprocess.run([str(self.python), "-m", "collectors.hue"], cwd=self.folder, capture_output=True, text=True,
                              env=self.environment())
        assert done.returncode == 0, done
        return len(self.home.rows()) == before + 5

    def _make_origin(self, is_tracked: bool) -> None:
        make_checkout(self.origin)
        shutil.rmtree(self.origin / ".venv")
        for name in (*SHIPPED, "CHANGELOG.md", ".gitignore", "crontab.example"):
            shutil.copy(CHECKOUT / name, self.origin / name)
        self.git("init", "--quiet", folder=self.origin)
        if is_tracked:
            (self.origin / "config" / "config.example.yaml").rename(self.origin / "config" / "config.yaml")
            ignored = self.origin / ".gitignore"
            ignored.write_text(ignored.read_text().replace("config/config.yaml\n", ""))
            (self.origin / "cli" / "update.py").unlink()
        self.commit()

    def _make_environment(self) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(self.folder / ".venv")], check=True)
        wheel.lend_packages(self.folder / ".venv", self.folder)
        for stamp in ("made", "installed"):
            (self.folder / ".venv" / stamp).touch()
        self.bin.mkdir()
        for name in ("git", "make"):
            write_script(self.bin / name, KILLER.format(name))


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(tls=None) as running:
        yield running


@pytest.fixture
def clone(tmp_path: Path, simulator: Simulator) -> Clone:
    return Clone(tmp_path, simulator)


def test_an_update_shows_what_is_new_and_leaves_settings_and_readings(clone: Clone) -> None:
    assert clone.collects()
    clone.publish()
    done = clone.update()
    assert (done.code, clone.version()) == (0, "0.2.0"), done
    assert f".\n{NEWS}\n" in done.out and "jobs.baseline" not in done.out
    assert clone.home.config.read_bytes() == clone.settings
    assert clone.collects() and clone.git("status", "--short") == ""
    assert clone.update().out == "This is the newest version.\n"


def test_settings_that_an_older_version_tracked_are_kept_byte_for_byte(tmp_path: Path, simulator: Simulator) -> None:
    """The older version has no make update: the new one's is taken from what was fetched."""
    clone = Clone(tmp_path, simulator, is_tracked=True)
    assert "config/config.yaml" in clone.git("status", "--short")
    shutil.copy(CHECKOUT / ".gitignore", clone.origin)
    shutil.copy(CHECKOUT / "cli" / "update.py", clone.origin / "cli")
    (clone.origin / "config" / "config.yaml").rename(clone.origin / "config" / "config.example.yaml")
    clone.publish()
    done = subprocess.run(["sh", "-c", f"git fetch && git show FETCH_HEAD:cli/update.py | {sys.executable} -"],
                          cwd=clone.folder, capture_output=True, text=True, env=clone.environment())
    assert (done.returncode, clone.version()) == (0, "0.2.0"), done
    assert clone.home.config.read_bytes() == clone.settings
    assert clone.collects() and clone.git("status", "--short") == ""


STRICTER = (CHECKOUT / "config" / "settings.py").read_text().replace("(30, 86_400)", "(3600, 86_400)")
assert STRICTER.count("(3600, 86_400)") == 1


@pytest.mark.parametrize(("files", "code", "text"), [
    ({"healthcheck": "("}, 1, "does not run"),
    ({"config___settings": STRICTER}, 2, "collection.interval_seconds: 60 is out of range")])
def test_a_version_that_does_not_run_or_does_not_take_the_settings_is_never_put_in_place(
        files: dict[str, str], code: int, text: str, clone: Clone) -> None:
    clone.home.write_config(collection={"interval_seconds": 60})
    clone.publish(**files)
    before = (clone.folder / "runtime" / "__init__.py").stat().st_mtime_ns
    done = clone.update()
    assert done.code != 0 and f"Error {code}" in done.err and text in done.err, done
    assert (clone.folder / "runtime" / "__init__.py").stat().st_mtime_ns == before
    assert clone.collects()


def test_an_install_that_fails_is_undone(clone: Clone) -> None:
    makefile = clone.origin / "Makefile"
    makefile.write_text(makefile.read_text().replace("install: sound", "install: sound\n\t@echo no network >&2; false"))
    clone.publish()
    (clone.origin / "cli" / "further.py").touch()
    clone.commit()
    done = clone.update()
    assert "make install failed: no network" in done.err and "ran before is in place again" in done.err, done
    assert clone.version() == "0.1.0" and clone.git("status", "--short") == ""
    assert not (clone.folder / "cli" / "further.py").exists() and clone.collects()


SCHEMA = (CHECKOUT / "storage" / "schema.py").read_text()
LATER = "\n\ndef _later(connection, progress):\n    connection.execute('{}')\n    return ()\n\n\nMIGRATIONS.append(_later)\n"


@pytest.mark.parametrize(("statement", "code", "version"), [
    ("CREATE TABLE later (id)", 0, "0.2.0"), ("CREATE TABEL later (id)", 2, "0.1.0")])
def test_the_database_is_migrated_or_left_to_the_version_that_ran(
        statement: str, code: int, version: str, clone: Clone) -> None:
    assert clone.collects()
    clone.publish(storage___schema=SCHEMA + LATER.format(statement))
    done = clone.update()
    assert (done.code, clone.version()) == (code, version), done
    assert ("migrating the database failed" in done.err) == (code != 0)
    tables = [row["name"] for row in clone.home.rows("SELECT name FROM sqlite_master")]
    assert ("later" in tables) == (code == 0) and clone.collects()


@pytest.mark.parametrize("name", ["devices.py", "cli/further.py"])
def test_the_users_own_changes_are_not_overwritten(name: str, clone: Clone) -> None:
    (clone.origin / "cli" / "further.py").touch()
    clone.publish()
    (clone.folder / name).write_text("# mine\n")
    done = clone.update()
    assert name in done.err and "git stash" in done.err and clone.version() == "0.1.0", done
    assert (clone.folder / name).read_text() == "# mine\n"


def test_an_edited_crontab_is_kept_under_another_name(clone: Clone) -> None:
    (clone.folder / "crontab.example").write_text("# mine\n")
    (clone.origin / "crontab.example").write_text("# theirs\n")
    clone.publish()
    assert clone.update().code == 0
    assert (clone.folder / "crontab.mine").read_text() == "# mine\n"
    assert (clone.folder / "crontab.example").read_text() == "# theirs\n"


@pytest.mark.parametrize(("verb", "call", "when"), [
    ("fetch", 1, "after"), ("checkout-index", 2, "before"), ("checkout-index", 2, "after"), ("read-tree", 3, "after"),
    ("update-ref", 1, "before"), ("update-ref", 1, "after"), ("install", 1, "before"), ("install", 1, "after")])
def test_killed_at_any_step_a_version_works_and_the_next_update_completes_it(
        verb: str, call: int, when: str, clone: Clone) -> None:
    clone.publish(devices=(CHECKOUT / "devices.py").read_text() + "# new\n")
    (clone.bin / "count").touch()
    done = clone.update(KILL_VERB=verb, KILL_CALL=str(call), KILL_WHEN=when)
    assert "Killed" in done.err, done
    assert clone.version() in ("0.1.0", "0.2.0") and clone.collects()
    assert clone.home.config.read_bytes() == clone.settings
    assert clone.update().code == 0 and clone.version() == "0.2.0"
    assert clone.git("status", "--short") == "" and clone.collects()
