"""Reads what the human wrote, without which nothing can be asked, and has everything examined.

It imports what that takes while the command line is read.
"""

import json
import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import notifiers
from health.crew import STORAGE, Crew, confine, end_by
from runtime import startup
from runtime.deadline import Deadline

if TYPE_CHECKING:
    from health.finding import Findings
    from health.plan import House


class Foreman:
    """In charge of a crew.

    What the command line says comes through the pipe `orders`, once it has been read; what the storekeeper has to know
    goes through the pipe `brief`.
    """

    def __init__(self, crew: Crew, orders: int, brief: int) -> None:
        self._crew, self._pipe, self._storekeeper = crew, orders, brief
        self._orders: dict[str, Any] = {}
        self._house: "House | None" = None
        self._checks: "dict[str, Findings]" = {}
        self._sources = 0

    def lead(self) -> None:
        """Examine what the command line asks for, and return when all have answered or ended."""
        confine()
        self._crew.examine("configuration", self._prepare())
        try:
            with os.fdopen(self._storekeeper, "w") as pipe:
                json.dump(self._brief(), pipe)
        except BrokenPipeError:
            for name in STORAGE:
                self._crew.send(name=name, stage="whoever was to look after it has ended")
        self._crew.examine_all(self._checks, abreast=1 + self._sources)

    def _prepare(self) -> "Findings":
        """Read what the human wrote, and plan what is to be asked."""
        yield "reading config.yaml and secrets.yaml"
        with startup.sparing():
            import config
        from health import plan as checkup
        from runtime.redaction import Redactor
        modules, faults = self._import_collectors()
        self._await_orders()
        house = self._house = self._read(config.find(self._orders["config"]), modules, faults)
        self._crew.mask = mask = Redactor(house.told.values, house.told.logins)
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
        from health.plan import House
        from runtime import files
        kinds = {name: module.Settings for name, module in modules.items()} | dict.fromkeys(faults)
        read, error = config.survey(path, kinds)
        owned = _owned(read.storage.database_path.parent, read.data)
        if files.owned_by_other(owned):
            self._import_what_root_may_read()
            files.drop_to_owner(owned)
            read, error = config.survey(path, kinds)
        sections = {name: module.Secrets for name, module in modules.items()} | dict.fromkeys(faults)
        told, secrets_error = config.survey_secrets(
            read.secrets_path, sections, {"email": lambda: notifiers.load("email").Settings})
        return House(modules, read, error, told, secrets_error, faults)

    def _import_what_root_may_read(self) -> None:
        """Import what comes later: Python itself may be root's alone, and then nobody else can."""
        import encodings.unicode_escape  # noqa: F401  # for what has to be escaped

        from health import (  # noqa: F401  # for the house
            folder,  # noqa: F401  # for disk and alerts
            log_rotation,
            settings,
        )
        from storage import alert_files  # noqa: F401  # for the alerts
        if not self._orders["is_offline"]:
            from health import source  # noqa: F401  # for the sources

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
