"""Run the simulator by itself: `python -m tests.simulator`. Print where it is, serve until ended."""

import argparse
import signal
import sys
from pathlib import Path
from threading import Event

from tests.simulator.alexa_sessions import SUFFIXES
from tests.simulator.configuration import write_config
from tests.simulator.faults import ALEXA_PATHS, KINDS
from tests.simulator.server import Simulator


def main(arguments: list[str] | None = None) -> int:
    """Given the command line, serve until SIGTERM or SIGINT and return 0; return 1 where a port is taken."""
    wishes = _parse(arguments)
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        simulator = Simulator(wishes.seed, wishes.sensors, tls=None if wishes.tls == "none" else wishes.tls,
                              http_port=wishes.http_port, https_port=wishes.https_port, cloud_port=wishes.cloud_port,
                              site=wishes.site)
    except OSError as error:
        print(f"The simulator cannot listen there: {error}", file=sys.stderr)
        return 1
    with simulator:
        for kind in wishes.fault:
            simulator.faults.add(kind)
        if wishes.write_config:
            write_config(simulator, wishes.write_config, wishes.with_alexa)
        _introduce(simulator, wishes.with_alexa)
        ended.wait()
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator",
                                     description="A house, shown by a Hue bridge and the Alexa cloud.")
    for name in ("--http-port", "--https-port", "--cloud-port"):
        parser.add_argument(name, type=int, default=0, metavar="N", help="default: any free port")
    parser.add_argument("--sensors", type=int, default=5, metavar="N", help="how many motion sensors (5)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another number, another house (1)")
    parser.add_argument("--tls", choices=("ca", "intermediate", "self-signed", "none"), default="ca",
                        help="who signed the bridge's certificate (ca)")
    kinds = [*KINDS, *ALEXA_PATHS]
    parser.add_argument("--fault", action="append", default=[], choices=kinds, metavar="KIND",
                        help=f"go wrong from the start, until told otherwise: {', '.join(kinds)}")
    parser.add_argument("--write-config", type=Path, metavar="DIR",
                        help="write DIR/config/config.yaml and secrets.yaml for the collectors")
    parser.add_argument("--with-alexa", action="store_true", help="write and say what the air monitor needs, too")
    parser.add_argument("--site", choices=SUFFIXES, default="amazon.co.uk", metavar="SITE",
                        help="the country of the Amazon account (amazon.co.uk)")
    return parser.parse_args(arguments)


def _introduce(simulator: Simulator, with_alexa: bool) -> None:
    """Print what a client needs to know, a `name: value` per line."""
    facts = {"http_url": simulator.http_url, "cloud_url": simulator.cloud_url,
             "discovery_url": simulator.discovery_url, "key": simulator.key, "bridge_id": simulator.bridge_id}
    if simulator.secure:
        facts.update(https_url=simulator.https_url, fingerprint=simulator.fingerprint,
                     ca_file=str(simulator.ca_file))
    if with_alexa:
        facts.update(site=simulator.alexa.site, refresh_token=simulator.alexa.refresh_token,
                     serial=simulator.alexa.serial, endpoint_id=simulator.alexa.endpoint_id)
    for name, value in facts.items():
        print(f"{name}: {value}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
