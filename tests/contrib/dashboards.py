"""Grafana's dashboards, with their queries as Grafana sends them, and the databases that answer."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tests.checkout import CHECKOUT
from tests.contrib.postgresql import PostgreSQL

HOUSE = "harbour-street-5"
STEP = 3600
ROOMS = ["O'Brien's kitchen", "Garten hue:b", "Garten alexa:1"]

Rows = list[dict[str, Any]]


class Panel(NamedTuple):
    """`form` is `table` or `time series`, `times` the columns that Grafana reads as times."""

    title: str
    form: str
    query: str
    times: list[str]
    columns: list[str]


class Source(Protocol):
    """A database with the record of tests/contrib/record.py; `rows` replaces the variables as Grafana does."""

    file: str

    def rows(self, query: str, start: datetime, end: datetime) -> Rows: ...


def document(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((CHECKOUT / "contrib" / "grafana" / name).read_text(encoding="utf-8"))
    return result


def panels(name: str) -> Iterator[Panel]:
    for panel in document(name)["panels"]:
        shown = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
        target, = panel["targets"]
        yield Panel(panel["title"], target.get("queryType") or target["format"].replace("_", " "),
                    target.get("rawQueryText") or target["rawSql"], target.get("timeColumns", []), shown)


class Copy:
    """The copy for other accounts, by the plug-in frser-sqlite-datasource."""

    file = "sqlite.json"

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, query: str, start: datetime, end: datetime) -> Rows:
        query = _replace(query, {
            "$__from": f"{start.timestamp() * 1000:.0f}", "$__to": f"{end.timestamp() * 1000:.0f}",
            "$__interval_ms": str(STEP * 1000), "$every": "300", "${room:sqlstring}": _texts(ROOMS)})
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]


class Central:
    """What the publisher has sent, by Grafana's own data source for PostgreSQL."""

    file = "postgres.json"

    def __init__(self, server: PostgreSQL) -> None:
        self.server = server

    def rows(self, query: str, start: datetime, end: datetime) -> Rows:
        first, last = (f"'{moment:%Y-%m-%dT%H:%M:%SZ}'" for moment in (start, end))
        query = re.sub(r"\$__timeFilter\((.*?)\)", rf"\1 BETWEEN {first} AND {last}", query)
        query = re.sub(r"\$__timeGroupAlias\((.*?), \$__interval, NULL\)",
                       rf'floor(extract(epoch from \1) / {STEP}) * {STEP} AS "time"', query)
        query = _replace(query, {"$__timeFrom()": first, "$__timeTo()": last, "$every": "300",
                                 "${house:sqlstring}": _texts([HOUSE])})
        return [{name: _value(text) for name, text in row.items()} for row in self.server.rows(query)]


def _replace(query: str, variables: dict[str, str]) -> str:
    for name, value in variables.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def _texts(values: Sequence[str]) -> str:
    """Return a variable's values as Grafana's format `sqlstring` writes them."""
    return ",".join("'" + value.replace("'", "''") + "'" for value in values)


def _value(text: str) -> object:
    try:
        return float(text) if text else None
    except ValueError:
        return text.removeprefix(f"{HOUSE}: ")
