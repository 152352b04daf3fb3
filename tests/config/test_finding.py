"""Which file is read, what the paths in it mean, and what ships with the project."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import config
from notifiers.command import Settings as Command
from notifiers.email import Settings as Email
from notifiers.webhook import Settings as Webhook
from tests.config.conftest import Load
from tests.config.standins import COLLECTORS, SECTIONS, Monitor
from tests.home import unmeasured

CHECKOUT = config.DEFAULT_PATH.parent.parent


@pytest.mark.parametrize(("flag", "variable", "expected"), [
    (None, "", config.DEFAULT_PATH),
    (None, "/etc/house/config.yaml", Path("/etc/house/config.yaml")),
    ("/srv/flat/config/config.yaml", "/etc/house/config.yaml", Path("/srv/flat/config/config.yaml")),
])
def test_the_flag_goes_before_the_variable_before_the_checkout(
        flag: str | None, variable: str, expected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME_MONITOR_CONFIG", variable)
    assert config.find(flag) == expected
    assert config.DEFAULT_PATH == Path(config.__file__).parent / "config.yaml"


@pytest.mark.parametrize(("argument", "expected"), [
    ("config/config.yaml", "config/config.yaml"),
    ("../other.yaml", "../other.yaml"),
    ("./config/../config/config.yaml", "config/config.yaml"),
])
def test_a_relative_argument_counts_from_the_current_directory(
        argument: str, expected: str, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house)
    assert config.find(argument) == Path(os.path.abspath(house / expected))


def test_the_current_folders_own_file_goes_before_the_checkouts(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a second flat needs no option, and a package without a checkout finds its settings."""
    def find() -> Path:
        monkeypatch.delenv("HOME_MONITOR_CONFIG", raising=False)  # find sets it
        return config.find(None)

    monkeypatch.chdir(house)
    assert find() == config.DEFAULT_PATH
    (house / "config" / "config.yaml").write_text("")
    assert find() == house / "config" / "config.yaml"
    monkeypatch.setattr(config, "DEFAULT_PATH", Path("/usr/lib/python3/site-packages/config/config.yaml"))
    monkeypatch.chdir(house.parent)
    assert find() == house.parent / "config" / "config.yaml"


def test_a_link_to_a_file_elsewhere_belongs_where_the_link_is(house: Path) -> None:
    (house.parent / "shared.yaml").write_text("")
    link = house / "config" / "config.yaml"
    link.symlink_to(house.parent / "shared.yaml")
    assert config.load(config.find(str(link)), {}).root == house


def test_paths_count_from_the_folder_above_the_files(load: Load, house: Path) -> None:
    loaded = load("storage: {database_path: store/house.db}\nlogging: {log_file_path: /var/log/house.log}")
    assert loaded.root == house
    assert loaded.storage.database_path == house / "store" / "house.db"
    assert loaded.logging.log_file_path == Path("/var/log/house.log")
    assert loaded.collectors["hue"].ca_file == house / "config" / "hue-bridge-ca.pem"
    assert (loaded.data, loaded.secrets_path) == (house / "data", house / "config" / "secrets.yaml")


def test_the_shipped_file_shows_every_shared_key() -> None:
    """Those of the collectors are in tests/collectors/test_shipped_files.py."""
    text = config.EXAMPLE_PATH.read_text(encoding="utf-8")
    kinds = (config.Collection, config.Retry, config.Storage, config.Logging)
    names = [name for kind in kinds for name in vars(kind())]
    assert [name for name in names if f"\n  {name}: " not in text] == []


def test_the_commented_sections_of_the_example_work_once_they_are_uncommented(house: Path) -> None:
    text = config.DEFAULT_PATH.with_name("secrets.yaml.example").read_text(encoding="utf-8")
    before, email, notify = re.split(r"# (?=email:|notify:)", text)
    path = house / "config" / "secrets.yaml"
    path.write_text(before + (email.rpartition("\n\n")[0] + "\n" + notify).replace("\n#", "\n"), encoding="utf-8")
    kinds = {"email": lambda: Email, "webhook": lambda: Webhook, "command": lambda: Command}
    secrets = config.load_secrets(path, SECTIONS, lambda: kinds)
    assert secrets.notifiers["email"] == (Email(
        smtp_host="smtp.example.org", from_address="monitor@example.org", to=("you@example.org",)),)
    assert (len(secrets.notifiers["webhook"]), len(secrets.notifiers["command"])) == (1, 1)


def test_loading_a_right_file_imports_nothing_slow() -> None:
    """Every cycle of every collector pays for what is imported here."""
    script = ("import sys, config; config.load(config.EXAMPLE_PATH, {'hue': None, 'amazon_aqm': None});"
              "print(sorted({'difflib', 'requests', 'smtplib', 'sqlite3', 'click'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True,
                          env=unmeasured())
    assert done.stdout.strip() == "[]"


def test_a_section_without_a_type_is_left_unchecked_but_known(house: Path) -> None:
    (house / "config" / "config.yaml").write_text("collectors: {hue: {timeout_seconds: ten}}")
    loaded = config.load(house / "config" / "config.yaml", {**COLLECTORS, "hue": None})
    assert loaded.collectors == {"amazon_aqm": Monitor()}
    assert loaded.warnings == ()
