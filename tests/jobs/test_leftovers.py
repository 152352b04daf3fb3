"""What a killed writer leaves beside a file: git ignores it, and the next run removes it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT
from tests.home import Home
from tests.jobs.fake_source import degrees, source

KILLED = """
import os, signal, sys
from pathlib import Path
from runtime.files import write_atomically
os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
write_atomically(Path(sys.argv[1]), "hue: {api_key: abc}")
"""


def kill_a_writer_of(target: Path) -> Path:
    subprocess.run([sys.executable, "-c", KILLED, target], cwd=CHECKOUT, check=False)
    [left] = target.parent.glob(f".{target.name}.*.tmp")
    assert "abc" in left.read_text()
    return left


@pytest.mark.parametrize("name", ["config/secrets.yaml", "data/made_up.session.json"])
def test_the_next_run_removes_it(name: str, home: Home) -> None:
    home.write_config()
    left = kill_a_writer_of(home.folder / name)
    others = [home.data / text for text in (".notes.tmp", f".x.{os.getpid()}-00000000.tmp")]
    for path in others:
        path.touch()
    assert home.run("--dry-run", collector=source(degrees(20))).code == 0 and left.exists()
    assert home.run(collector=source(degrees(20))).code == 0
    assert not left.exists() and all(path.exists() for path in others)


def test_the_next_writer_of_the_same_file_removes_it(home: Home) -> None:
    first = kill_a_writer_of(home.secrets)
    assert kill_a_writer_of(home.secrets) != first


@pytest.mark.parametrize("name", ["secrets.yaml~", ".secrets.yaml.swp", "#secrets.yaml#", "secrets.yaml.bak",
                                  ".secrets.yaml.123-0a1b2c3d.tmp", ".config.yaml.123-0a1b2c3d.tmp"])
def test_git_adds_no_file_that_may_hold_a_secret(name: str, tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / ".gitignore", tmp_path)
    (tmp_path / "config").mkdir()
    for file in (name, "secrets.yaml.example"):
        (tmp_path / "config" / file).touch()
    git = ["git", "-C", str(tmp_path), "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q"], check=True)
    listed = subprocess.run([*git, "ls-files", "--others", "--exclude-standard"], check=True, capture_output=True, text=True)
    assert listed.stdout.split() == [".gitignore", "config/secrets.yaml.example"]
