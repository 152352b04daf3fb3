"""Imports SQLite and all that belongs to it while the foreman reads the configuration, and has the storage examined."""

import json
import os
from pathlib import Path

from health.crew import STORAGE, Crew, confine, end_by
from runtime.deadline import Deadline


def keep(crew: Crew, brief: int) -> None:
    """Wait for the brief to come through the pipe, and have the storage examined as it says."""
    confine()
    fault = crew.isolate(lambda: _examine(crew, brief))
    for name in STORAGE if fault else ():
        crew.send(name=name, status="fail", message=fault, code=1)


def _examine(crew: Crew, pipe: int) -> None:
    from health import storing
    from runtime import files
    from runtime.redaction import Redactor
    with os.fdopen(pipe) as stream:
        brief = json.loads(stream.read() or "null")  # nothing from a foreman that has ended
    if brief is not None:
        crew.deadline = Deadline.at(brief["end"])
        end_by(crew.deadline)
        crew.mask = Redactor(brief["values"], brief["logins"])
        files.drop_to_owner(Path(brief["owned"]))
        crew.examine_all({name: check for name, check in storing.plan(brief).items() if name in brief["wanted"]})
