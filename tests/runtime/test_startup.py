"""What a cold start does without, and that nobody misses it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator


def output(code: str) -> str:
    """Return what a fresh interpreter prints, unmeasured: to measure imports a lot."""
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True,
                          env=unmeasured())
    return done.stdout


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there dataclasses cannot do without it")
@pytest.mark.parametrize("program", ["healthcheck", "jobs.collect"])
def test_no_program_starts_by_importing_inspect(program: str) -> None:
    assert output(f"import collectors, sys, {program}; print('inspect' in sys.modules)") == "False\n"


def test_dataclasses_find_inspect_where_they_need_it() -> None:
    assert output("import collectors, dataclasses\n@dataclasses.dataclass\nclass Room:\n    celsius: float = 20.5\n"
                  "print(Room.__doc__)") == "Room(celsius: float = 20.5)\n"


def test_everybody_else_has_the_real_inspect() -> None:
    assert output("import collectors, inspect, dataclasses\n"
                  "print(inspect.getfile(inspect) == inspect.__file__, inspect.getmodule(dataclasses.field).__name__)"
                  ) == "True dataclasses\n"


@pytest.mark.parametrize("module", ["traceback", "importlib.metadata", "charset_normalizer", "chardet"])
def test_a_cycle_goes_without_what_it_never_uses(module: str, tmp_path: Path) -> None:
    with Simulator() as simulator:
        home = Home(tmp_path / "home")
        home.point_at(simulator, scheme="http")
        assert output(
            "import sys\nfrom collectors import hue\nfrom jobs import collect\n"
            f"assert collect.run(hue, ['--config', {str(home.config)!r}]) == 0\nprint({module!r} in sys.modules)",
        ) == "False\n"
        assert len(home.rows()) == 5


def test_everybody_else_has_the_real_modules_and_patterns() -> None:
    assert output(
        "import runtime.http_client, re, traceback, ipaddress, importlib.metadata\n"
        "print(ipaddress.ip_address('::1'), traceback.format_exception_only(ValueError()), re.compile('a').pattern)\n"
        "print(importlib.metadata.version('requests') == __import__('requests').__version__)",
    ) == "::1 ['ValueError\\n'] a\nTrue\n"


def test_a_library_finds_what_it_has_later_where_it_needs_it() -> None:
    """pathlib its addresses with hosts in brackets, the log its exceptions, urllib3 its package's version."""
    assert output(
        "from jobs import collect\nimport logging, pathlib, urllib.parse\nfrom runtime import http_client as session\n"
        "print(pathlib.Path('/a b').as_uri(), urllib.parse.urlsplit('http://[::1]:80/').hostname)\n"
        "try:\n    urllib.parse.urlsplit('http://[::g]/')\nexcept ValueError as error:\n    print(error)\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
        "    print(logging.Formatter().formatException((type(error), error, error.__traceback__)).splitlines()[-1])\n"
        "import urllib3\n"
        "print(not hasattr(urllib3, 'http2') or urllib3.http2.version('urllib3') == urllib3.__version__)",
    ) == ("file:///a%20b ::1\n'::g' does not appear to be an IPv4 or IPv6 address\n"
          "ZeroDivisionError: division by zero\nTrue\n")


def test_requests_reads_an_unnamed_alphabet_as_utf_8() -> None:
    assert output("from runtime import http_client as session\nanswer = session.requests.Response()\n"
                  "answer._content = '20,5 °C'.encode()\nprint(answer.text)") == "20,5 °C\n"


def test_a_pattern_that_was_put_off_does_what_any_other_does() -> None:
    assert output(
        "from runtime import startup as thrift\nimport re\n"
        "with thrift.sparing():\n    late = re.compile('(a)(b)?', re.IGNORECASE)\n"
        "now = re.compile('(a)(b)?', re.IGNORECASE)\n"
        "for each in (late, now):\n"
        "    print(each.sub('x', 'cAb'), each.search('cA').groups(), each.groups, each.pattern, each.split('1a2'))",
    ) == 2 * "cx ('A', None) 2 (a)(b)? ['1', 'a', None, '2']\n"


def test_a_process_that_leaves_has_said_all_and_its_code_is_true() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from runtime import startup as thrift\nprint('20.5 °C')\nthrift.leave(2)"],
        cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "20.5 °C\n", "")


def test_nobody_need_listen_to_a_process_that_leaves() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-c", "from runtime import startup as thrift\nprint('20.5 °C')\nthrift.leave(1)"],
        cwd=CHECKOUT, stdout=theirs, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": ""})
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, b"")
