"""Runs a publisher on a home, in this process."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from jobs import publish
from tests.home import Home, Outcome


def enable(home: Home, name: str, **settings: Any) -> None:
    home.settings.setdefault("publishers", {})[name] = {"enabled": True, **settings}
    home.write_config()


def run(home: Home, module: Any, *arguments: str) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = publish.run(module, ["--config", str(home.config), *arguments])
    return Outcome(code, out.getvalue(), err.getvalue())
