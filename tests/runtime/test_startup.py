"""What starting and ending a process leaves out, and that nothing misses it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3

from tests.checkout import CHECKOUT
from tests.home import Home, unmeasured
from tests.simulator.server import Simulator


def output(code: str) -> str:
    """Return what a fresh interpreter prints, unmeasured: measuring imports many modules."""
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True,
                          env=unmeasured())
    return done.stdout


@pytest.mark.parametrize("module", ["importlib.metadata", "charset_normalizer", "chardet"])
def test_a_cycle_does_not_import_what_it_never_uses(module: str, tmp_path: Path) -> None:
    with Simulator() as simulator:
        home = Home(tmp_path / "home")
        home.point_at(simulator, scheme="http")
        assert output(
            "import sys\nfrom collectors import hue\nfrom jobs import collect\n"
            f"assert collect.run(hue, ['--config', {str(home.config)!r}]) == 0\nprint({module!r} in sys.modules)",
        ) == "False\n"
        assert len(home.rows()) == 5


def test_a_harmless_change_in_urllib3_costs_no_reading(tmp_path: Path) -> None:
    """Dependencies are not pinned: a pattern handed to `re` instead of called must go on working."""
    changed = tmp_path / "packages" / "urllib3"
    shutil.copytree(Path(urllib3.__file__).parent, changed, ignore=shutil.ignore_patterns("__pycache__"))
    url = changed / "util" / "url.py"
    source = url.read_text(encoding="utf-8")
    if "_URI_RE.match(url)" not in source:
        pytest.skip("this urllib3 reads addresses in another way")
    url.write_text(source.replace("_URI_RE.match(url)", "re.match(_URI_RE, url)"), encoding="utf-8")
    with Simulator() as simulator:
        home = Home(tmp_path / "home")
        home.point_at(simulator, scheme="http")
        done = subprocess.run([sys.executable, "-m", "collectors.hue", "--config", str(home.config)], cwd=CHECKOUT,
                              env=unmeasured() | {"PYTHONPATH": str(changed.parent)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(home.rows()) == 5


def test_every_other_module_gets_the_real_importlib_metadata() -> None:
    assert output(
        "import runtime.http_client, importlib.metadata, charset_normalizer\n"
        "print(importlib.metadata.version('requests') == __import__('requests').__version__)") == "True\n"


def test_urllib3_finds_a_package_version_when_it_asks_for_one() -> None:
    assert output("import runtime.http_client, urllib3\n"
                  "print(not hasattr(urllib3, 'http2') or urllib3.http2.version('urllib3') == urllib3.__version__)"
                  ) == "True\n"


def test_requests_decodes_an_undeclared_encoding_as_utf_8() -> None:
    assert output("from runtime import http_client\nanswer = http_client.requests.Response()\n"
                  "answer._content = '20,5 °C'.encode()\nprint(answer.text)") == "20,5 °C\n"


def test_a_fast_exit_flushes_its_output_and_keeps_its_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from runtime import startup\nprint('20.5 °C')\nstartup.exit_fast(2)"],
        cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "20.5 °C\n", "")


def test_a_fast_exit_into_a_closed_pipe_keeps_its_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", "from runtime import startup\nprint('20.5 °C')\nstartup.exit_fast(1)"],
        cwd=CHECKOUT, stdout=writer, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": ""})
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
