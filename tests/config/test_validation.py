"""Values, ranges and unknown keys: which are accepted, and the messages about all others."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import config
from runtime.plugins import Section
from tests.config.conftest import Load, Problems
from tests.config.standins import Hue

RANGES = [
    ("collection.interval_seconds", 30, 86_400, 1),
    ("collection.cycle_deadline_seconds", 10, 300, 0.5),
    ("retry.max_attempts", 1, 10, 1),
    ("retry.base_delay_seconds", 0, 60, 0.1),
    ("retry.multiplier", 1, 10, 0.1),
    ("retry.max_delay_seconds", 0, 300, 0.1),
    ("retry.jitter", 0, 1, 0.1),
    ("storage.wal_checkpoint_interval", 0, 100_000, 1),
    ("storage.busy_timeout_ms", 0, 60_000, 1),
    ("storage.keep_cycles_days", 1, 3650, 1),
    ("logging.max_bytes", 10_000, 1_000_000_000, 1),
    ("logging.backup_count", 0, 100, 1),
    ("logging.min_free_mb", 0, 1_000_000, 1),
    ("collectors.hue.timeout_seconds", 0.1, 300, 0.05),
    ("collectors.hue.stale_after_seconds", 60, 604_800, 1),
    ("collectors.amazon_aqm.offset", -5, 5, 0.1),
]


def line(path: str, value: object) -> str:
    """Return the YAML that sets one value: `a.b.c` and 1 become `{a: {b: {c: 1}}}`."""
    keys = path.split(".")
    return "{" + ": {".join(keys) + f": {value}" + "}" * len(keys)


def held(loaded: config.Configuration, path: str) -> object:
    value: object = loaded
    for name in path.split("."):
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    return value


@pytest.mark.parametrize(("path", "lowest", "highest", "step"), RANGES)
def test_a_range_includes_both_ends(
        path: str, lowest: float, highest: float, step: float, load: Load, problems: Problems) -> None:
    expected = 1000 if path == "storage.wal_checkpoint_interval" else lowest  # to SQLite 0 would mean never
    assert held(load(line(path, lowest)), path) == expected
    assert held(load(line(path, highest)), path) == highest
    for outside in (lowest - step, highest + step):
        assert problems(line(path, outside)) == (
            f"{path}: {outside} is out of range; allowed is {lowest} to {highest}",)


@pytest.mark.parametrize(("path", "written", "sentence"), [
    ("collectors.hue.timeout_seconds", "ten", "'ten' is not a number; allowed is 0.1 to 300"),
    ("collectors.hue.timeout_seconds", "'10'", "'10' is not a number; allowed is 0.1 to 300"),
    ("collectors.hue.timeout_seconds", "yes", "true is not a number; allowed is 0.1 to 300"),
    ("collectors.hue.timeout_seconds", "[10]", "a list is not a number; allowed is 0.1 to 300"),
    ("collectors.hue.timeout_seconds", ".inf", "inf is not a finite number; allowed is 0.1 to 300"),
    ("collectors.hue.timeout_seconds", ".nan", "nan is not a finite number; allowed is 0.1 to 300"),
    ("collectors.hue.temperature_min", "9" * 400, "a very large number is not a finite number"),
    ("retry.max_attempts", "3.0", "3.0 is not a whole number; allowed is 1 to 10"),
    ("retry.max_attempts", "true", "true is not a whole number; allowed is 1 to 10"),
    ("storage.busy_timeout_ms", "0x" + "f" * 9000, "a very large number is out of range; allowed is 0 to 60000"),
    ("storage.enable_wal_mode", "1", "1 is neither true nor false"),
    ("storage.enable_wal_mode", "maybe", "'maybe' is neither true nor false"),
    ("storage.database_path", "''", "'' is not the name of a file"),
    ("storage.database_path", "5", "5 is not text; put it in quotes"),
    ("storage.database_path", "~/x.db",
     "'~/x.db' begins with ~, which is another folder for each account; write it out"),
    ("logging.level", "loud", "'loud' is not one of the choices; allowed is DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ("logging.level", "{}", "a mapping is not text; allowed is DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ("collectors.hue.bridge_id", "1234567890123456", "1234567890123456 is not text; put it in quotes"),
    ("collectors.hue.bridge_ip", "no", "false is not text; put it in quotes"),
    ("collectors.hue.bridge_ip", '"a\\nb"', "'a\\nb' contains a line break or another control character"),
    ("collectors.hue.bridge_ip", "[" + "x" * 9 + "]", "a list is not text"),
    ("collectors.hue.sensor_locations", "hall", "'hall' is not a mapping of keys to values"),
    ("collectors.amazon_aqm.domain", "alexa.amazon.xx",
     "'alexa.amazon.xx' is not one of the choices; allowed is alexa.amazon.com, alexa.amazon.de"),
    ("collectors.amazon_aqm.session", "[]", "a list is not text"),
    ("collection", "5", "5 is not a mapping of keys to values"),
    ("collectors", "[hue]", "a list is not a mapping of keys to values"),
    ("collectors.hue", "on", "true is not a mapping of keys to values"),
])
def test_a_wrong_value_is_reported_with_its_path(path: str, written: str, sentence: str, problems: Problems) -> None:
    """FR-021."""
    assert problems(line(path, written)) == (f"{path}: {sentence}",)


def test_a_long_value_is_shortened(problems: Problems) -> None:
    problem, = problems(line("retry.jitter", "'" + "long " * 1000 + "'"))
    assert problem.startswith("retry.jitter: 'long long") and len(problem) < 150


def test_all_problems_of_a_file_come_together(load: Load, house: Path) -> None:
    with pytest.raises(config.ConfigurationError) as caught:
        load("""
collection: {interval_seconds: 5, cycle_deadline_seconds: soon}
retry: []
storage: {busy_timeout_ms: -1}
logging: {level: 7}
collectors:
  hue:
    timeout_seconds: ten
    sensor_locations: {7: hall, "00:17": 8, "two words": null}
  amazon_aqm: {offset: 6}
""")
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "collection.interval_seconds", "collection.cycle_deadline_seconds", "retry", "storage.busy_timeout_ms",
        "logging.level", "collectors.hue.timeout_seconds", "collectors.hue.sensor_locations",
        "collectors.hue.sensor_locations.00:17", "collectors.hue.sensor_locations.'two words'",
        "collectors.amazon_aqm.offset"]
    assert "collectors.hue.sensor_locations: the key 7 is not text; put it in quotes" in caught.value.problems
    assert "collectors.hue.sensor_locations.'two words': null is not text" in caught.value.problems
    path = house / "config" / "config.yaml"
    assert str(caught.value) == f"{path}: " + "; ".join(caught.value.problems)
    assert "\n" not in str(caught.value) and str(path) in caught.value.remedy


def test_a_choice_may_be_written_in_any_case(load: Load) -> None:
    for written in ("warning", "Warning", "WARNING"):
        assert load(line("logging.level", written)).logging.level == "WARNING"


def test_null_means_none_if_allowed_else_the_default(load: Load) -> None:
    loaded = load("{retry: {max_attempts: null}, storage: null, collectors: {hue: {discovery_url: null,"
                  " timeout_seconds: ~, sensor_locations: null, ca_file: null}}}")
    assert vars(loaded.retry) == vars(config.Retry())
    hue = loaded.collectors["hue"]
    assert (hue.discovery_url, hue.timeout_seconds, hue.sensor_locations) == (None, 10.0, {})
    assert hue.ca_file == loaded.root / "config" / "hue-bridge-ca.pem"


def test_an_empty_text_means_none_if_allowed(load: Load) -> None:
    monitor = load("collectors: {amazon_aqm: {iaq_min: '', session: '', offset: ''}}").collectors["amazon_aqm"]
    assert (monitor.iaq_min, monitor.session, monitor.offset) == (None, None, None)


def test_rooms_are_kept_by_their_sensors(load: Load) -> None:
    hue = load("collectors: {hue: {sensor_locations: {'00:17:88:01-02-0402': Küche, '': ''}}}").collectors["hue"]
    assert hue.sensor_locations == {"00:17:88:01-02-0402": "Küche", "": ""}


def test_a_wrong_combination_is_reported_with_the_other_problems(problems: Problems) -> None:
    assert problems("{retry: {jitter: 2}, collectors: {hue: {temperature_min: 30, temperature_max: 20}}}") == (
        "retry.jitter: 2 is out of range; allowed is 0 to 1",
        "collectors.hue.temperature_min: is not below temperature_max")
    # Combinations of a section's values are checked only if each of them is valid.
    assert problems("collectors: {hue: {temperature_min: 50, temperature_max: cold}}") == (
        "collectors.hue.temperature_max: 'cold' is not a number",)


@pytest.mark.parametrize(("text", "warning"), [
    ("retry: {max_atempts: 5}", "retry.max_atempts: unknown key, ignored; did you mean max_attempts?"),
    ("collectors: {hue: {timeout_second: 5}}",
     "collectors.hue.timeout_second: unknown key, ignored; did you mean timeout_seconds?"),
    ("collectors: {hui: {}}", "collectors.hui: unknown key, ignored; did you mean hue?"),
    ("storage: {null: x}", "storage.null: unknown key, ignored"),
])
def test_an_unknown_key_is_a_warning_with_the_nearest_known_one(text: str, warning: str, load: Load) -> None:
    assert load(text).warnings == (warning,)


@pytest.mark.parametrize(("text", "problem"), [
    ("colectors: {}", "colectors: unknown section; did you mean collectors?"),
    ("zzz: {}", "zzz: unknown section"),
    ("collection:\ninterval_seconds: 60",
     "interval_seconds: unknown section; it is a key of collection: indent it below collection"),
    ("hue: {}", "hue: unknown section; it is a key of collectors: indent it below collectors"),
    ("email: {}", "email: unknown section; it belongs in secrets.yaml"),
    ("5: x", "5: unknown section"),
    ("on: x", "true: unknown section"),
    ('"a\\nb": x', "'a\\nb': unknown section"),
])
def test_an_unknown_section_is_an_error_with_the_nearest_name(text: str, problem: str, problems: Problems) -> None:
    assert problems(text) == (problem,)


def test_unknown_keys_do_not_invalidate_a_file(load: Load) -> None:
    loaded = load("{retry: {extra: 1, max_attempts: 5}, collectors: {extra: 1, hue: {extra: 1}}}")
    assert loaded.retry.max_attempts == 5
    assert [warning.split(":")[0] for warning in loaded.warnings] == [
        "retry.extra", "collectors.extra", "collectors.hue.extra"]


def test_a_type_may_require_a_key_rename_one_and_compare_them(house: Path) -> None:
    @dataclass(frozen=True)
    class Source(Section):
        address: str
        origin: str = field(default="here", metadata={"key": "from"})

        def problems(self) -> Iterator[tuple[str, str]]:
            if self.origin == self.address:
                yield "origin", "is the address itself"

    path = house / "config" / "config.yaml"
    for text, source, problems in (
            ("{}", None, ("collectors.source.address: is missing, and there is no default",)),
            ("{address: a, from: a}", Source("a", "a"), ("collectors.source.from: is the address itself",)),
            ("{address: a, from: b}", Source("a", "b"), ())):
        path.write_text(f"collectors: {{source: {text}}}")
        configuration, error = config.survey(path, {"source": Source})
        assert (configuration.collectors["source"], error.problems if error else ()) == (source, problems)


def test_settings_cannot_be_changed(load: Load) -> None:
    loaded = load("")
    with pytest.raises(AttributeError):
        loaded.retry.max_attempts = 9  # type: ignore[misc]  # The very thing that must fail.
    assert loaded.collectors["hue"] == Hue(ca_file=loaded.root / "config" / "hue-bridge-ca.pem")
