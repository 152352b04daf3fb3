"""Which file is read, what the paths in it mean, and what ships with the project."""

import subprocess
import sys
from pathlib import Path

import pytest

import config
from notifiers.email import Settings as Email
from tests.config.conftest import Load
from tests.config.standins import COLLECTORS, SECTIONS, Hue, HueSecrets, Monitor, MonitorSecrets
from tests.home import unmeasured

CHECKOUT = config.DEFAULT_PATH.parent.parent


def test_without_a_flag_or_a_variable_the_checkouts_own_file_is_found() -> None:
    assert config.find(None) == config.DEFAULT_PATH == Path(config.__file__).parent / "config.yaml"
    assert config.DEFAULT_PATH.is_file()


def test_the_environment_variable_wins_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_MONITOR_CONFIG", "/etc/house/config.yaml")
    assert config.find(None) == Path("/etc/house/config.yaml")


def test_the_flag_wins_over_the_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_MONITOR_CONFIG", "/etc/house/config.yaml")
    assert config.find("/srv/flat/config/config.yaml") == Path("/srv/flat/config/config.yaml")


def test_an_empty_environment_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_MONITOR_CONFIG", "")
    assert config.find(None) == config.DEFAULT_PATH


@pytest.mark.parametrize(("argument", "found"), [
    ("config/config.yaml", "config/config.yaml"),
    ("../other.yaml", "../other.yaml"),
    ("./config/../config/config.yaml", "config/config.yaml"),
])
def test_a_relative_argument_counts_from_the_current_directory(
        argument: str, found: str, house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house)
    expected = house.parent / "other.yaml" if found.startswith("..") else house / found
    assert config.find(argument) == expected


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
    assert loaded.collectors["amazon_aqm"].session is None


def test_the_data_folder_stays_beside_the_configuration_wherever_the_database_is(load: Load, house: Path) -> None:
    loaded = load("storage: {database_path: /elsewhere/readings.db}")
    assert loaded.data == house / "data"
    assert loaded.secrets_path == house / "config" / "secrets.yaml"


def test_a_relative_path_is_loaded_as_an_absolute_one(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (house / "config" / "config.yaml").write_text("")
    monkeypatch.chdir(house / "config")
    loaded = config.load(Path("config.yaml"), {})
    assert (loaded.path, loaded.root) == (house / "config" / "config.yaml", house)


def test_the_shipped_file_shows_every_key() -> None:
    """A key the file left out would not be found by anyone who reads only the file."""
    text = config.DEFAULT_PATH.read_text(encoding="utf-8")
    for kind in (config.Collection, config.Retry, config.Storage, config.Logging, Hue):
        for name in kind.__dataclass_fields__:
            assert f"\n{'    ' if kind is Hue else '  '}{name}: " in text


def test_the_shipped_example_of_secrets_holds_none() -> None:
    example = config.load_secrets(config.DEFAULT_PATH.with_name("secrets.yaml.example"), SECTIONS)
    assert example.sections == {"hue": HueSecrets(), "amazon_aqm": MonitorSecrets()}
    assert (example.values, example.warnings) == ((), ())


def test_the_commented_section_of_the_example_works_once_it_is_uncommented(house: Path) -> None:
    text = config.DEFAULT_PATH.with_name("secrets.yaml.example").read_text(encoding="utf-8")
    before, section = text.split("# email:")
    path = house / "config" / "secrets.yaml"
    path.write_text(before + "email:" + section.replace("\n#", "\n"), encoding="utf-8")
    secrets = config.load_secrets(path, SECTIONS, {"email": lambda: Email})
    assert secrets.notifiers["email"] == (Email(
        smtp_host="smtp.example.org", from_address="monitor@example.org", to=("you@example.org",)),)


def test_loading_a_right_file_imports_nothing_slow() -> None:
    """Every cycle of every collector pays for what is imported here."""
    script = ("import sys, config; config.load(config.DEFAULT_PATH, {'hue': None, 'amazon_aqm': None});"
              "print(sorted({'difflib', 'requests', 'smtplib', 'sqlite3', 'click'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True,
                          env=unmeasured())
    assert done.stdout.strip() == "[]"


def test_a_section_without_a_type_is_left_unchecked_but_known(house: Path) -> None:
    (house / "config" / "config.yaml").write_text("collectors: {hue: {timeout_seconds: ten}}")
    loaded = config.load(house / "config" / "config.yaml", {**COLLECTORS, "hue": None})
    assert loaded.collectors == {"amazon_aqm": Monitor()}
    assert loaded.warnings == ()
