"""How the program is called on this machine: by its checkout's scripts, or as home-monitor where it is installed."""

import os
import shlex
import sys
from pathlib import Path

import config

SCRIPTS = {"devices": "devices.py", "check": "healthcheck.py"}
MODULES = {"collect": "collectors", "publish": "publishers"}


def words(verb: str, *arguments: str) -> list[str]:
    """Return an absolute command line for a verb of home-monitor; one with -m is for the checkout's folder."""
    if not config.is_checkout():
        return [os.path.join(os.path.dirname(sys.executable), "home-monitor"), verb, *arguments]
    if verb in SCRIPTS:
        return [sys.executable, str(root() / SCRIPTS[verb]), *arguments]
    names, options = (arguments[:1], arguments[1:]) if arguments and arguments[0][:1] != "-" else ((), arguments)
    return [sys.executable, "-m", ".".join((MODULES[verb], *names)), *options]


def root() -> Path:
    return config.DEFAULT_PATH.parent.parent


def typed(verb: str, *arguments: str) -> str:
    return shlex.join(words(verb, *arguments))
