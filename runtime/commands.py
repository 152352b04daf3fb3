"""The commands that messages print. They run as printed: from any folder, in any shell, without `python` on its PATH."""

import os
import shlex
import sys

CONFIG_VARIABLE = "HOME_MONITOR_CONFIG"  # config.find sets it to the file in use
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
IN_WHEEL = os.path.basename(ROOT) in ("site-packages", "dist-packages")
# The one command of an installed wheel runs each script as a subcommand.
SUBCOMMANDS = {"devices.py": "devices", "readings.py": "readings", "healthcheck.py": "check",
               "collectors": "collect", "publishers": "publish"}


def command(script: str, *arguments: str) -> str:
    """Return the shell command that runs `devices.py`, or a module such as `collectors.hue`, as this process was run."""
    words = [*_program(script), *_configuration(), *arguments]
    is_module = not (IN_WHEEL or script.endswith(".py"))
    return f"cd {shlex.quote(ROOT)} && {shlex.join(words)}" if is_module else shlex.join(words)


def install_command() -> str:
    if IN_WHEEL:
        return shlex.join([_python(), "-m", "pip", "install", "--force-reinstall", "home-temperature-monitoring"])
    return shlex.join(["make", "-C", ROOT, "install"])


def update_command() -> str:
    if IN_WHEEL:
        return shlex.join([_python(), "-m", "pip", "install", "--upgrade", "home-temperature-monitoring"])
    return shlex.join(["make", "-C", ROOT, "update"])


def _program(script: str) -> list[str]:
    kind, _, name = (script, "", "") if script.endswith(".py") else script.partition(".")
    if IN_WHEEL and kind in SUBCOMMANDS:
        return [os.path.join(sys.prefix, "bin", "home-monitor"), SUBCOMMANDS[kind], *([name] if name else [])]
    return [_python(), os.path.join(ROOT, script)] if script.endswith(".py") else [_python(), "-m", script]


def _configuration() -> list[str]:
    path = os.environ.get(CONFIG_VARIABLE)
    is_default = not path or os.path.abspath(path) == os.path.join(ROOT, "config", "config.yaml")
    return [] if is_default or path is None else ["--config", os.path.abspath(path)]


def _python() -> str:
    return sys.executable or "python3"  # empty if Python cannot find out, as in some embeddings
