"""The two files that make the collectors talk to a running simulator."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulator.server import Simulator


Sections = dict[str, dict[str, str | bool]]


def write_config(simulator: "Simulator", folder: Path, with_alexa: bool = False) -> Path:
    """Write config/config.yaml and config/secrets.yaml (mode 0600) in a folder, make data/; return the first path.

    The bridge is trusted by its fingerprint; a simulator without https is reached over http.
    """
    for name in ("config", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config, secrets = folder / "config" / "config.yaml", folder / "config" / "secrets.yaml"
    settings: Sections = {"hue": _hue(simulator)}
    credentials: Sections = {"hue": {"api_key": simulator.key, "bridge_id": simulator.bridge_id}}
    if with_alexa:
        settings["amazon_aqm"] = {"enabled": True, "domain": f"alexa.{simulator.alexa.site}",
                                  "base_url": simulator.cloud_url, "auth_url": simulator.cloud_url}
        credentials["amazon_aqm"] = {"refresh_token": simulator.alexa.refresh_token}
    config.write_text("collectors:\n" + _lines(settings, indent=2), encoding="utf-8")
    secrets.unlink(missing_ok=True)
    descriptor = os.open(secrets, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(_lines(credentials, indent=0))
    return config


def _hue(simulator: "Simulator") -> dict[str, str | bool]:
    bridge: dict[str, str | bool] = {"bridge_ip": simulator.http_url}
    if simulator.secure:
        bridge = {"bridge_ip": simulator.https_url, "certificate_fingerprint": simulator.fingerprint}
    return {"enabled": True, **bridge, "bridge_id": simulator.bridge_id, "discovery_url": simulator.discovery_url}


def _lines(sections: Sections, indent: int) -> str:
    return "".join(f"{' ' * indent}{section}:\n" + "".join(
        f"{' ' * (indent + 2)}{name}: {json.dumps(value)}\n" for name, value in values.items())
        for section, values in sections.items())
