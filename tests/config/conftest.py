"""A house of its own for each test: `house/config/config.yaml` and `secrets.yaml`, written as a human would."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import config
from notifiers.email import Settings as Email
from tests.config.standins import COLLECTORS, SECTIONS

Load = Callable[[str], config.Configuration]
LoadSecrets = Callable[[str], config.Secrets]
Problems = Callable[[str], tuple[str, ...]]


@pytest.fixture(autouse=True)
def no_configuration_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME_MONITOR_CONFIG", raising=False)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "house" / "config").mkdir(parents=True)
    return tmp_path / "house"


@pytest.fixture
def load(house: Path) -> Load:
    def written_and_loaded(text: str) -> config.Configuration:
        path = house / "config" / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return config.load(path, COLLECTORS)
    return written_and_loaded


@pytest.fixture
def load_secrets(house: Path) -> LoadSecrets:
    """Write the text as secrets.yaml and load it."""
    def written_and_loaded(text: str) -> config.Secrets:
        path = house / "config" / "secrets.yaml"
        path.write_text(text, encoding="utf-8")
        return config.load_secrets(path, SECTIONS, lambda: {"email": lambda: Email})
    return written_and_loaded


@pytest.fixture
def problems(load: Load) -> Problems:
    return partial(_problems, load)


@pytest.fixture
def secret_problems(house: Path) -> Problems:
    def problems(text: str) -> tuple[str, ...]:
        path = house / "config" / "secrets.yaml"
        path.write_text(text, encoding="utf-8")
        secrets, error = config.survey_secrets(path, SECTIONS, lambda: {"email": lambda: Email})
        wrong = error or secrets.notifier_error
        assert wrong is not None
        return wrong.problems
    return problems


def _problems(load: Callable[[str], object], text: str) -> tuple[str, ...]:
    with pytest.raises(config.ConfigurationError) as caught:
        load(text)
    return caught.value.problems
