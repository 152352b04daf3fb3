"""Checks, on import, that this Python can run the program; if not, runs the script again with the one in `.venv`.

Imported first; it needs Python 3.8 only. If `.venv` cannot run the program either, it prints the command that helps and
exits with 2; for a plug-in once in 24 hours.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # typing would be an import
if TYPE_CHECKING:
    from types import TracebackType

MINIMUM = (3, 11)
PACKAGES = ("yaml", "requests", "urllib3", "click")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENVIRONMENT = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(ENVIRONMENT, "bin", "python")
RESTARTED = "HOME_MONITOR_RESTARTED"  # is set in the second process
REPEAT_SECONDS = 86400


def replace() -> None:
    arguments = _arguments()
    in_environment = os.path.realpath(sys.prefix) == os.path.realpath(ENVIRONMENT)
    if arguments and not in_environment and not os.environ.get(RESTARTED):
        os.environ[RESTARTED] = "1"
        try:
            os.execv(PYTHON, [PYTHON] + arguments)
        except OSError:  # it is not there, or its link leads nowhere
            pass
    name = _plugin(arguments)
    line = "%s: %s" % (name or os.path.basename(sys.argv[0]), _explanation(in_environment))
    if sys.stderr is not None and (not name or _is_due(name, line)):
        sys.stderr.write(line + "\n")
    sys.exit(2)


def _arguments() -> list[str]:
    """Return Python's own arguments; before 3.10 a module's name is unknown."""
    if sys.version_info >= (3, 10):  # noqa: UP036 - an older one may run this
        return sys.orig_argv[1:]
    return [] if sys.argv[0] in ("-m", "-c") else sys.argv[:]


def _explanation(in_environment: bool) -> str:
    install = "make -C %s install" % shlex.quote(ROOT)
    if sys.version_info < MINIMUM:
        has_other = os.access(PYTHON, os.X_OK) and not in_environment and not os.environ.get(RESTARTED)
        return "Python %d.%d is too old: 3.11 or newer is needed. Remedy: %s" % (
            sys.version_info[0], sys.version_info[1], "run it with " + shlex.quote(PYTHON) if has_other else install)
    where = ENVIRONMENT + " (was Python updated?)" if in_environment else sys.executable
    missing = [name for name in PACKAGES if PathFinder.find_spec(name) is None]
    return "the packages %s are missing in %s. Remedy: %s" % (", ".join(missing), where, install)


def _plugin(arguments: list[str]) -> str:
    for before, module in zip(arguments, arguments[1:]):
        if before == "-m" and module.split(".")[0] in ("collectors", "publishers"):
            return module.split(".")[-1]
    return "collector" if sys.argv[0] == "-m" else ""


def _is_due(name: str, line: str) -> bool:
    """Return whether the line was not printed within 24 hours, or a terminal or -v asks for it."""
    if sys.stderr.isatty() or "-v" in sys.argv or "--verbose" in sys.argv:
        return True
    folder = _data()
    stamp = os.path.join(folder, name + ".interpreter")
    try:
        _become_owner(folder)
        if os.path.exists(stamp) and 0 <= time.time() - os.stat(stamp).st_mtime < REPEAT_SECONDS:
            with open(stamp) as file:
                if file.read() == line:
                    return False
        with open(stamp, "w") as file:
            file.write(line)
    except OSError:  # then it is printed each time
        pass
    return True


def _data() -> str:
    """Return the folder `data` beside the configuration in use."""
    path = os.environ.get("HOME_MONITOR_CONFIG") or os.path.join(ROOT, "config", "config.yaml")
    for before, argument in zip(sys.argv, sys.argv[1:] + [""]):
        if argument.startswith("--config="):
            path = argument[len("--config="):]
        elif before == "--config" and argument:
            path = argument
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(path))), "data")


def _become_owner(folder: str) -> None:
    """If we are root, become the folder's owner, who has to be able to change the file later."""
    status = os.stat(folder)
    if os.geteuid() == 0 != status.st_uid:
        os.setgroups([])
        os.setgid(status.st_gid)
        os.setuid(status.st_uid)


def _report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _report  # Ctrl-C during the imports is no error of ours
if sys.version_info < MINIMUM or not all(map(PathFinder.find_spec, PACKAGES)):
    replace()
os.environ.pop(RESTARTED, None)
