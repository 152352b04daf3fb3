"""The two files that make the collectors talk to a running simulator."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulator.server import Simulator


def write_config(simulator: "Simulator", folder: Path) -> Path:
    """Given a folder, write its config/config.yaml and secrets.yaml (mode 0600), make data; return the first's path.

    The collector is to trust the bridge by its fingerprint; a simulator without https is reached over http.
    """
    for name in ("config", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config, secrets = folder / "config" / "config.yaml", folder / "config" / "secrets.yaml"
    bridge: dict[str, str | bool] = {"bridge_ip": simulator.http_url}
    if simulator.secure:
        bridge = {"bridge_ip": simulator.https_url, "certificate_fingerprint": simulator.fingerprint}
    hue = {"enabled": True, **bridge, "bridge_id": simulator.bridge_id, "discovery_url": simulator.discovery_url}
    config.write_text("collectors:\n  hue:\n" + _lines(hue, indent=4), encoding="utf-8")
    secrets.unlink(missing_ok=True)
    descriptor = os.open(secrets, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write("hue:\n" + _lines({"api_key": simulator.key, "bridge_id": simulator.bridge_id}, indent=2))
    return config


def _lines(values: dict[str, str | bool], indent: int) -> str:
    """Return a line of YAML per value, quoted as JSON does, which YAML reads too."""
    return "".join(f"{' ' * indent}{name}: {json.dumps(value)}\n" for name, value in values.items())
