"""Is config.yaml right, and does the program run in a virtual environment?"""

import sys

from health.finding import Finding, Findings, failure
from health.setup import Installation


def check(installation: Installation) -> Findings:
    configuration, error = installation.configuration, installation.error
    if error is not None:
        yield failure("critical", error)
    for warning in configuration.warnings:
        yield Finding("warn", f"{configuration.path}: {warning}", f"correct or remove that line in {configuration.path}")
    if sys.prefix == sys.base_prefix:
        yield Finding("warn", "not run in a virtual environment: a system update may change the packages at any time",
                      "make install, then .venv/bin/python healthcheck.py")
    if error is None and not configuration.warnings:
        yield Finding("pass", f"{configuration.path} is valid")
    yield Finding("pass", f"Python {sys.version.split()[0]}")
