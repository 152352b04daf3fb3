"""The rules of tests/house_rules.py hold, and each of them can fail."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests import house_rules
from tests.checkout import CHECKOUT, ROOMS
from tests.home import Home
from tests.house_rules import RULES, Rule, Source
from tests.simulator.server import Simulator

LONG = "def f():\n" + "    pass\n" * 40
METHODS = "class A:\n" + "".join(f"    def f{n}(self): pass\n" for n in range(9))
PLANTED: list[tuple[Rule, str, str, str]] = [
    (house_rules.errors_are_caught_by_name, "storage/a.py", "try: pass\nexcept Exception: pass", "a.py:2 catches"),
    (house_rules.errors_are_caught_by_name, "jobs/job.py", "try: pass\nexcept: pass\n" * 2, "job.py:4 catches"),
    (house_rules.errors_are_caught_by_name, "cli/a.py", "with suppress(BaseException): pass", "a.py:1 catches"),
    (house_rules.the_wall_clock_is_read_once_per_script, "devices.py", "datetime.now()\n" * 2, "devices.py:2 reads"),
    (house_rules.sql_stays_in_storage, "health/a.py", "A = 'SELECT 1 FROM b'", "a.py:1 speaks SQL"),
    (house_rules.no_library_is_patched, "jobs/a.py", "import re\nre.compile = print", "a.py:2 patches re.compile"),
    (house_rules.no_library_is_patched, "jobs/a.py", "import sys\nsys.path.append('')", "a.py:2 changes sys."),
    (house_rules.no_library_is_patched, "jobs/a.py", "import sys\nsys.modules['re'] = None", "a.py:2 changes sys."),
    (house_rules.contracts_are_not_probed, "jobs/a.py", "hasattr(settings, 'b')", "a.py:1 asks"),
    (house_rules.exceptions_from_a_tool_have_a_reason, "jobs/a.py", "A = 1  # noqa: E501", "a.py gives no reason"),
    (house_rules.sizes_are_kept, "jobs/a.py", "A = 1\n" * 251, "a.py has 251.0 lines"),
    (house_rules.sizes_are_kept, "jobs/a.py", LONG, "a.py:1 f has 41.0 lines"),
    (house_rules.sizes_are_kept, "jobs/a.py", "def f(a, b, c, d, e, *, g, h, i, j): pass", "f has 9.0 parameters"),
    (house_rules.sizes_are_kept, "jobs/a.py", METHODS, "A has 9.0 public methods"),
    (house_rules.sizes_are_kept, "jobs/a.py", LONG.replace("    pass\n", "", 29), "the median function has 12.0"),
    (house_rules.no_room_outgrows_the_house, "jobs/a.py", "A = 1\n", "jobs holds 100% of the source"),
    (house_rules.modules_import_each_other_in_no_circle, "jobs/a.py", "def f():\n    import jobs.b", "a circle: jobs."),
    (house_rules.nothing_imports_the_tests, "cli/a.py", "def f():\n    from tests import home", "a.py:2 imports tests"),
    (house_rules.prose_is_short_and_plain, "cli/a.py", "# one two", "2000.0 words of prose"),
    (house_rules.prose_is_short_and_plain, "cli/a.py", "# lest we forget", "5.0 stilted idioms"),
]


@cache
def house() -> list[Source]:
    """Read the program's files, once for all rules."""
    return house_rules.read(CHECKOUT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_rule_is_kept(rule: Rule) -> None:
    assert list(rule(house())) == []


@pytest.mark.parametrize(("rule", "path", "text", "complaint"), PLANTED)
def test_a_planted_violation_is_found(rule: Rule, path: str, text: str, complaint: str, tmp_path: Path) -> None:
    for name, content in {path: text, "jobs/b.py": "import jobs.a\n"}.items():
        if name == path or "import jobs.b" in text:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content, encoding="utf-8")
    assert complaint in "\n".join(rule(house_rules.read(tmp_path)))


def test_every_rule_has_been_seen_to_fail_and_looks_at_every_room() -> None:
    assert {rule for rule, *_ in PLANTED} == set(RULES)
    assert {source.path.partition("/")[0] for source in house()} >= {*ROOMS, "devices.py"}


def test_a_healthy_cycle_stays_within_its_budget_of_hops(simulator: Simulator, home: Home) -> None:
    """A reader follows a reading through few files; a cold start pays for each of them."""
    home.settings = {"collectors": {"hue": {"bridge_ip": simulator.http_url}, "amazon_aqm": {"enabled": False}}}
    home.write_config()
    home.write_secrets({"hue": {"api_key": simulator.key}})
    assert home.process().code == 0  # the first cycle makes the database
    home.wait_for_the_next_second()
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    traced = subprocess.run([sys.executable, "-m", "tests.hops", *home.command("--quiet")[2:]], cwd=CHECKOUT, env=environment,
                            capture_output=True, text=True)
    walk = json.loads(traced.stdout)
    assert walk["exit"] == 0
    assert (walk["files"] <= 28, walk["hops"] <= 350, walk["depth"] <= 15) == (True, True, True), walk
