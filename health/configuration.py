"""Is config.yaml right?"""

from health.finding import Finding, Findings, failure
from health.setup import Installation


def check(installation: Installation) -> Findings:
    configuration, error = installation.configuration, installation.error
    if error is not None:
        yield failure("critical", error)
    for warning in configuration.warnings:
        yield Finding("warn", f"{configuration.path}: {warning}", f"correct or remove that line in {configuration.path}")
    if error is None and not configuration.warnings:
        yield Finding("pass", f"{configuration.path} is valid")
