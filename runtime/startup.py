"""How a run starts and ends: its options, two imports less, an end at a signal, a fast exit (docs/performance.md).

A signal raises SystemExit. Python prints and swallows what is raised while it disposes of an object, where urllib3
closes its connections: the signal is then sent again.
"""

import atexit
import importlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType, MappingProxyType, ModuleType
from typing import Any, NoReturn

from runtime import VERSION

METADATA = "importlib.metadata"
DETECTORS = ("charset_normalizer", "chardet")
TERMINAL_SIGNALS = (signal.SIGHUP, signal.SIGQUIT)  # stay ignored if they are, as by nohup
SIGNALS = (signal.SIGTERM, signal.SIGINT, *TERMINAL_SIGNALS)
RESEND_SECONDS = 0.01


class _LazyMetadata(ModuleType):
    """Stands in for importlib.metadata until `version` is called, or another name is used."""

    def version(self, package: str) -> str:
        return str(_metadata().version(package))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_metadata(), name)


def _metadata() -> Any:
    if isinstance(sys.modules.get(METADATA), _LazyMetadata):
        del sys.modules[METADATA]
    return importlib.import_module(METADATA)


@contextmanager
def skip_imports() -> Iterator[None]:
    """Import requests in the block without what it never uses here.

    urllib3 asks importlib.metadata for the version of its HTTP/2 package; requests imports charset_normalizer or chardet
    to guess encodings.
    """
    stand_ins: dict[str, Any] = {METADATA: _LazyMetadata(METADATA), **dict.fromkeys(DETECTORS)}
    added = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(added)  # None makes an import fail, and requests goes on without
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # requests warns that it has no detector
            yield
    finally:
        for name, module in added.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def open_standard_streams() -> None:
    """Open those that are closed: the next file would get the number, and what is printed would go into it."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


class Options:
    """What the command line asks for: nothing, if cron runs the script."""

    config: str | None = None
    action: str | None = None
    dry_run = discover = json = verbose = quiet = False

    @property
    def is_by_hand(self) -> bool:
        """Return whether a person waits for the output, in any case."""
        return self.verbose or self.action is not None


def parse_options(arguments: Sequence[str] | None, prog: str, description: str, epilog: str | None = None, *,
                  can_discover: bool = False, actions: Mapping[str, str] = MappingProxyType({})) -> Options:
    """Return what the arguments ask for; `actions` are further options, of which one may be given, with their help."""
    options, arguments = Options(), sys.argv[1:] if arguments is None else arguments
    if arguments:
        from argparse import ArgumentParser  # a hundredth of what a cycle costs
        parser = ArgumentParser(prog=prog, description=description, epilog=epilog)
        parser.add_argument("--version", action="version", version=VERSION)
        parser.add_argument("--config", metavar="PATH", help="default: $HOME_MONITOR_CONFIG, else config/config.yaml")
        parser.add_argument("--dry-run", action="store_true", help="show what would be done; change nothing")
        if can_discover:
            parser.add_argument("--discover", action="store_true", help="the same, listing every device of the source")
        choice = parser.add_mutually_exclusive_group() if actions else parser  # --help fails at an empty group
        for name, text in actions.items():
            choice.add_argument(f"--{name}", dest="action", action="store_const", const=name, help=text)
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
        parser.add_argument("-v", "--verbose", action="store_true", help="print results and log lines in any case")
        parser.add_argument("-q", "--quiet", action="store_true", help="print no results, not even on a terminal")
        parser.parse_args(arguments, options)
        options.dry_run |= options.discover
    return options


def exit_fast(code: int) -> NoReturn:
    """End the process without exit handlers: taking the interpreter apart costs as much time as SQLite."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # a closed pipe, a closed stream, no stream
            stream.flush()
    os._exit(code)


@contextmanager
def interruptible() -> Iterator[None]:
    """End the block at a signal, with exit code 128 + its number."""
    print_unraisable = sys.unraisablehook

    def resend(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, SystemExit):
            number = int(str(unraisable.exc_value)) - 128
            _listen([signal.Signals(number)])
            _send_later(number)
        else:
            print_unraisable(unraisable)

    sys.unraisablehook = resend
    handlers = _listen([number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN
                        or number not in TERMINAL_SIGNALS])
    atexit.unregister(_ignore_signals)
    atexit.register(_ignore_signals)  # Python would only complain about an interrupted shutdown
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = print_unraisable


def _listen(numbers: Iterable[signal.Signals]) -> dict[signal.Signals, Any]:
    return {number: signal.signal(number, _exit) for number in numbers}


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    _ignore_signals()  # a second one would end the clean-up that this one starts
    raise SystemExit(128 + number)


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _send_later(number: int) -> None:
    timer = threading.Timer(RESEND_SECONDS, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
