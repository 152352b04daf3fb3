"""Look for each reading that existed in the database, and explain each one that is missing.

`counts` are the same at every run with the same seed; `measured` are speeds and sizes, and what depends on them: the
readings of runs killed at a random moment, and the retries of runs that waited for the database.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.simulator.weather import current
from tests.soak.mishaps import AIR, KINDS, Lost, devices, lost, slack
from tests.soak.place import Place
from tests.soak.plan import COLLECTORS, Mishap
from tests.soak.workload import Diary, Run

LONGEST_RUN = 31  # seconds after its start within which a run asks
LOG_LIMIT = 60_000_000
LOG_LINE = re.compile(r"(\S+) (ERROR|CRITICAL) (.*)")
SILENT = ("sensor off", "monitor offline", "monitor frozen")
HELD = ("database held", "network and database", "database held for seconds")
LOCK = re.compile(r"Busy|database is locked|holds the database", re.IGNORECASE)


@dataclass
class Account:
    """The results of a phase; `problems` are unexplained by any mishap, and there should be none."""

    counts: dict[str, Any]
    measured: dict[str, Any]
    problems: list[str]


def settle(place: Place, schedule: list[Mishap], diary: Diary) -> Account:
    return _Settlement(place, schedule, diary).account()


class _Settlement:
    def __init__(self, place: Place, schedule: list[Mishap], diary: Diary) -> None:
        self.place, self.schedule, self.diary = place, schedule, diary
        self.house, self.phase = place.simulator.house, place.phase
        self.moments = self.phase.moments()
        self.problems: list[str] = []
        self.rows = place.home.rows()
        self.stored = Counter((row["device_id"], self.phase.cycle_of(row["timestamp"])) for row in self.rows)
        self.lost = {each: mishap.kind for mishap in schedule for each in lost(mishap, self.phase, self.house)}
        self.either = {each for mishap in schedule for each in slack(mishap, self.phase, self.house)}
        self.killed = {(each, run.moment): run for run in self._to_be_killed() if run.what in COLLECTORS
                       for each in devices(self.house, run.what)}

    def account(self) -> Account:
        runs = Counter(run.what for run in self.diary.runs)
        counts = {"cycles": len(self.moments), "runs": dict(sorted(runs.items())),
                  "mishaps": dict(sorted(Counter(each.kind for each in self.schedule).items()))}
        counts |= self._readings() | self._runs() | self._alerts() | self._checks()
        differences = list(self.place.destinations.differences(self.place.home, self.place.run))
        self.problems += differences
        counts["differences at the destinations"] = len(differences)
        measured = self._measures() | self._kills()
        counts |= self._locks(measured)
        return Account(counts, measured, self.problems)

    def _readings(self) -> dict[str, Any]:
        existed = {(each, moment) for name in COLLECTORS for each in devices(self.house, name)
                   for moment in self.moments}
        missing = Counter(self.lost[each] for each in existed & self.lost.keys() if not self.stored[each])
        sure = existed - self.killed.keys() - self.either
        readable = sure - self.lost.keys()
        unexplained = sorted(readable - self.stored.keys(), key=lambda each: (each[1], each[0]))
        self._complain("no mishap explains that this reading is missing", unexplained)
        self._complain("stored, though it could not be read", sorted(sure & self.lost.keys() & self.stored.keys()))
        self._complain("stored, though no cycle ran", sorted(self.stored.keys() - existed))
        false = [(row["device_id"], row["timestamp"]) for row in self.rows if not self._is_true(row)]
        self._complain("not the value that the house had", false)
        doubles = [each for each, count in self.stored.items() if count > 1]
        self._complain("stored more than once", doubles)
        return {"existed": len(existed), "left out of the counts": len(existed) - len(sure),
                "could not be read": dict(sorted(missing.items())), "could be read": len(readable),
                "stored": len(readable & self.stored.keys()), "missing without a reason": len(unexplained),
                "false": len(false), "duplicates": len(doubles)}

    def _runs(self) -> dict[str, Any]:
        """Check exit codes and output: only a run with a mishap may fail or print."""
        codes: Counter[str] = Counter()
        lines = 0
        for run in (run for run in self.diary.runs if run.what != "healthcheck"):
            expected = self._may_print(run)
            if not self._is_to_be_killed(run):
                codes[f"exit {run.code}"] += 1
                lines += len(run.said.splitlines())
            if not run.killed and not expected and (run.code or run.said):
                self.problems.append(f"{run.moment} {run.what} ended with {run.code} and printed {run.said!r}")
            if "Traceback" in run.said or "fault in the program" in run.said:
                self.problems.append(f"{run.moment} {run.what}: {run.said!r}")
        retries = Counter({row["outcome"]: row["count"] for row in self._retries("fetch")})
        return {"exit codes": dict(sorted(codes.items())), "lines on stderr": lines,
                "retries of requests": dict(sorted(retries.items()))}

    def _alerts(self) -> dict[str, Any]:
        """An alert exists while a human is needed, and only then; there is a mail and a call at either end."""
        alerting = [each for each in self.schedule if KINDS[each.kind].alert]
        for moment, names in self.diary.alerts.items():
            expected = [KINDS[each.kind].alert for each in alerting if each.covers(datetime.fromisoformat(moment))]
            if names != expected:
                self.problems.append(f"{moment} alerts {names}, not {expected}")
        standing = [bool(names) for names in self.diary.alerts.values()]
        raised = sum(later and not earlier for earlier, later in zip([False, *standing], standing))
        subjects = [mail.subject for mail in self.place.mail.mails]
        calls = self.place.destinations.calls()
        if len(subjects) != 2 * len(alerting) or calls != ["raised", "cleared"] * len(alerting):
            self.problems.append(f"e-mails: {subjects}, calls: {calls}")
        return {"alerts raised": raised, "alerts cleared": raised - standing[-1],
                "logins revoked": sum(each.kind == "login revoked" for each in alerting),
                "e-mails": len(subjects), "calls of the webhook": len(calls)}

    def _checks(self) -> dict[str, Any]:
        runs = [run for run in self.diary.runs if run.what == "healthcheck"]
        for run in runs:
            must = any(each.covers(run.moment) and KINDS[each.kind].alarms for each in self.schedule)
            may = [each.kind for each in self._around(run.moment)]
            if run.said and not may or must and not run.said:
                self.problems.append(f"{run.moment} the health check printed {run.said!r} during {may}")
        return {"health checks": len(runs), "of them that found trouble": sum(bool(run.said) for run in runs)}

    def _locks(self, measured: dict[str, Any]) -> dict[str, Any]:
        """Count the runs that stored although the database was held for seconds, and errors of other locks."""
        held = [each for each in self.schedule if each.kind == "database held for seconds"]
        met = [run for run in self.diary.runs for each in held if each.covers(run.moment) and run.what in COLLECTORS]
        survived = [run for run in met if run.code == 0 and not run.said]
        measured["retries of storing"] = {row["outcome"]: row["count"] for row in self._retries("store")}
        share = len(survived) / max(len(met), 1)
        if share < 0.95:
            self.problems.append(f"only {len(survived)} of {len(met)} transient locks were survived")
        errors = self._errors_of_locks()
        self._complain("an error of a lock that nobody held", errors)
        return {"transient locks": len(met), "of them survived": len(survived), "lock errors": len(errors)}

    def _errors_of_locks(self) -> list[tuple[str, str]]:
        found = []
        for path in (self.place.home.data / "logs").glob("home_monitor.log*"):
            for line in map(LOG_LINE.match, path.read_text(encoding="utf-8").splitlines()):
                if line and LOCK.search(line[3]) and not self._is_held(datetime.fromisoformat(line[1])):
                    found.append((line[1], line[3]))
        return found

    def _is_held(self, moment: datetime) -> bool:
        return any(each.covers(self.phase.cycle_of(moment.isoformat())) and each.kind in HELD for each in self.schedule)

    def _measures(self) -> dict[str, Any]:
        if self.diary.log_bytes > LOG_LIMIT:
            self.problems.append(f"the log took {self.diary.log_bytes} bytes")
        measured: dict[str, Any] = {}
        for name in COLLECTORS:
            seconds = sorted(run.seconds for run in self.diary.runs if run.what == name and not run.killed)
            measured[f"seconds of {name}"] = [round(seconds[min(int(len(seconds) * part), len(seconds) - 1)], 2)
                                              for part in (0.5, 0.99, 1.0)]
            if seconds[-1] >= 30:
                self.problems.append(f"a run of {name} took {seconds[-1]:.1f} s")
        for what in (*COLLECTORS, "publishers", "healthcheck"):
            runs = [run for run in self.diary.runs if run.what == what] or [Run(what, self.phase.start)]
            measured[f"peak memory of {what}, kB"] = max(run.memory_kb for run in runs)
            measured[f"open files of {what}"] = max(run.files for run in runs)
        return measured | {"log, bytes": self.diary.log_bytes, "files in data, bytes": self.diary.disk_bytes}

    def _kills(self) -> dict[str, Any]:
        hit = [run for run in self.diary.runs if run.killed]
        there = sum(bool(self.stored[each]) for each in self.killed)
        gone = [each for each, run in self.killed.items() if (run.kept or not run.killed) and not self.stored[each]
                and each not in self.lost]
        self._complain("lost, though it waited in the spool when its run was killed", sorted(gone))
        return {"runs killed under way": len(hit), "of them with readings in the spool": sum(run.kept for run in hit),
                "readings of runs to be killed": len(self.killed), "of them stored": there}

    def _retries(self, operation: str) -> list[dict[str, Any]]:
        killed = {run.moment: run.what for run in self._to_be_killed()}
        rows = self.place.home.rows(f"SELECT * FROM retry_events WHERE operation = '{operation}'")
        kept = Counter(row["outcome"] for row in rows
                       if killed.get(self.phase.cycle_of(row["cycle_started_at"])) != row["collector"])
        return [{"outcome": outcome, "count": count} for outcome, count in sorted(kept.items())]

    def _is_true(self, row: Mapping[str, Any]) -> bool:
        if row["measured_at"] is None:  # no mishap removes a sensor's time
            return False
        at, measured_at = (datetime.fromisoformat(row[name]) for name in ("timestamp", "measured_at"))
        whose, _, number = str(row["device_id"]).partition(":")
        instants = [at + timedelta(seconds=passed) for passed in range(LONGEST_RUN)]
        instants += [each.start for each in self.schedule if each.kind == "monitor frozen" and each.covers(at)]
        if whose == "weather":
            return any((row["temperature_celsius"], row["humidity_percent"], measured_at.timestamp()) == tuple(
                current(self.house, each)[name] for name in ("temperature_2m", "relative_humidity_2m", "time"))
                for each in instants)
        if whose == "hue":
            return bool(row["temperature_celsius"] == self.house.truth(number, measured_at)
                        and any(self.house.last_report(number, each) == measured_at for each in instants))
        return any(all(row[column] == self._air(number, quantity, each) for column, quantity in AIR.items())
                   and max(self.house.last_sample(number, quantity, each) for quantity in AIR.values()) == measured_at
                   for each in instants)

    def _air(self, serial: str, quantity: str, when: datetime) -> float:
        return self.house.air_truth(serial, quantity, self.house.last_sample(serial, quantity, when))

    def _to_be_killed(self) -> Iterator[Run]:
        return (run for run in self.diary.runs if self._is_to_be_killed(run))

    def _is_to_be_killed(self, run: Run) -> bool:
        return any(each.kind == "kill -9" and each.start == run.moment and each.options["collector"] == run.what
                   for each in self.schedule)

    def _may_print(self, run: Run) -> bool:
        """Return whether a mishap explains that this run fails; silent devices do not."""
        theirs = [(each, run.moment) for each in devices(self.house, run.what)]
        return any(each in self.either or self.lost.get(each, SILENT[0]) not in SILENT for each in theirs) or any(
            run.what in KINDS[each.kind].prints for each in self.schedule if each.covers(run.moment))

    def _around(self, moment: datetime) -> list[Mishap]:
        """Return the active mishaps, and those that ended so recently that they still have an effect."""
        felt = max(timedelta(minutes=16), 2 * self.phase.every)
        return [each for each in self.schedule if each.start <= moment < each.end + felt and each.kind != "kill -9"]

    def _complain(self, what: str, about: "list[Lost] | list[tuple[str, str]]") -> None:
        if about:
            self.problems.append(f"{what}: {len(about)}, such as {[' '.join(map(str, each)) for each in about[:3]]}")
