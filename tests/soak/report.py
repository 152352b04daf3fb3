"""docs/soak.md, written from the results of the phases in data/soak only."""

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.soak.plan import COLLECTORS

Result = Mapping[str, Any]
Results = Mapping[str, Result]

PAGE = Path(__file__).with_name("page.md")
WIDTH = 118
TITLES = {"day": "24 hours, a cycle a minute", "week": "7 days, a cycle every 5 minutes"}
MISHAPS = {
    "clock behind": "this machine's clock is three hours behind, as after a power cut",
    "update": "the program is replaced by another version", "broker down": "the MQTT broker is down",
    "disk unmounted": "the disk of data/ is not mounted", "monitor frozen": "the air monitor measures nothing new, for hours",
    "refused for a while": "the cloud refuses our login, which is good, and accepts it again",
    "computer off": "the computer is switched off", "network away": "each connection to either source is reset",
    "network and database": "the same, while another program holds the database",
    "429": "the bridge's first two answers of a cycle are 429", "503": "either source's first two answers are 503",
    "429 with a time": "the bridge answers 429, with a Retry-After of more than a cycle",
    "cloud throttles": "the Alexa cloud rate-limits us, and is left alone for 15 min, 30 min, ...",
    "bad answers": "either source's first two answers are 500, an HTML page, no JSON, or cut off",
    "a drip": "either source's first answer comes a byte at a time", "drips": "all answers come a byte at a time",
    "bridge restarts": "the bridge is away, then shows `none` for each sensor until it reports",
    "bridge moves": "the bridge has another address", "sensor off": "one sensor is switched off in the app",
    "monitor offline": "the air monitor is out of the cloud's reach", "cookies expire": "the cloud forgets our session",
    "login revoked": "the refresh token is dead until a script pairs again",
    "database held": "another program holds the database for all of the cycle",
    "database held for seconds": "another program holds the database for 1 to 8 s", "disk full": "not a byte is free",
    "kill -9": "one run is killed 20 to 180 ms after its start",
}


def write(results: Path, page: Path) -> None:
    """Write the page from the folder of results. Raise ValueError if it is empty."""
    saved = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))}
    phases = {name: saved[name] for name in TITLES if name in saved}
    if not phases:
        raise ValueError(f"there are no results in {results}; run: python -m tests.soak day")
    page.write_text(_page(phases, saved.get("month")), encoding="utf-8")


def _page(phases: Results, month: Result | None) -> str:
    lines = {
        "commands": _commands(phases, month), "outcome": _table(phases, _outcome), "problems": _problems(phases),
        "missing": _table(phases, lambda result: _with_total(result["counts"]["could not be read"])),
        "mishaps": _table(phases, lambda result: {
            f"{name}: {MISHAPS[name]}": count for name, count in result["counts"]["mishaps"].items()}),
        "logging": _logging(month) if month else (), "measured": _table(phases, _measured)}
    return PAGE.read_text(encoding="utf-8").format(**{name: "\n".join(each) for name, each in lines.items()})


def _commands(phases: Results, month: Result | None) -> Iterator[str]:
    for name, result in phases.items():
        yield f"- {TITLES[name]}: `.venv/bin/python -m tests.soak {name} --seed {result['seed']}`"
    if month:
        yield "- 30 days of logging: `.venv/bin/python -m tests.soak month`"


def _table(phases: Results, rows_of: Callable[[Result], Mapping[str, Any]]) -> Iterator[str]:
    columns = [rows_of(result) for result in phases.values()]
    yield "|  | " + " | ".join(TITLES[name] for name in phases) + " |"
    yield "|---|" + "---:|" * len(columns)
    for name in dict.fromkeys(name for column in columns for name in column):
        yield f"| {name} | " + " | ".join(_shown(column.get(name, 0)) for column in columns) + " |"


def _outcome(result: Result) -> dict[str, Any]:
    counts = result["counts"]
    runs, retries = counts["runs"], counts["retries of requests"]
    return {
        "cycles": counts["cycles"], "runs of collectors": sum(runs[name] for name in COLLECTORS),
        "runs of publishers": runs["publishers"],
        "readings that existed": counts["existed"],
        "of them left out (see the end of the page)": counts["left out of the counts"],
        "that could be read": counts["could be read"], "**stored**": counts["stored"],
        "**missing without a reason**": counts["missing without a reason"], "**false**": counts["false"],
        "**stored twice**": counts["duplicates"], "errors of a lock that was not held": counts["lock errors"],
        "runs while the database was held for 1 to 8 s": counts["transient locks"],
        "of them that stored all the same": _share(counts["of them survived"], counts["transient locks"]),
        "requests that were retried": retries.get("retrying", 0),
        "requests that succeeded after a retry": retries.get("recovered", 0),
        "requests given up": retries.get("exhausted", 0),
        **{f"runs that ended with {name}": count for name, count in counts["exit codes"].items()},
        "lines on stderr, all caused by a mishap": counts["lines on stderr"],
        "logins revoked": counts["logins revoked"], "alerts raised": counts["alerts raised"],
        "alerts cleared": counts["alerts cleared"], "e-mails": counts["e-mails"],
        "calls of the webhook": counts["calls of the webhook"],
        "**differences at PostgreSQL and the broker**": counts["differences at the destinations"],
        "health checks": counts["health checks"],
        "of them that reported a problem": counts["of them that found trouble"]}


def _share(count: int, whole: int) -> str:
    return f"{count} ({count / max(whole, 1):.1%})"


def _with_total(missing: Mapping[str, int]) -> dict[str, int]:
    return {**missing, "**in all**": sum(missing.values())}


def _measured(result: Result) -> dict[str, Any]:
    measured = result["measured"]
    spans = {f"seconds of a run, {name}: p50, p99, longest": " / ".join(
        f"{each:.2f}" for each in measured[f"seconds of {name}"]) for name in COLLECTORS}
    whole = {f"{what} of {name}{unit}": measured[f"{what} of {name}{unit}"] for name in (
        *COLLECTORS, "publishers", "healthcheck") for what, unit in (("peak memory", ", kB"), ("open files", ""))}
    storing = measured["retries of storing"]
    return {"state of the program": result.get("commit") or "-", **spans, **whole,
            "attempts to store that were retried": storing.get("retrying", 0),
            **{name: measured[name] for name in (
                "runs killed under way", "of them with readings in the spool", "readings of runs to be killed",
                "of them stored", "log, bytes", "files in data, bytes", "minutes the phase took")}}


def _logging(month: Result) -> Iterator[str]:
    counts, measured = month["counts"], month["measured"]
    yield from ("", "## Thirty days of logging at DEBUG", "")
    yield from _wrapped(
        f"A real run of both collectors every two hours, {counts['real runs']} runs in all, at every twelfth time",
        "with the network away. In between, two processes side by side wrote, by the program's own log handler and",
        f"word for word, what {counts['runs whose lines were written']:,} further runs would have logged: as many as",
        "if cron could start both four times a minute. So this is the volume of 30 days and more, not their time.")
    yield ""
    yield from _wrapped(
        f"{measured['lines written']:,} lines, {measured['bytes written']:,} bytes, were written; at no time did the",
        f"log take more than **{measured['log, bytes']:,} bytes** (the bar: 60,000,000), and {counts['backups']} older",
        "files were kept.")
    yield from _problems({"month": month})
    yield ""


def _wrapped(*text: str) -> list[str]:
    return textwrap.wrap(" ".join(text), WIDTH, break_on_hyphens=False)


def _problems(phases: Results) -> Iterator[str]:
    for name, result in phases.items():
        if result["problems"]:
            problems = (f"- {each}" for each in result["problems"])
            yield from ("", f"**Unexplained** ({name}):", "", *problems, "")


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
