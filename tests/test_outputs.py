"""docs/outputs.md: its blocks to paste are accepted by what reads them, and every publisher has a section."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

import config
import publishers
from runtime import plugins
from storage.quantities import BY_COLUMN
from tests.checkout import CHECKOUT
from tests.home import Home
from tests.storage.samples import a_cycle, a_reading, store

PAGES = {name: (CHECKOUT / "docs" / name).read_text("utf-8") for name in ("outputs.md", "fleet.md")}
PAGE = PAGES["outputs.md"]
BLOCKS = [(title, block) for section in re.split(r"^(?=##+ )", PAGE, flags=re.MULTILINE)
          for title in [section.partition("\n")[0].lstrip("# ")]
          for block in re.findall(r"^```yaml\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)]
CRON = re.findall(r"^```cron\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PROMTOOL = shutil.which("promtool")
COMING = {"heartbeat", "influx", "limits", "mqtt", "page", "postgres", "prometheus", "snapshot"} - {*publishers.names()}


def blocks(first_line: str) -> list[Any]:
    return [pytest.param(block, id=title) for title, block in BLOCKS if block.startswith(f"# {first_line}")]


def wait_for(names: set[str]) -> None:
    if missing := names & COMING:
        pytest.skip(f"there is no publisher {', '.join(missing)} yet")


@pytest.mark.parametrize("block", blocks("config/config.yaml"))
def test_a_section_of_config_yaml_is_accepted(block: str, home: Home) -> None:
    sections = yaml.safe_load(block)["publishers"]
    wait_for({*sections})
    home.config.write_text(block, encoding="utf-8")
    configuration = config.load(home.config, {}, {name: publishers.load(name).Settings for name in sections})
    assert configuration.warnings == ()
    assert [configuration.publishers[name].enabled for name in sections] == [True]


@pytest.mark.parametrize("block", blocks("config/secrets.yaml"))
def test_a_section_of_secrets_yaml_is_accepted(block: str, home: Home) -> None:
    names = yaml.safe_load(block).keys() - {"email", "notify"}
    wait_for(names)
    home.write_secrets(yaml.safe_load(block))
    secrets = config.load_secrets(home.secrets, {name: publishers.load(name).Secrets for name in names},
                                  partial(plugins.settings_types, "notifiers"))
    assert (secrets.warnings, secrets.notifier_error) == ((), None)
    assert [secrets.sections[name].missing() for name in names] == [None for _ in names]


def test_every_publisher_has_a_section_and_a_line_in_the_index() -> None:
    index = PAGE.partition("\n## ")[0]
    anchors = {title.lower().replace(",", "").replace(" ", "-").replace(".", "")
               for title in re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) == anchors
    assert {name for name in publishers.names() if f"[{name}" not in index} == set()


def test_links_lead_to_files() -> None:
    for text in PAGES.values():
        for target in re.findall(r"\]\((?!http)([\w./-]+)", text):
            assert (CHECKOUT / "docs" / target).exists(), target


@pytest.mark.parametrize("line", CRON)
def test_a_cron_line_starts_what_exists(line: str) -> None:
    module = shlex.split(line)[-1]
    wait_for({module.removeprefix("publishers.")})
    assert re.match(r"[\d*/]+ [\d*]+ \* \* \* (sleep 40; )?cd ", line) and find_spec(module)


def test_the_command_of_home_assistants_sensor_answers_with_its_attributes(home: Home) -> None:
    block, = (yaml.safe_load(block) for title, block in BLOCKS if "command_line" in block)
    sensor = block["command_line"][0]["sensor"]
    home.write_config()
    store(home.database, a_cycle(a_reading(humidity_percent=43.0)))
    python, script, *arguments = shlex.split(sensor["command"])
    done = subprocess.run([sys.executable, str(CHECKOUT / Path(script).name), "--config", str(home.config), *arguments],
                          capture_output=True, text=True, cwd=home.folder, env={**os.environ, "PYTHONPATH": str(CHECKOUT)})
    assert python == f"{Path(script).parent}/.venv/bin/python"
    assert {*sensor["json_attributes"], "temperature_celsius"} <= json.loads(done.stdout).keys()


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here (Debian's package prometheus)")
def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    block, = (block for _, block in BLOCKS if block.startswith("# Rules of Prometheus"))
    (tmp_path / "rules.yml").write_text(block, encoding="utf-8")
    done = subprocess.run([str(PROMTOOL), "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done
    named = set(re.findall(r"home_monitor_(\w+)", block)) & {*BY_COLUMN}
    assert named == {"temperature_celsius"}
