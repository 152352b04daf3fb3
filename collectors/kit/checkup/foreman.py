"""Reads what the human wrote, without which nothing can be asked, and has everything examined.

    foreman: imports what that takes while the command line is read, and reads config.yaml and secrets.yaml
       ├── storekeeper: imports SQLite and all that belongs to it meanwhile, for both take their time
       │      └── a process that works through the components of the storage, and more of them if it is held up
       └── the same for the other components, with one more for each source
"""

import json
import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from collectors.kit import thrift
from collectors.kit.checkup.crew import Crew, Isolate, confine, end_by
from collectors.kit.stopwatch import Deadline

if TYPE_CHECKING:
    from collectors.kit.checkup import House
    from collectors.kit.checkup.options import Put
    from storage.checkup import Findings

STORAGE = ("database_wal", "database_write", "spool", "freshness")


@contextmanager
def at_work(isolate: Isolate, put: "Put") -> Iterator[tuple[Callable[..., None], int]]:
    """Begin the foreman; yield what gives it its orders, and the pipe that it answers through. End it at the end.

    It ends by itself, having asked nothing, where it is given no orders. Leave, saying so, where it cannot begin.
    """
    try:
        (theirs, orders), (told, tells) = os.pipe(), os.pipe()
        process = os.fork()
    except OSError as error:
        from collectors.kit.checkup import options
        options.refuse(f"no process can be begun: {error.strerror}; see ulimit -u and ulimit -n", put)
    if process == 0:
        os.close(orders)
        os.close(told)
        _lead(Foreman(Crew(tells, isolate), theirs))
    os.close(theirs)
    os.close(tells)
    with suppress(OSError):  # it has done so itself
        os.setpgid(process, process)
    try:
        yield partial(_instruct, orders), told
    finally:
        _end(process)


def _instruct(pipe: int, **orders: object) -> None:
    with suppress(OSError), os.fdopen(pipe, "w") as stream:  # one that is gone is told of as unanswered
        json.dump(orders, stream)


def _lead(foreman: "Foreman") -> NoReturn:
    try:
        os.setpgid(0, 0)
        foreman.lead()
    finally:
        os._exit(0)


def _end(process: int) -> None:
    """End the foreman and all of its children, and wait for none: one may hang where no signal reaches it."""
    with suppress(ProcessLookupError):  # all are gone
        os.killpg(process, signal.SIGKILL)
    os.waitpid(process, os.WNOHANG)


class Foreman:
    """In charge of a crew; what the command line says comes through the pipe `orders`, once it has been read."""

    def __init__(self, crew: Crew, orders: int) -> None:
        self._crew, self._pipe = crew, orders
        self._orders: dict[str, Any] = {}
        self._house: "House | None" = None
        self._checks: "dict[str, Findings]" = {}
        self._sources = 0

    def lead(self) -> None:
        """Examine what the command line asks for, and return when all have answered or ended."""
        confine()
        theirs, ours = os.pipe()
        storekeeper = self._crew.fork(lambda: self._keep_store(theirs, ours))
        os.close(theirs)
        self._crew.examine("configuration", self._prepare())
        with suppress(OSError), os.fdopen(ours, "w") as pipe:  # to one that has ended early
            json.dump(self._brief(), pipe)
        self._crew.examine_all(self._checks, abreast=1 + self._sources)
        _, status = os.waitpid(storekeeper, 0)
        for name in STORAGE if os.WIFSIGNALED(status) else ():
            self._crew.send(name=name, died=os.WTERMSIG(status))

    def _keep_store(self, theirs: int, ours: int) -> None:
        fault = self._crew.isolate(lambda: _keep_store(self._crew, theirs, ours))
        for name in STORAGE if fault else ():
            self._crew.send(name=name, status="fail", message=fault, code=1)

    def _prepare(self) -> "Findings":
        """Read what the human wrote, and plan what is to be asked."""
        yield "reading config.yaml and secrets.yaml"
        with thrift.sparing():
            import config
        from collectors.kit import checkup
        from collectors.kit.mask import Mask
        modules, faults = self._import_collectors()
        self._await_orders()
        house = self._house = self._read(config.find(self._orders["config"]), modules, faults)
        self._crew.mask = mask = Mask(house.told.values, house.told.logins)
        checks = checkup.plan(house, datetime.fromisoformat(self._orders["now"]), self._crew.deadline,
                              self._orders["only"], mask.learn)
        self._crew.send(plan=["configuration", *checks, *STORAGE], sources=list(house.enabled))
        left_out = dict.fromkeys(house.modules, "--offline") if self._orders["is_offline"] else {}
        left_out |= dict.fromkeys(self._orders["skip"], "--skip")
        for name in left_out:
            self._crew.send(name=name, status="skipped", message=f"left out by {left_out[name]}")
        self._checks = {name: check for name, check in checks.items() if self._is_wanted(name, left_out)}
        self._sources = len(self._checks.keys() & modules.keys())
        yield from checkup.configuration(house)

    def _import_collectors(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the collectors' modules, and why others cannot be imported."""
        import collectors
        modules: dict[str, Any] = {}
        faults = {name: fault for name in collectors.names() if (
            fault := self._crew.isolate(lambda: modules.setdefault(name, collectors.load(name))))}
        return modules, faults

    def _await_orders(self) -> None:
        """Learn what the command line says; leave where it says nothing to do."""
        with os.fdopen(self._pipe) as pipe:
            orders = pipe.read()
        if not orders:
            raise SystemExit
        self._orders = json.loads(orders)
        self._crew.deadline = Deadline.at(self._orders["end"])
        end_by(self._crew.deadline)

    def _is_wanted(self, name: str, left_out: Collection[str]) -> bool:
        return name not in left_out and (not self._orders["only"] or name in self._orders["only"])

    def _read(self, path: Path, modules: dict[str, Any], faults: dict[str, str]) -> "House":
        """Return the house as the owner of its data finds it: root may read what the account of cron may not."""
        import config
        from collectors.kit.checkup import House
        from storage import files
        kinds = {name: module.Settings for name, module in modules.items()} | dict.fromkeys(faults)
        read, error = config.survey(path, kinds)
        owned = _owned(read.storage.database_path.parent, read.data)
        if files.is_anothers(owned):
            self._import_what_root_may_read()
            files.take_on_owner(owned)
            read, error = config.survey(path, kinds)
        sections = {name: getattr(module, "Secrets", None) for name, module in modules.items()} | dict.fromkeys(faults)
        told, secrets_error = config.survey_secrets(read.secrets_path, sections)
        return House(modules, read, error, told, secrets_error, faults)

    def _import_what_root_may_read(self) -> None:
        """Import what comes later: Python itself may be root's alone, and then nobody else can."""
        import encodings.unicode_escape  # noqa: F401  # for what has to be escaped
        from collectors.kit.checkup import rotation, settings  # noqa: F401  # for the house
        from storage import alert  # noqa: F401  # for the alerts
        from storage.checkup import folder  # noqa: F401  # for disk and alerts
        if not self._orders["is_offline"]:
            from collectors.kit.checkup import source  # noqa: F401  # for the sources

    def _brief(self) -> dict[str, Any] | None:
        """Return what the storekeeper must know, in values that JSON can hold; None where nobody knows it."""
        house = self._house
        if house is None:
            return None
        read = house.read
        return {
            "wanted": [name for name in STORAGE if self._is_wanted(name, self._orders["skip"])],
            "database": os.path.realpath(read.storage.database_path), "data": str(read.data),
            "owned": str(_owned(read.storage.database_path.parent, read.data)), "now": self._orders["now"],
            "is_placeless": bool(house.problems("storage.database_path")), "enabled": list(house.enabled),
            "interval_seconds": read.collection.interval_seconds,
            "end": self._crew.deadline.moment, "values": house.told.values, "logins": house.told.logins}


def _owned(*folders: Path) -> Path:
    """Return the first of the folders that is there."""
    return next((each for each in folders if each.is_dir()), folders[-1])


def _keep_store(crew: Crew, theirs: int, ours: int) -> None:
    """Wait for the brief, and have the storage examined as it says."""
    os.close(ours)
    with thrift.sparing(["traceback"]):
        from collectors.kit.checkup import storing
    from collectors.kit.mask import Mask
    from storage import files
    with os.fdopen(theirs) as pipe:
        brief = json.loads(pipe.read() or "null")  # nothing from a foreman that has ended
    if brief is not None:
        crew.deadline = Deadline.at(brief["end"])
        end_by(crew.deadline)
        crew.mask = Mask(brief["values"], brief["logins"])
        files.take_on_owner(Path(brief["owned"]))
        crew.examine_all({name: check for name, check in storing.plan(brief).items() if name in brief["wanted"]})
