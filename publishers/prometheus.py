"""A textfile for Prometheus' node_exporter (https://github.com/prometheus/node_exporter#textfile-collector).

No sample has a time, which node_exporter refuses: a value is there only while it is fresh.
"""

import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jobs.publish
from publishers import NoSecrets as Secrets
from publishers import PublisherSettings, Run
from runtime import files
from runtime.errors import Unusable
from runtime.formats import finite_number, pluralize
from storage.changes import Changes
from storage.quantities import QUANTITIES, Quantity
from storage.state import State

NAME = "home_monitor.prom"


@dataclass(frozen=True)
class Settings(PublisherSettings):
    """`folder` is node_exporter's --collector.textfile.directory; the default is Debian's."""

    enabled: bool = False
    folder: Path = Path("/var/lib/prometheus/node-exporter")


class Sample(NamedTuple):
    metric: str  # without `home_monitor_`
    labels: dict[str, str]
    value: float


def publish(settings: Settings, secrets: Secrets, changes: Changes, state: State, run: Run) -> str:
    """Replace the file. Raise a StorageError."""
    samples = list(_samples(changes, run))
    _check(settings.folder)
    files.write_readable(settings.folder / NAME, _text(samples))
    return f"wrote {pluralize(len(samples), 'sample')} to {settings.folder / NAME}"


def probe(settings: Settings, secrets: Secrets, state: State, run: Run) -> str:
    """Raise a StorageError if the file cannot be replaced."""
    _check(settings.folder)
    files.check_replaceable(settings.folder / NAME)
    return f"{settings.folder} can be written"


def _check(folder: Path) -> None:
    if not os.path.isdir(folder):
        create = shlex.join(["sudo", "install", "-d", "-o", str(os.geteuid()), str(folder)])
        raise Unusable(f"{folder} is not a folder", "set publishers.prometheus.folder to node_exporter's "
                       f"--collector.textfile.directory, or create it: {create}")


def _samples(changes: Changes, run: Run) -> Iterator[Sample]:
    present = changes.present(run.now)
    for overview in present.devices:
        device = overview.device
        labels = {"device": device.device_id}
        yield Sample("device_info", {**labels, "name": device.device_name or "", "location": device.location or ""}, 1)
        if overview.newest is None or overview.newest_at is None:
            continue
        yield Sample("reading_timestamp_seconds", labels, overview.newest_at)
        if overview.is_fresh(changes.home, run.now):
            for quantity in QUANTITIES:
                if (value := finite_number(overview.newest.get(quantity.column))) is not None:
                    yield Sample(_metric(quantity), labels, value / 100 if quantity.unit == "%" else value)
            yield Sample("reading_is_anomalous", labels, int(bool(overview.newest.get("is_anomalous"))))
    for collector, at in present.successes.items():
        yield Sample("last_success_timestamp_seconds", {"collector": collector}, at)
    for alert in present.alerts:
        yield Sample("alert", {"name": alert["name"]}, 1)


def _metric(quantity: Quantity) -> str:
    """Return the column's name, with a ratio for a percentage (https://prometheus.io/docs/practices/naming/)."""
    return f"{quantity.column.rpartition('_')[0]}_ratio" if quantity.unit == "%" else quantity.column


HELP = {
    "device_info": "The device's name and place.",
    "reading_timestamp_seconds": "When the newest reading was taken, since 1970.",
    "reading_is_anomalous": "1 if the newest reading is outside of its expected range.",
    "last_success_timestamp_seconds": "When the collector's last complete cycle began, since 1970.",
    "alert": "1 while a person has to act: the alert file's name.",
    **{_metric(quantity): f"The newest reading's {quantity.name}." for quantity in QUANTITIES},
}


def _text(samples: list[Sample]) -> str:
    """Format the samples by metric, as https://prometheus.io/docs/instrumenting/exposition_formats/ has it."""
    lines = []
    for metric, help_text in HELP.items():
        if own := [sample for sample in samples if sample.metric == metric]:
            name = f"home_monitor_{metric}"
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
            lines += [f"{name}{{{_labels(sample.labels)}}} {sample.value:.12g}" for sample in own]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r'\"').replace("\n", r"\n")


if __name__ == "__main__":
    jobs.publish.main(sys.modules[__name__])
