"""devices.py init: the user's own files are made once, and never overwritten."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import config
from tests.checkout import CHECKOUT, make_checkout
from tests.home import Home


def run(script: Path, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "HOME_MONITOR_CONFIG"}
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, cwd=folder,
                          env=environment, timeout=60)


def test_it_makes_all_that_is_missing_in_a_folder(tmp_path: Path) -> None:
    done = run(CHECKOUT / "devices.py", "init", "flat 2", folder=tmp_path)
    made = tmp_path / "flat 2" / "config"
    assert done.returncode == 0, done.stderr
    assert (made / "config.yaml").read_bytes() == config.EXAMPLE_PATH.read_bytes()
    assert (made / "secrets.yaml").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "flat 2" / "data").is_dir()
    assert f"--config '{made / 'config.yaml'}' pair hue" in done.stdout


def test_its_next_step_works_as_printed(home: Home, tmp_path: Path) -> None:
    """As far as the question that a person has to answer."""
    done = run(CHECKOUT / "devices.py", "init", "flat", folder=tmp_path)
    command = done.stdout.partition("Next: ")[2].replace("pair hue", "pair hue --bridge https://127.0.0.1:9")
    paired = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd="/", env={"PATH": "/bin"})
    assert paired.returncode == 1 and "127.0.0.1:9 cannot be reached" in paired.stderr


def test_what_is_there_stays_byte_for_byte(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.config.write_text("collection: {interval_seconds: 60}  # mine\n")
    home.secrets.symlink_to(tmp_path / "gone")
    for _ in range(2):
        done = run(CHECKOUT / "devices.py", "--config", str(home.config), "init", folder=tmp_path)
        assert done.returncode == 0 and "Made" not in done.stdout
    assert home.config.read_text() == "collection: {interval_seconds: 60}  # mine\n"
    assert home.secrets.is_symlink() and not home.secrets.exists()


def test_without_a_folder_it_makes_those_of_the_checkout(tmp_path: Path) -> None:
    make_checkout(tmp_path / "monitor")
    for name in ("config.example.yaml", "secrets.yaml.example"):
        shutil.copy(CHECKOUT / "config" / name, tmp_path / "monitor" / "config")
    done = run(tmp_path / "monitor" / "devices.py", "init", folder=tmp_path)
    assert done.returncode == 0 and (tmp_path / "monitor" / "config" / "config.yaml").exists()
    assert done.stdout.endswith(f"Next: {sys.executable} {tmp_path / 'monitor' / 'devices.py'} pair hue\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_run_as_root_the_files_belong_to_the_folders_owner(shared_folder: Path) -> None:
    os.chown(shared_folder, 54321, 54321)
    done = run(CHECKOUT / "devices.py", "init", str(shared_folder / "flat"), folder=Path("/"))
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in shared_folder.rglob("*")} == {54321}


def test_a_folder_that_cannot_be_made_needs_a_human(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(CHECKOUT / "devices.py", "init", "file", folder=tmp_path)
    assert done.returncode == 2 and "Remedy: " in done.stderr and "Traceback" not in done.stderr
