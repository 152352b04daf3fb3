"""Files that are no proper YAML, or too much of it, become one sentence instead of a traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import config
from config import document
from tests.checkout import CHECKOUT
from tests.config.conftest import Load, Problems


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """LibYAML where it is installed, and Python's own parser where it is not."""
    monkeypatch.setattr(document, "LOADER", getattr(yaml, request.param))


BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n" for before, name in zip("abcdefgh", "bcdefghi"))

HOSTILE = {
    "an alias bomb": (BOMB, "line 1: anchors and aliases are not allowed"),
    "a lone alias": ("retry:\n  jitter: *half\n", "line 2: anchors and aliases are not allowed"),
    "an anchor on a mapping": ("retry: &shared\n  jitter: 0\n", "line 1: anchors and aliases"),
    "a Python object": ("a: 1\nb: !!python/object/apply:os.system [ls]\n", "line 2: tags are not allowed"),
    "a harmless tag": ("a: !!str 5\n", "line 1: tags are not allowed"),
    "a second document": ("a: 1\n---\nb: 2\n", "line 2: a second document begins"),
    "nesting in brackets": ("a: " + "[" * 60, "line 1"),
    "nesting far beyond the stack": ("[" * 60_000, "line 1"),
    "nesting in lines": ("".join(f"{' ' * depth}a:\n" for depth in range(60)), "line "),
    "a tab for indentation": ("retry:\n\tjitter: 0\n", "line 2, column 1: YAML does not allow a tab here, only spaces"),
    "two colons": ("retry:\n  jitter: 0: 1\n", "line 2, column 12: is this line indented like its neighbours?"),
    "a line too far right": ("retry:\n  jitter: 0\n    multiplier: 2\n", "line 3, column 15: is this line indented"),
    "a line too far left": ("retry:\n   jitter: 0\n  multiplier: 2\n", "line 3, column 3: is this line indented"),
    "an open bracket": ("a: 1\nb: [1,\n", "line 3, column 1: "),
    "an open quote": ("a: 'x\n", "line 2, column 1: "),
    "a reserved character": ("a: @x\n", "line 1, column 4: "),
    "a list at the top": ("- retry\n", "the file does not consist of 'key: value' lines"),
    "a single word": ("retry\n", "the file does not consist of 'key: value' lines"),
    "a list as a key": ("? [a]\n: 1\n", "line 1: a list or a mapping is not allowed as a key"),
    "a control character": ("a: 1\nb: \x1b[31m\n", "line 2: a control character is not allowed here"),
    "a merge conflict": ("retry:\n<<<<<<< Updated upstream\n  jitter: 0\n=======\n  jitter: 1\n>>>>>>> mine\n",
                         "line 2: <<<<<<< marks a merge conflict"),
    "a conflict's last mark": ("retry:\n  jitter: 0\n>>>>>>> mine\n", "line 3: >>>>>>> marks a merge conflict"),
    "a NUL": ("\x00", "line 1: a control character is not allowed here"),
}


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "sentence"), HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_yaml_is_one_sentence(text: str, sentence: str, problems: Problems, secret_problems: Problems) -> None:
    problem, = problems(text)
    assert sentence in problem and "\n" not in problem
    assert len(secret_problems(text)) == 1


@pytest.mark.usefixtures("loader")
def test_nesting_is_refused_after_50_levels() -> None:  # by us or by PyYAML, which since 6.0.4 has a limit as well
    assert document.parse("a: " + "[" * 49 + "]" * 49)
    with pytest.raises(document.Refused):
        document.parse("a: " + "[" * 50 + "]" * 50)


@pytest.mark.usefixtures("loader")
def test_every_repeated_key_is_named_with_both_lines(problems: Problems) -> None:
    """YAML itself would keep the last one in silence."""
    text = "retry:\n  jitter: 0\n  max_attempts: 3\n  jitter: 1\nlogging: {level: INFO}\nretry: {}\nretry: {}\n"
    assert problems(text) == ("line 4: the key jitter is repeated; it is already in line 2",
                              "line 6: the key retry is repeated; it is already in line 1",
                              "line 7: the key retry is repeated; it is already in line 1")


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("text", ["", "\n# only a comment\n", "---\n", "~\n", "{}\n", "\ufeff"])
def test_an_empty_file_means_all_defaults(text: str, load: Load) -> None:
    loaded = load(text)
    assert (vars(loaded.retry), loaded.collectors["hue"].enabled) == (vars(config.Retry()), True)


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(load: Load) -> None:
    assert load("\ufeffretry:\r\n  max_attempts: 7\r\n").retry.max_attempts == 7


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize("written", ["5:00", "010", "-0777", "1:30.5", "2026-11-22", "2026-99-99", "=", "1e3",
                                     "9" * 5000])
def test_what_yaml_would_silently_make_a_number_or_a_date_stays_text(written: str, load: Load) -> None:
    assert load(f"collectors: {{hue: {{bridge_ip: {written}}}}}").collectors["hue"].bridge_ip == written


def test_plain_values_are_read_as_expected(load: Load) -> None:
    hue = load("collectors: {hue: {enabled: off, temperature_min: -3.5, stale_after_seconds: 1_000,"
               " bridge_ip: \"10.0.0.2\", timeout_seconds: 7}}").collectors["hue"]
    assert (hue.enabled, hue.temperature_min, hue.stale_after_seconds) == (False, -3.5, 1000)
    assert (hue.bridge_ip, hue.timeout_seconds) == ("10.0.0.2", 7.0)
    assert isinstance(hue.timeout_seconds, float)


def test_a_file_of_64_kib_is_read_and_a_byte_more_is_refused(load: Load, problems: Problems) -> None:
    full = "retry: {max_attempts: 4}\n#"
    full += "x" * (64 * 1024 - len(full))
    assert load(full).retry.max_attempts == 4
    assert problems(full + "x") == ("the file is larger than 64 KiB",)


@pytest.mark.parametrize(("content", "sentence"), [
    ("a: 1\nb: Küche\n".encode("latin-1"), "line 2: the file is not encoded as UTF-8"),
    ("a: 1\n".encode("utf-16"), "line 1: the file is not encoded as UTF-8"),
    ("a: 1\n".encode("utf-16-le"), "line 1: a control character is not allowed here; is this a UTF-8 text file?"),
])
def test_another_encoding_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(config.ConfigurationError, match=re.escape(sentence)):
        document.read(tmp_path / "a.yaml", "")


def test_a_missing_configuration_has_two_remedies(house: Path) -> None:
    path = house / "config" / "config.yaml"
    with pytest.raises(config.ConfigurationError) as caught:
        config.load(config.find(str(path)), {})
    assert str(caught.value) == f"{path}: there is no such file"
    assert "--config" in caught.value.remedy and str(path) in caught.value.remedy


def test_a_directory_or_a_pipe_in_place_of_a_file_is_refused(house: Path) -> None:
    """Without waiting for someone to write into the pipe."""
    os.mkfifo(house / "config" / "config.yaml")
    for path, sentence in ((house / "config", "this is a directory, not a file"),
                           (house / "config" / "config.yaml", "this is not an ordinary file")):
        for load in config.load, config.load_secrets:
            with pytest.raises(config.ConfigurationError, match=sentence):
                load(path, {})


@pytest.mark.parametrize("name", ["circle", "file/config.yaml", "x" * 300])
def test_a_file_that_cannot_be_opened_is_an_error_with_the_reason(name: str, house: Path) -> None:
    (house / "circle").symlink_to(house / "circle")
    (house / "file").touch()
    for load in config.load, config.load_secrets:
        with pytest.raises(config.ConfigurationError, match="cannot be read: .+") as caught:
            load(house / name, {})
        assert "readable" in caught.value.remedy


def test_pyyaml_works_without_libyaml() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys\nsys.modules['yaml._yaml'] = None\nfrom config import document\n"
         "print(document.LOADER.__name__, document.parse('retry: {max_attempts: 5}'))"],
        cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("SafeLoader {'retry': {'max_attempts': 5}}\n", "")
