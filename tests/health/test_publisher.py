"""A publisher that is dropped into its folder is a component of the health check: its last success, and its probe."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from runtime.formats import format_time
from storage.state import State
from tests.checked_home import CheckedHome, healthy, public_folder
from tests.checkout import make_checkout
from tests.home import as_printed

SOURCE = """
from dataclasses import dataclass
from publishers import PublisherSettings
from publishers import NoSecrets as Secrets
from runtime.errors import CannotReach, NotAuthorised

@dataclass(frozen=True)
class Settings(PublisherSettings):
    enabled: bool = False
    answer: str = "it answers"

def publish(settings, secrets, changes, state, now):
    return "published"

def probe(settings, secrets, state, run):
    if settings.answer == "refused":
        raise NotAuthorised("the shelf refuses us", "unlock the shelf")
    if settings.answer == "gone":
        raise ConnectionRefusedError(111, "Connection refused")
    return settings.answer
"""


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    with public_folder() as folder:
        make_checkout(folder)
        (folder / "publishers" / "shelf.py").write_text(SOURCE, encoding="utf-8")
        yield folder / "healthcheck.py"


@pytest.fixture(scope="module")
def home() -> Iterator[CheckedHome]:
    with healthy() as healthy_home:
        yield healthy_home


def shelf(home: CheckedHome, checkout: Path, *arguments: str, age: timedelta | None = timedelta(minutes=5),
          **settings: Any) -> tuple[int, dict[str, Any] | None]:
    """Return the exit code, and the publisher's component if it has one; it last published that long ago."""
    home.write_config(publishers={"shelf": settings})
    state_file = home.data / "shelf.session.json"
    state_file.unlink(missing_ok=True)
    if age is not None:
        state = State(state_file)
        state["published_at"] = format_time(datetime.now(timezone.utc) - age)
        state.save()
    home.hand_over()
    run = home.check("--json", "--skip", "hue", "--skip", "amazon_aqm", *arguments, program=checkout)
    assert run.err == "", run.err
    components = {component["name"]: component for component in run.json["components"]}
    return run.code, components.get("shelf")


@pytest.mark.parametrize(("age", "arguments", "answer", "status", "code", "remedy"), [
    (timedelta(minutes=59), [], "it answers", "pass", 0, ""),
    (timedelta(minutes=61), [], "it answers", "warn", 0, "python -m publishers.shelf"),
    (None, [], "it answers", "warn", 0, "python -m publishers.shelf"),
    (timedelta(0), [], "refused", "fail", 1, "unlock the shelf"),
    (timedelta(0), [], "gone", "fail", 1, "python healthcheck.py --only shelf"),
    (timedelta(0), ["--offline"], "gone", "pass", 0, ""),
])
def test_a_publisher_is_late_or_does_not_answer(
        age: timedelta | None, arguments: list[str], answer: str, status: str, code: int, remedy: str,
        home: CheckedHome, checkout: Path) -> None:
    exit_code, component = shelf(home, checkout, *arguments, age=age, enabled=True, answer=answer)
    assert component is not None
    assert (exit_code, component["status"]) == (code, status) and as_printed(
        remedy, home.config, checkout.parent) in component["remedy"], component


def test_only_enabled_publishers_are_checked_unless_named(home: CheckedHome, checkout: Path) -> None:
    assert shelf(home, checkout) == (0, None)
    code, component = shelf(home, checkout, "--only", "shelf")
    assert component is not None and (code, component["status"]) == (0, "skipped")
    assert "shelf" in home.check("--help", program=checkout).out


def test_a_wrong_setting_of_a_publisher_is_reported_with_its_path(home: CheckedHome, checkout: Path) -> None:
    code, component = shelf(home, checkout, enabled=True, answer=7)
    assert component is not None and (code, component["status"]) == (2, "fail")
    assert "publishers.shelf.answer" in component["message"]
