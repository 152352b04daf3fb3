"""The predecessor's files: some keys are honoured, others dropped without a warning; its names are read."""

from pathlib import Path

import pytest

import config
from config.legacy import NamedDevice, known_devices
from tests.config.conftest import Load, LoadSecrets, Problems

WHOLE = """
collection: {interval_seconds: 600, retry_attempts: 5, retry_backoff_base: 2, collection_interval: 900}
storage:
  database_path: data/readings.db
  enable_pooling: true
  enable_wal_mode: true
  wal_checkpoint_interval: 0
  retry_max_attempts: 4
  retry_base_delay: 0.5
  busy_timeout_ms: 5000
logging: {level: info, enable_file_logging: true, log_file_path: data/logs/collection.log, max_bytes: 10485760,
          backup_count: 5, encoding: utf-8}
validation: {temperature_min: 0, temperature_max: 40}
nest: {enabled: false}
weather: {enabled: false, units: metric}
collectors:
  general: {timeout: 5}
  nest: {enabled: false}
  weather: {location: "Ulm, DE"}
  hue:
    bridge_ip: 192.168.1.105
    auto_discover: true
    timeout_seconds: 30
    collection_interval: 300
    retry_attempts: 3
    retry_backoff_base: 1
    fallback_to_name: true
    temperature_min: 0
    temperature_max: 40
    sensor_locations: {"00:17:88:01:02:02:b5:21-02-0402": Utility}
    collect_battery_level: true
    collect_signal_strength: true
  amazon_aqm: {collection_interval: 300, retry_attempts: 3, retry_backoff_base: 1, max_timeout: 120, iaq_max: 100,
               fallback_location: Home, collect_temperature: true, collect_humidity: true, collect_pm25: true,
               collect_voc: true, collect_co: true, collect_iaq: true, collect_connectivity: true}
"""


def test_a_whole_file_of_the_predecessor_loads_without_a_warning(load: Load) -> None:
    loaded = load(WHOLE)
    assert loaded.warnings == ()
    assert vars(loaded.retry) == vars(config.Retry(max_attempts=5, base_delay_seconds=2.0))
    assert (loaded.collection.interval_seconds, loaded.storage.wal_checkpoint_interval) == (600, 1000)
    assert (loaded.logging.level, loaded.logging.max_bytes) == ("INFO", 10_485_760)
    assert loaded.logging.log_file_path == loaded.root / "data" / "logs" / "collection.log"
    hue = loaded.collectors["hue"]
    assert (hue.bridge_ip, hue.timeout_seconds) == ("192.168.1.105", 30.0)
    assert hue.sensor_locations == {"00:17:88:01:02:02:b5:21-02-0402": "Utility"}


@pytest.mark.parametrize(("text", "honoured"), [
    ("collection: {retry_attempts: 5}", {"max_attempts": 5}),
    ("storage: {retry_max_attempts: 6}", {"max_attempts": 6}),
    ("collection: {retry_backoff_base: 4}", {"base_delay_seconds": 4}),
    ("storage: {retry_base_delay: 0.25}", {"base_delay_seconds": 0.25}),
    ("{collection: {retry_attempts: 5, retry_backoff_base: 4},"
     " storage: {retry_max_attempts: 6, retry_base_delay: 8}}", {"max_attempts": 5, "base_delay_seconds": 4}),
    ("{retry: {max_attempts: 2}, collection: {retry_attempts: 5, retry_backoff_base: 4}}",
     {"max_attempts": 2, "base_delay_seconds": 4}),
    ("{retry: {base_delay_seconds: 3}, storage: {retry_base_delay: 8}}", {"base_delay_seconds": 3}),
    ("{retry: null, collection: {retry_attempts: 5}}", {"max_attempts": 5}),
    ("collection: {retry_max_attempts: 7, retry_base_delay: 4}", {"max_attempts": 7, "base_delay_seconds": 4}),
    ("storage: {retry_attempts: 8, retry_backoff_base: 9}", {"max_attempts": 8, "base_delay_seconds": 9}),
    ("collection: {retry_attempts: null}", {}),
    ("{collection: {retry_attempts: null}, storage: {retry_max_attempts: 6}}", {"max_attempts": 6}),
    ("collection: {retry_max_delay: 45, retry_multiplier: 3}", {"max_delay_seconds": 45, "multiplier": 3}),
    ("storage: {retry_max_delay: 45, retry_multiplier: 3}", {"max_delay_seconds": 45, "multiplier": 3}),
    ("collection: {retry_on: [timeout], retry_strategy: exponential, max_timeout: 120}", {}),
    ("storage: {retry_jitter: true, retry_: x}", {}),
])
def test_its_retries_are_honoured_unless_there_are_new_keys(text: str, honoured: dict[str, float], load: Load) -> None:
    loaded = load(text)
    assert vars(loaded.retry) == vars(config.Retry()) | honoured
    assert loaded.warnings == ()


def test_its_interval_is_honoured_unless_there_is_the_new_key(load: Load) -> None:
    assert load("collection: {collection_interval: 900}").collection.interval_seconds == 900
    assert load("collection: {collection_interval: 900, interval_seconds: 600}").collection.interval_seconds == 600


@pytest.mark.parametrize(("text", "sentence"), [
    ("collection: {retry_attempts: 50}", "collection.retry_attempts: 50 is out of range; allowed is 1 to 10"),
    ("storage: {retry_max_attempts: x}", "storage.retry_max_attempts: 'x' is not a whole number; allowed is 1 to 10"),
    ("collection: {retry_backoff_base: -1}", "collection.retry_backoff_base: -1 is out of range; allowed is 0 to 60"),
    ("storage: {retry_base_delay: 61}", "storage.retry_base_delay: 61 is out of range; allowed is 0 to 60"),
    ("storage: {retry_max_delay: 301}", "storage.retry_max_delay: 301 is out of range; allowed is 0 to 300"),
    ("collection: {collection_interval: 5}",
     "collection.collection_interval: 5 is out of range; allowed is 30 to 86400"),
])
def test_a_wrong_value_is_reported_under_the_old_key(text: str, sentence: str, problems: Problems) -> None:
    assert problems(text) == (sentence,)


@pytest.mark.parametrize(("hue", "url"), [
    ("auto_discover: false", None),
    ("auto_discover: true", "https://discovery.meethue.com"),
    ("auto_discover: false, discovery_url: 'http://localhost/'", "http://localhost/"),
])
def test_a_discovery_that_was_turned_off_stays_off(hue: str, url: str | None, load: Load) -> None:
    loaded = load(f"collectors: {{hue: {{{hue}}}}}")
    assert loaded.collectors["hue"].discovery_url == url
    assert loaded.warnings == ()


def test_an_old_name_that_a_collector_uses_today_is_not_dropped(load: Load, problems: Problems) -> None:
    """The stand-in's `iaq_min` is its own; in the Hue section, which has none, it is passed over."""
    loaded = load("collectors: {amazon_aqm: {iaq_min: 10}, hue: {iaq_min: x, collect_light_level: false}}")
    assert loaded.collectors["amazon_aqm"].iaq_min == 10
    assert loaded.collectors["hue"].collect_light_level is False
    assert problems("collectors: {amazon_aqm: {iaq_min: x}}") == (
        "collectors.amazon_aqm.iaq_min: 'x' is not a whole number",)


@pytest.mark.parametrize("text", [
    "retry: 5\ncollection: {retry_attempts: 5}",
    "collectors: 5\nretry: x",
    "collection: [retry_attempts]",
    "collectors: {hue: 5, general: 6}",
])
def test_sections_of_the_wrong_form_are_problems(text: str, problems: Problems) -> None:
    assert any("is not a mapping of keys to values" in problem for problem in problems(text))


def test_its_sections_of_secrets_cause_no_warning(house: Path) -> None:
    path = house / "config" / "secrets.yaml"
    path.write_text("{hue: {api_key: xxxx}, amazon_aqm: {cookies: {}}, nest: {}, weather: {}, hul: {}}")
    assert config.load_secrets(path, {}).warnings == ("hul: unknown key, ignored; did you mean hue?",)


def test_its_secrets_are_loaded_and_redacted(load_secrets: LoadSecrets) -> None:
    secrets = load_secrets("""
hue: {api_key: hueCanary1, bridge_id: "001788fffe123456"}
amazon_aqm: {cookies: {session-id: "257-1234567", at-acbuk: "Atza|Canary2"}}
nest: {client_id: nestCanary3, client_secret: nestCanary4}
weather: {provider: openweathermap, api_key: weatherCanary5, location: "Ulm, DE"}
""")
    assert secrets.warnings == ()
    assert secrets.sections["amazon_aqm"].cookies == {"session-id": "257-1234567", "at-acbuk": "Atza|Canary2"}
    assert set(secrets.values) == {"hueCanary1", "257-1234567", "Atza|Canary2", "nestCanary3", "nestCanary4",
                                   "weatherCanary5"}


def devices(house: Path, text: str) -> list[NamedDevice]:
    (house / "config" / "device_registry.yaml").write_text(text, encoding="utf-8")
    return known_devices(house / "config" / "config.yaml")


@pytest.mark.parametrize("head", ["", "devices:\n"])
def test_names_and_places_are_read_by_id_with_or_without_a_heading(head: str, house: Path) -> None:
    assert known_devices(house / "config" / "config.yaml") == []  # there is no file yet
    indent = "  " if head else ""
    text = head + "".join(indent + line + "\n" for line in (
        'hue:00:17:88:01:02:03:04:05-02-0402: {name: Larder, location: Cellar, device_type: hue_sensor}',
        '"alexa:G123": {location: Küche}'))
    assert devices(house, text) == [
        NamedDevice("hue:00:17:88:01:02:03:04:05-02-0402", "hue_sensor", "Larder", "Cellar"),
        NamedDevice("alexa:G123", None, None, "Küche")]


@pytest.mark.parametrize("text", ["", "devices:\n", "devices: []\n", "devices: text\n", "version: 1\n",
                                  "a: {name: B}\n", "00:17:88:01:02:03:04:05-02-0402: {name: B}\n",
                                  "ec:b5:fa:01: {name: B}\n", "':x': {name: B}\n", "'hue:': {name: B}\n",
                                  "'hue:1': text\n", "'hue:1': [name, B]\n", "'hue:1':\n"])
def test_other_entries_are_left_out(text: str, house: Path) -> None:
    assert devices(house, text) == []


@pytest.mark.parametrize("value", ["''", "'  '", "null", "7", "true", "[Larder]", "{a: b}"])
def test_an_invalid_name_is_none(value: str, house: Path) -> None:
    text = f"'hue:1': {{name: {value}, location: Cellar}}"
    assert devices(house, text) == [NamedDevice("hue:1", None, None, "Cellar")]


@pytest.mark.parametrize("text", ["a: b: c\n", "- a\n", "'hue:1': {}\n'hue:1': {}\n", "a: &x {}\n"])
def test_an_unreadable_file_is_an_error_with_two_remedies(text: str, house: Path) -> None:
    with pytest.raises(config.ConfigurationError) as caught:
        devices(house, text)
    assert "device_registry.yaml" in str(caught.value)
    assert "or remove it" in caught.value.remedy
