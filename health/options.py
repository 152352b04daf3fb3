"""The health check's command line."""

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import NoReturn

from health.gathering import COMPONENTS

Put = Callable[[Iterable[str]], None]


class _Parser(argparse.ArgumentParser):
    put: Put

    def error(self, message: str) -> NoReturn:
        if "--nagios" not in sys.argv:
            super().error(message)
        refuse(message, self.put)


def refuse(message: str, put: Put) -> NoReturn:
    """Leave, as somebody who does not know how things are: to Nagios by its own exit code, else as for a failure."""
    is_plugin = "--nagios" in sys.argv
    put([f"HOME MONITOR UNKNOWN: {message}"] if is_plugin else [message])
    raise SystemExit(3 if is_plugin else 2)


def parse(put: Put) -> argparse.Namespace:
    """Return what the command line asks for, or leave with what is wrong with it; Nagios is told of that by `put`."""
    # Asking for the terminal's width imports what takes a tenth of the time that all else does.
    parser = _Parser(prog="healthcheck.py", description="Is all well, and if not, what is to be done?",
                     formatter_class=partial(argparse.HelpFormatter, width=100), allow_abbrev=False)
    parser.put = put
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--nagios", action="store_true", help="print one line for Icinga and Nagios")
    parser.add_argument("--quiet", action="store_true", help="print only what is not well")
    parser.add_argument("--offline", action="store_true", help="ask no source")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="only this component; repeatable")
    parser.add_argument("--skip", metavar="NAME", action="append", default=[], help="not this component; repeatable")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=15.0,
                        help="end after so many seconds, whatever hangs; 2 to 3600, default 15")
    parser.add_argument("--config", metavar="PATH", help="default: $HOME_MONITOR_CONFIG, else config/config.yaml")
    options = parser.parse_args()
    if not 2 <= options.timeout <= 3600:
        parser.error(f"argument --timeout: {options.timeout:g} is not between 2 and 3600")
    if options.only or options.skip:
        import collectors
        known = (*COMPONENTS, *collectors.names())
        for name in (*options.only, *options.skip):
            if name not in known:
                parser.error(f"there is no component {name!r}; there are: {', '.join(known)}")
    return options
