"""A request, and the answer to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import responses
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """A request as it arrived, for assertions."""

    method: str
    path: str
    headers: dict[str, str]
    query: str = ""


@dataclass(frozen=True)
class Request:
    """A request with its body; `path` is without the query, `query` without the question mark."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    query: str = ""

    def seen(self) -> Seen:
        return Seen(self.method, self.path, self.headers, self.query)


@dataclass(frozen=True)
class Answer:
    """An answer, before faults on the wire."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self, date: str) -> bytes:
        fields = {"Server": "nginx", "Date": date, "Content-Type": "application/json",
                  "Content-Length": str(len(self.body)), "Cache-Control": "no-store"}
        fields.update(self.headers)
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Odd')}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def json_answer(content: Any, status: int = 200) -> Answer:
    """Return JSON as an answer, compact and in UTF-8 like the bridge's."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Answer(body, status)


def html_answer(sentence: str, status: int) -> Answer:
    page = f"<html><head><title>hue</title></head><body><p>{sentence}</p></body></html>"
    return Answer(page.encode(), status, {"Content-Type": "text/html; charset=utf-8"})
