"""All that the health check asks, by the name of the component: a plan of generators as in `health.finding`.

A component costs its imports only in the process that works through it.

    footing.py      the streams and signals that the program begins with
    options.py      the command line
    gathering.py    listens until all have answered, and says what is missing
    telling.py      what is said of the answers
    hands.py        the processes that do the work
    foreman.py      reads what the human wrote, and has everything examined
    storekeeper.py  has the storage examined
    crew.py         works through checks, each in a process of its own
    storing.py      the storage, as far as `health.finding` has it
    settings.py     config.yaml and secrets.yaml
    log_rotation.py     the log
    source.py       a collector's source, through its `probe`
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from health.finding import Finding, Findings
from runtime.deadline import Deadline

if TYPE_CHECKING:
    import config


class House(NamedTuple):
    """What was read of the house: its configuration and secrets with what is wrong in them, and its collectors.

    `faults` are the collectors that cannot even be imported, and why.
    """

    modules: Mapping[str, Any]
    read: "config.Configuration"
    error: "config.ConfigurationError | None"
    told: "config.Secrets"
    secrets_error: "config.ConfigurationError | None"
    faults: Mapping[str, str] = MappingProxyType({})

    @property
    def enabled(self) -> dict[str, Any]:
        """The collectors that are to collect."""
        return {name: module for name, module in self.modules.items()
                if name in self.read.collectors and self.read.collectors[name].enabled}

    def problems(self, where: str) -> list[str]:
        """Return what is wrong in a section of config.yaml, or with a key of it."""
        known = self.error.problems if self.error else ()
        return [each for each in known if each.startswith((f"{where}.", f"{where}:"))]


def plan(house: House, now: datetime, deadline: Deadline, asked_for: Collection[str],
         learn: Callable[[Iterable[str]], None]) -> dict[str, Findings]:
    """Return the checks of all that concerns the house, none of which has begun yet."""
    checks = {"secrets": _secrets(house), "log_rotation": _log_rotation(house), "disk_space": _disk_space(house),
              "alerts": _alerts(house)}
    checks |= {name: _unfit(sentence) for name, sentence in house.faults.items()}
    return checks | {name: _source(name, house, now, deadline, name in asked_for, learn) for name in house.modules
                     if name not in house.read.collectors or name in house.enabled or name in asked_for}


def configuration(house: House) -> Findings:
    """Is config.yaml right?"""
    from health import settings
    yield from settings.configuration(house.read, house.error)


def _secrets(house: House) -> Findings:
    from health import settings
    yield from settings.secrets(house.told, house.secrets_error, house.enabled)


def _log_rotation(house: House) -> Findings:
    from health import log_rotation
    yield from log_rotation.log_rotation(house.read.logging, house.problems("logging"))


def _disk_space(house: House) -> Findings:
    from health import folder
    read = house.read
    yield from folder.disk_space((read.data, read.storage.database_path.parent, read.logging.log_file_path.parent))


def _alerts(house: House) -> Findings:
    from health import folder
    yield from folder.alerts(house.read.data)


def _source(name: str, house: House, now: datetime, deadline: Deadline, is_asked_for: bool,
            learn: Callable[[Iterable[str]], None]) -> Findings:
    if name not in house.read.collectors:
        yield Finding("skipped", f"{house.read.path} cannot be read: nobody knows whether {name} is to be asked")
    elif problems := house.problems(f"collectors.{name}"):
        yield Finding("fail", "; ".join(problems), f"correct {house.read.path}")
    elif name not in house.enabled:
        yield Finding("skipped", f"disabled: collectors.{name}.enabled is false in {house.read.path}")
    else:
        yield f"preparing to ask {name}"
        from health import source
        yield from source.source(name, house.modules[name], house.read, house.told, now, deadline, is_asked_for, learn)


def _unfit(sentence: str) -> Findings:
    yield Finding("fail", sentence, "report it, or take the file away")
