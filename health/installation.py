"""Does the program run with the packages it needs, in a virtual environment?"""

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from health.finding import Finding, Findings
from health.setup import Installation
from runtime import VERSION, plugins
from runtime.commands import install_command

REQUIRED = {"requests": "2.32.4", "PyYAML": "6.0", "click": "8.1"}  # install_requires in setup.cfg
CONSTRAINTS = Path(plugins.ROOT) / "constraints.txt"  # only a checkout has it


def check(installation: Installation) -> Findings:
    yield "looking for packages"
    versions, remedy = dict(_installed()), install_command()
    for package, needed in REQUIRED.items():
        version = versions.get(package)
        if version is None:
            yield Finding("fail", f"the package {package} is missing", remedy)
        elif _numbers(version) < _numbers(needed):
            yield Finding("warn", f"{package} {version} is older than {needed}, which is required", remedy)
    if sys.prefix == sys.base_prefix:
        yield Finding("warn", "not run in a virtual environment: a system update may change the packages at any time", remedy)
    yield Finding("pass", f"version {VERSION}, Python {sys.version.split()[0]}, {_describe(versions)}")


def _installed() -> Iterator[tuple[str, str]]:
    for package in REQUIRED:
        try:
            yield package, metadata.version(package)
        except metadata.PackageNotFoundError:
            continue


def _describe(versions: dict[str, str]) -> str:
    """Return the packages with their versions, and the tested one where it differs."""
    tested = _tested()
    notes = {package: f" (tested: {tested[package]})" for package, version in versions.items()
             if tested.get(package, version) != version}
    return ", ".join(f"{package} {version}{notes.get(package, '')}" for package, version in versions.items())


def _tested() -> dict[str, str]:
    """Return the versions in constraints.txt, none without that file."""
    try:
        text = CONSTRAINTS.read_text(encoding="utf-8")
    except OSError:
        return {}
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a release: `2.32.4.post1` is (2, 32, 4)."""
    return tuple(int(number) for number in re.split(r"[^\d.]", version, maxsplit=1)[0].split(".") if number)
