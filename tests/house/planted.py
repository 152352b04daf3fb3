"""Violations to plant: for each rule the file that breaks it, what that holds, and a piece of what is then said.

And what only looks like a violation: for a rule, files that it has nothing to say about.
"""

from collections.abc import Callable, Mapping

from tests.house import habits, imports, sizes
from tests.house.sources import Source

Rule = Callable[[list[Source]], list[str]]

# Stands around each planted file: an import is only of ours if what it names is there.
NEIGHBOURS = {
    "collectors/hue/__init__.py": "'''Hue.'''",
    "collectors/hue/bridge.py": "'''Bridge.'''\nfrom collectors.hue import Settings",
    "storage/manager.py": "'''Manager.'''",
    "storage/memory.py": "'''Memory.'''",
    "storage/reading.py": "'''Reading.'''",
    "tests/simulator/house.py": "'''House.'''",
}

LONG = "def long():\n" + "    pass\n" * 40
LONGISH = "def longish():\n" + "    pass\n" * 25
MIDDLING = "def middling():\n" + "    pass\n" * 10
CAUGHT = "try:\n    pass\nexcept Exception:\n    pass\n"
CLOCK = "from datetime import datetime\nNOW = datetime.now()\n"
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "

VIOLATIONS: dict[Rule, list[tuple[str, str, str]]] = {
    imports.every_file_belongs_to_a_room: [
        ("demo.py", "", "demo.py belongs to no room"),
        ("storage.py", "", "storage.py belongs to no room"),
        ("network/wifi.py", "", "network/wifi.py belongs to no room"),
    ],
    imports.imports_keep_to_the_plan: [
        ("storage/a.py", "from collectors.kit.retry import retry", "storage/a.py:1 imports collectors.kit.retry retry"),
        ("storage/a.py", "import config", "storage/a.py:1 imports config"),
        ("config/a.py", "def f():\n    import storage", "config/a.py:2 imports storage"),
        ("config/a.py", FOR_TYPES + "from storage import reading", "config/a.py:3 imports storage.reading"),
        ("config/a.py", "from ..storage.reading import Reading", "config/a.py:1 imports storage.reading Reading"),
        ("collectors/kit/a.py", "from collectors import hue", "a.py:1 imports collectors.hue"),
        ("collectors/kit/a.py", "import devices", "a.py:1 imports devices"),
        ("collectors/__init__.py", "def f():\n    from . import hue", "__init__.py:2 imports collectors.hue"),
        ("collectors/aqm.py", "from collectors.hue import Settings", "aqm.py:1 imports collectors.hue Settings"),
        ("collectors/aqm.py", "import config.settings", "aqm.py:1 imports config.settings"),
        ("collectors/aqm.py", "from storage import manager", "aqm.py:1 imports storage.manager"),
        ("collectors/aqm.py", "from storage.memory import write", "aqm.py:1 imports storage.memory write"),
        ("collectors/aqm.py", "from collectors import load", "aqm.py:1 imports collectors load"),
        ("devices.py", "def f():\n    from collectors import hue", "devices.py:2 imports collectors.hue"),
        ("devices.py", "from tests.simulator import house", "devices.py:1 imports tests.simulator.house"),
        ("healthcheck.py", "import collectors.hue.bridge", "healthcheck.py:1 imports collectors.hue.bridge"),
    ],
    imports.collectors_are_handed_their_memory: [
        ("collectors/aqm.py", "from storage.memory import Memory\nmemory = Memory(0)", "aqm.py:2 makes a Memory"),
    ],
    imports.imports_make_no_cycle: [
        ("config/a.py", "from config import a", "config.a needs config.a"),
        ("collectors/hue/__init__.py", "class A:\n    from collectors.hue import bridge",
         "collectors.hue needs collectors.hue.bridge needs collectors.hue"),
        ("collectors/hue/__init__.py", "try:\n    import collectors.hue.bridge as b\nexcept ImportError:\n    pass",
         "collectors.hue.bridge needs collectors.hue"),
    ],
    imports.modules_are_named_where_they_are_imported: [
        ("devices.py", "from importlib import import_module\nHUE = import_module('hue')", "devices.py:2 imports by"),
        ("devices.py", "HUE = __import__('collectors.hue')", "devices.py:1 imports by __import__"),
    ],
    imports.nobody_touches_sys_path: [
        ("devices.py", "from sys import path\npath.append('.')", "devices.py:2 touches sys.path"),
        ("tests/conftest.py", "import sys\nsys.path.insert(0, '.')", "tests/conftest.py:2 touches sys.path"),
    ],
    sizes.no_function_is_long: [
        ("devices.py", LONG, "devices.py:1 long has 41 lines"),
    ],
    sizes.most_functions_are_short: [
        ("devices.py", LONGISH, "100% of the functions have more than 25 lines"),
        ("devices.py", MIDDLING, "the median function has 11 lines"),
    ],
    sizes.no_file_is_long: [
        ("devices.py", "X = 1\n\n" * 251, "devices.py has 251 lines"),
    ],
    sizes.all_that_is_public_says_what_it_is_for: [
        ("devices.py", "# Devices.", "devices.py has no docstring"),
        ("devices.py", "'''D.'''\nasync def f(): pass", "devices.py:2 f has no docstring"),
        ("devices.py", "'''D.'''\nclass A: pass", "devices.py:2 A has no docstring"),
        ("devices.py", "class A:\n    '''A.'''\n    def m(self): pass", "devices.py:3 m has no docstring"),
        ("devices.py", "class A:\n    def __call__(self):\n" + "        self\n" * 10, "2 __call__ has no docstring"),
    ],
    sizes.tests_mirror_the_tree: [
        ("config/__init__.py", "", "config has neither tests/test_config.py nor tests in tests/config/"),
        ("collectors/aqm.py", "", "collectors/aqm has neither tests/collectors/test_aqm.py nor tests in"),
        ("collectors/kit/log/line.py", "", "kit/log has neither tests/collectors/kit/test_log.py nor tests in"),
        ("devices.py", "", "devices has neither tests/test_devices.py nor tests in tests/devices/"),
    ],
    sizes.tests_outweigh_the_program: [
        ("devices.py", "A = 1\n\nB = 2\n", "lines of tests for each of the program's 8, less"),
    ],
    habits.errors_are_caught_by_name: [
        ("storage/a.py", CAUGHT, "storage/a.py:3 catches everything"),
        ("storage/a.py", "try:\n    pass\nexcept:\n    pass", "storage/a.py:3 catches everything"),
        ("storage/a.py", CAUGHT.replace("Exception", "(OSError, BaseException)"), "a.py:3 catches everything"),
        ("storage/a.py", "from contextlib import suppress\nwith suppress(Exception): pass", "a.py:2 catches"),
        ("collectors/kit/cycle.py", CAUGHT * 2, "cycle.py:7 catches everything"),
    ],
    habits.the_time_is_asked_once: [
        ("storage/a.py", CLOCK, "storage/a.py:2 reads the wall clock"),
        ("storage/a.py", "from time import time as t\nNOW = t()", "storage/a.py:2 reads the wall clock"),
        ("storage/a.py", "import datetime as d\nTODAY = d.date.today", "storage/a.py:2 reads the wall clock"),
        ("devices.py", CLOCK * 2, "devices.py:4 reads the wall clock"),
    ],
    habits.durations_are_measured_by_the_stopwatch: [
        ("storage/a.py", "import time\nSTART = time.monotonic()", "storage/a.py:2 measures time"),
    ],
    habits.sql_tells_no_time: [
        ("storage/a.py", "A = 'created_at TEXT DEFAULT CURRENT_TIMESTAMP'", "storage/a.py:1 asks SQLite for the time"),
        ("storage/a.py", "A = \"at < datetime('now')\"", "storage/a.py:1 asks SQLite for the time"),
    ],
    habits.sql_stays_in_storage: [
        ("devices.py", "A = 1\nB = f'SELECT {A} FROM readings'", "devices.py:2 speaks SQL"),
        ("healthcheck.py", "import sqlite3", "healthcheck.py:1 speaks SQL"),
    ],
    habits.requests_stays_in_the_session: [
        ("collectors/hue/a.py", "from requests.adapters import A", "collectors/hue/a.py:1 imports requests"),
    ],
    habits.only_commands_print: [
        ("collectors/hue/a.py", "def f():\n    print('20.3')", "collectors/hue/a.py:2 prints"),
    ],
    habits.lint_exceptions_carry_their_reason: [
        ("devices.py", "A = 1  # type: ignore[misc]", "devices.py:1 gives no reason"),
        ("devices.py", "A = 1  # noqa: E501, F401", "devices.py:1 gives no reason"),
        ("devices.py", "A = 1  # pragma: no cover", "devices.py:1 gives no reason"),
    ],
    habits.nothing_is_left_to_do: [
        ("devices.py", "A = 1\n# TODO: two", "devices.py:2 leaves something to do"),
    ],
    habits.settings_are_no_nested_dictionaries: [
        ("devices.py", "A = {}.get('a', {}).get('b')", "devices.py:1 chains .get()"),
        ("devices.py", "A = ({}.get('a') or {}).get('b')", "devices.py:1 chains .get()"),
    ],
    habits.modules_keep_no_state: [
        ("devices.py", "def f():\n    global A\n    A = 1", "devices.py:2 keeps state"),
        ("devices.py", "cache = {}", "devices.py:1 keeps state"),
        ("devices.py", "A = []\ndef f():\n    A.append(1)", "devices.py:3 keeps state"),
        ("devices.py", "A = {}\ndef f():\n    A['b'] = 1", "devices.py:3 keeps state"),
    ],
    habits.names_say_something: [
        ("collectors/kit/utils.py", "", "collectors/kit/utils.py has a name that says nothing"),
        ("storage/connection_manager.py", "", "storage/connection_manager.py has a name that says nothing"),
        ("collectors/kit/logging.py", "", "collectors/kit/logging.py is named like a module of the standard library"),
    ],
}

HARMLESS: list[tuple[Rule, Mapping[str, str]]] = [
    (imports.every_file_belongs_to_a_room, {
        "devices.py": "", "tests/a.py": "", "build/a.py": "", ".venv/a.py": "", "python/pyvenv.cfg": "",
        "python/lib/a.py": ""}),
    (imports.imports_keep_to_the_plan, {
        "devices.py": "import collectors, config\nfrom collectors.kit import cycle\nfrom storage import manager",
        "collectors/kit/a.py": "from collectors import Collector\nimport config\nfrom storage.manager import add",
        "collectors/hue/a.py": "from collectors import Human, hue\nfrom . import bridge\nfrom .bridge import Bridge\n"
                               "from storage.memory import Memory\nfrom storage.reading import Reading\nimport json"}),
    (imports.imports_make_no_cycle, {
        "config/a.py": FOR_TYPES + "import config.b",
        "config/b.py": "import config.a\ndef f():\n    import config.c",
        "config/c.py": "import config.b"}),
    (imports.modules_are_named_where_they_are_imported, {
        "collectors/__init__.py": "import importlib\ndef load(n):\n    return importlib.import_module(n)"}),
    (sizes.no_function_is_long, {"devices.py": LONG.replace("    pass\n", "", 1), "tests/test_a.py": LONG}),
    (sizes.all_that_is_public_says_what_it_is_for, {
        "devices.py": "'''D.'''\ndef _f(): pass\nclass _B:\n    def m(self): pass\nclass A:\n    '''A.'''\n"
                      "    def __init__(self): pass\n    @property\n    def a(self): ...\n"}),
    (sizes.tests_mirror_the_tree, {
        "collectors/aqm.py": "", "tests/collectors/test_aqm.py": "", "tests/collectors/hue/test_a.py": "",
        "tests/test_storage.py": ""}),
    (habits.errors_are_caught_by_name, {"collectors/kit/cycle.py": CAUGHT, "healthcheck.py": CAUGHT}),
    (habits.the_time_is_asked_once, {"devices.py": CLOCK, "tests/test_a.py": CLOCK * 2}),
    (habits.sql_stays_in_storage, {"storage/a.py": "import sqlite3\nA = 'SELECT 1'", "devices.py": "'''SELECT it.'''"}),
    (habits.lint_exceptions_carry_their_reason, {"devices.py": "A = 1  # noqa: E501  The address is that long."}),
    (habits.settings_are_no_nested_dictionaries, {"devices.py": "A = {}.get({}.get('a'))"}),
    (habits.modules_keep_no_state, {
        "devices.py": "import logging\nlog = logging.getLogger(__name__)\n__all__ = ['A']\nA, Kind = [1], int\n"
                      "def f(a):\n    a.append(1)"}),
    (habits.names_say_something, {"storage/basement.py": "", "collectors/kit/information.py": ""}),
]
