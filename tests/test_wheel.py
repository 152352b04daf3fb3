"""The installed package: no checkout, another folder, and one command, home-monitor."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import config
from tests import wheel
from tests.home import Home, Outcome
from tests.simulator.server import Simulator

pytestmark = [pytest.mark.slow, pytest.mark.skipif(wheel.why_not() is not None, reason=wheel.why_not() or "")]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return wheel.install(wheel.build(folder), folder / "a venv")


@pytest.fixture
def flat(program: Path, tmp_path: Path) -> Iterator["Flat"]:
    """A folder with the files that `init` made, and a simulated bridge."""
    with Simulator(tls=None) as simulator:
        yield Flat(program, tmp_path / "flat", simulator)


class Flat:
    """A home of the installed program."""

    def __init__(self, program: Path, folder: Path, simulator: Simulator) -> None:
        folder.mkdir()
        self.program, self.folder = program, folder
        self.made = self.run("init")
        self.home = Home(folder)
        self.example = self.home.config.read_bytes()
        self.home.point_at(simulator, scheme="http")

    def run(self, *arguments: str) -> Outcome:
        return wheel.run(self.program, *arguments, folder=self.folder)


def test_it_is_set_up_collects_lists_and_checks_in_its_own_folder(flat: Flat) -> None:
    assert flat.made.code == 0 and flat.example == config.EXAMPLE_PATH.read_bytes()
    assert flat.made.out.endswith(f"Next: '{flat.program}' devices --config {flat.home.config} pair hue\n")
    collected = flat.run("collect", "hue")
    assert (collected.code, collected.out, collected.err) == (0, "", "")
    assert len(flat.home.rows()) == 5
    assert "Utility" in flat.run("devices", "list").out
    checked = flat.run("check", "--json")
    assert checked.code == 0, checked
    assert {component["name"]: component["status"] for component in checked.json["components"]}["hue"] == "pass"
    flat.home.write_config(publishers={"page": {"enabled": True}})
    assert flat.run("publish").code == 0 and (flat.home.data / "page.html").exists()


@pytest.mark.parametrize(("arguments", "code", "text"), [
    (("collect",), 2, "hue"), (("collect", "toaster"), 2, "hue"), (("publish", "nowhere"), 2, "names"),
    (("tidy",), 2, "there is no command 'tidy'"), (("--help",), 0, "collect NAME"), ((), 0, "collect NAME"),
    (("collect", "hue", "--help"), 0, "--discover"), (("check", "--help"), 0, "--nagios"),
    (("devices", "--help"), 0, "set-name")])
def test_each_command_is_the_script_of_that_name(
        program: Path, arguments: tuple[str, ...], code: int, text: str, tmp_path: Path) -> None:
    done = wheel.run(program, *arguments, folder=tmp_path)
    assert done.code == code and text in done.out + done.err, done
    assert "Traceback" not in done.err


def test_without_settings_each_command_names_the_file_of_the_current_folder(program: Path, tmp_path: Path) -> None:
    for arguments in (("collect", "hue"), ("check", "--offline"), ("devices", "list")):
        done = wheel.run(program, *arguments, folder=tmp_path)
        assert done.code == 2 and f"{tmp_path}/config/config.yaml" in done.out + done.err, done


def test_nothing_but_the_program_is_in_it(program: Path) -> None:
    packages, = program.parent.parent.glob("lib/python*/site-packages")
    assert not (packages / "tests").exists() and not (packages / "config" / "secrets.yaml").exists()
    assert (packages / "config" / "secrets.yaml.example").exists()
