"""Is what the human wrote right: config.yaml and secrets.yaml, and who may read them?"""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import config
from collectors import Pairable
from health.finding import Finding, Findings
from runtime import files

VIRTUAL = "make install, then .venv/bin/python healthcheck.py"


def configuration(read: config.Configuration, error: config.ConfigurationError | None) -> Findings:
    """Is config.yaml right, and is it known which packages the program runs with?"""
    if error is not None:
        yield Finding("critical", str(error), error.remedy)
    for warning in read.warnings:
        yield Finding("warn", f"{read.path}: {warning}", f"correct {read.path}, or take that line out")
    if sys.prefix == sys.base_prefix:
        yield Finding("warn", "not run in a virtual environment: the system's packages may change at any time", VIRTUAL)
    if error is None and not read.warnings:
        yield Finding("pass", f"{read.path} is in order")
    yield Finding("pass", f"Python {sys.version.split()[0]}")


def secrets(read: config.Secrets, error: config.ConfigurationError | None, enabled: Mapping[str, Any]) -> Findings:
    """Is secrets.yaml right, for our eyes only, and does it hold what each enabled collector needs?"""
    lacking = [name for name in enabled if _lacking(read.sections.get(name))]
    introduce = " && ".join(f"python devices.py pair {name}" for name in lacking if isinstance(enabled[name], Pairable))
    example = shlex.quote(str(config.DEFAULT_PATH.with_name("secrets.yaml.example")))
    path = shlex.quote(str(read.path))
    if error is not None:
        yield Finding("critical", str(error), error.remedy)
    elif not read.found:
        yield Finding("critical", f"there is no {read.path}",
                      introduce or f"cp {example} {path} && chmod 600 {path}")
    else:
        yield _openness(read.path)
        for name in lacking:
            key = _lacking(read.sections.get(name))
            yield Finding("critical" if len(lacking) == len(enabled) else "fail",
                          f"{name}.{key} is missing in {read.path}", introduce or f"write {name}.{key} into {path}")
    for warning in read.warnings:
        yield Finding("warn", f"{read.path}: {warning}", f"correct {read.path}, or take that line out")


def _lacking(section: Any) -> str | None:
    """Return the key that is missing in a collector's section of the secrets, None if all is there."""
    return None if section is None else str(section.missing() or "") or None


def _openness(path: Path) -> Finding:
    if os.stat(path).st_mode & 0o077:
        return Finding("warn", f"others on this machine may read {files.owner(path)}",
                       f"chmod 600 {shlex.quote(str(path))}")
    return Finding("pass", files.owner(path))
