"""Is secrets.yaml right, private, and does it hold what each enabled collector needs?"""

import os
import shlex
from pathlib import Path

import config
from collectors import Pairable
from health.finding import Finding, Findings, failure
from health.setup import Installation
from runtime import files
from runtime.commands import command


def check(installation: Installation) -> Findings:
    secrets, enabled = installation.secrets, installation.enabled
    missing = {name: key for name in enabled
               if (section := secrets.sections.get(name)) is not None and (key := section.missing())}
    pair = " && ".join(command("devices.py", "pair", name) for name in missing if isinstance(enabled[name], Pairable))
    path = shlex.quote(str(secrets.path))
    if installation.secrets_error is not None:
        yield failure("critical", installation.secrets_error)
    elif not secrets.path.exists():
        example = shlex.quote(str(config.DEFAULT_PATH.with_name("secrets.yaml.example")))
        yield Finding("critical", f"{secrets.path} does not exist", pair or f"cp {example} {path} && chmod 600 {path}")
    else:
        yield _privacy(secrets.path)
        for name, key in missing.items():
            yield Finding("critical" if len(missing) == len(enabled) else "fail",
                          f"{name}.{key} is missing in {secrets.path}", pair or f"add {name}.{key} to {path}")
    if secrets.notifier_error is not None:
        yield failure("fail", secrets.notifier_error)
    for warning in secrets.warnings:
        yield Finding("warn", f"{secrets.path}: {warning}", f"correct or remove that line in {secrets.path}")


def _privacy(path: Path) -> Finding:
    if os.stat(path).st_mode & 0o077:
        return Finding("warn", f"others on this machine may read {files.owner(path)}",
                       f"chmod 600 {shlex.quote(str(path))}")
    return Finding("pass", files.owner(path))
