"""`python -m tests.simulator`: print the addresses and keys, serve until ended."""

import argparse
import signal
import sys
from pathlib import Path
from threading import Event

try:
    from tests.simulator.alexa_sessions import SUFFIXES
    from tests.simulator.configuration import write_config
    from tests.simulator.faults import ALEXA_PATHS, KINDS
    from tests.simulator.server import Simulator
except ModuleNotFoundError as missing:  # make install leaves out what only the simulated house needs
    raise SystemExit(f"The simulated house needs the package {missing.name}, which make demo installs.") from None


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT and return 0; return 1 if a port is taken."""
    options = _parse(arguments)
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        simulator = Simulator(options.seed, options.sensors, tls=None if options.tls == "none" else options.tls,
                              http_port=options.http_port, https_port=options.https_port, cloud_port=options.cloud_port,
                              site=options.site)
    except OSError as error:
        print(f"The simulator cannot listen there: {error}", file=sys.stderr)
        return 1
    with simulator:
        for kind in options.fault:
            simulator.faults.add(kind)
        if options.write_config:
            write_config(simulator, options.write_config, options.with_alexa)
        _print_facts(simulator, options.with_alexa)
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
                        help=f"a fault from the start: {', '.join(kinds)}")
    parser.add_argument("--write-config", type=Path, metavar="DIR",
                        help="write DIR/config/config.yaml and secrets.yaml for the collectors")
    parser.add_argument("--with-alexa", action="store_true", help="the air monitor's settings, too")
    parser.add_argument("--site", choices=SUFFIXES, default="amazon.co.uk", metavar="SITE",
                        help="the country of the Amazon account (amazon.co.uk)")
    return parser.parse_args(arguments)


def _print_facts(simulator: Simulator, with_alexa: bool) -> None:
    """Print what a client needs, as lines of `name: value`."""
    facts = {"http_url": simulator.http_url, "cloud_url": simulator.cloud_url,
             "discovery_url": simulator.discovery_url, "key": simulator.key, "bridge_id": simulator.bridge_id}
    if simulator.secure:
        facts.update(https_url=simulator.https_url, fingerprint=simulator.fingerprint, ca_file=str(simulator.ca_file))
    if with_alexa:
        facts.update(site=simulator.alexa.site, refresh_token=simulator.alexa.refresh_token,
                     serial=simulator.alexa.serial, endpoint_id=simulator.alexa.endpoint_id)
    for name, value in facts.items():
        print(f"{name}: {value}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
