"""The health check's command line."""

import argparse
import sys
from functools import partial
from typing import NoReturn

import collectors
import publishers
from health import COMPONENTS, rendering
from runtime import VERSION


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        if "--nagios" not in sys.argv:
            super().error(message)
        refuse(message)


def refuse(message: str) -> NoReturn:
    """Exit because nothing can be checked: for Nagios as unknown, else as critical."""
    is_nagios = "--nagios" in sys.argv
    rendering.write([f"HOME MONITOR UNKNOWN: {message}"] if is_nagios else [message])
    raise SystemExit(3 if is_nagios else 2)


def parse() -> argparse.Namespace:
    names = (*COMPONENTS, *collectors.names(), *publishers.names())
    # A fixed width, because asking for the terminal's imports modules that cost a tenth of the whole run.
    parser = _Parser(prog="healthcheck.py", description="Is all well, and if not, what can you do?",
                     epilog=f"Components: {', '.join(names)}.",
                     formatter_class=partial(argparse.HelpFormatter, width=100), allow_abbrev=False)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--nagios", action="store_true", help="print one line for Icinga and Nagios")
    parser.add_argument("--quiet", action="store_true", help="print only what is not well")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--deep", action="store_true", help="also compare the indexes of the database with its tables")
    parser.add_argument("--offline", action="store_true", help="make no request")
    parser.add_argument("--notify", action="store_true", help="send what is not well through the notifiers, once a day")
    parser.add_argument("--only", metavar="NAME", action="append", default=[], help="only this component; repeatable")
    parser.add_argument("--skip", metavar="NAME", action="append", default=[], help="not this component; repeatable")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=15.0,
                        help="end after so many seconds, whatever hangs; 2 to 3600, default 15")
    parser.add_argument("--config", metavar="PATH", help="default: $HOME_MONITOR_CONFIG, else config/config.yaml")
    options = parser.parse_args()
    if not 2 <= options.timeout <= 3600:
        parser.error(f"argument --timeout: {options.timeout:g} is not between 2 and 3600")
    for name in (*options.only, *options.skip):
        if name not in names:
            parser.error(f"there is no component {name!r}; the components are: {', '.join(names)}")
    return options
