"""The command home-monitor, which an installed package has in place of the checkout's scripts."""

import runpy
import sys
from typing import NoReturn

from runtime import VERSION, plugins

SCRIPTS = {"check": ("healthcheck",), "devices": ("devices",), "readings": ("readings",),
           "init": ("devices", "init")}
PLUGINS = {"collect": "collectors", "publish": "publishers"}
USAGE = """Usage: home-monitor COMMAND [OPTIONS]

  collect NAME       Run one cycle of a collector: {collectors}.
  publish [NAME]     Run one publisher, or all enabled ones. There are: {publishers}.
  check              Is all well?
  devices ...        Pair, list, name and correct devices.
  readings ...       Look at what was measured; restore a backup.
  init [FOLDER]      Make the files that you edit.

home-monitor COMMAND --help shows the options of a command."""


def main() -> None:
    """Run the script that the first argument names, with the others as its command line."""
    verb, *arguments = sys.argv[1:] or ["--help"]
    if verb in ("-h", "--help"):
        print(_usage())
    elif verb == "--version":
        print(VERSION)
    elif verb in SCRIPTS:
        module, *words = SCRIPTS[verb]
        _run(module, [*words, *arguments])
    elif verb in PLUGINS:
        _run_plugin(verb, arguments)
    else:
        _refuse(f"home-monitor: there is no command {verb!r}\n\n{_usage()}")


def _run_plugin(verb: str, arguments: list[str]) -> None:
    kind, names = PLUGINS[verb], plugins.names(PLUGINS[verb])
    name = arguments[0] if arguments and not arguments[0].startswith("-") else None
    if name in names:
        _run(f"{kind}.{name}", arguments[1:])
    elif name is None and verb == "publish":
        _run(kind, arguments)
    else:
        _refuse(f"home-monitor {verb} needs one of these names: {', '.join(names) or 'none yet'}")


def _run(module: str, arguments: list[str]) -> None:
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _usage() -> str:
    return USAGE.format(**{kind: ", ".join(plugins.names(kind)) or "none yet" for kind in PLUGINS.values()})


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)
