"""What goes over the wire, apart from how: a request, and the answer meant for it."""

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


@dataclass(frozen=True)
class Request:
    """A request whose body has been read; `path` is without the query, `query` what stands after the question mark."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    query: str = ""

    def seen(self) -> Seen:
        """Return what assertions are made on."""
        return Seen(self.method, self.path, self.headers)


@dataclass(frozen=True)
class Answer:
    """An answer as it is meant; a fault may still do something to it on its way."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self, date: str) -> bytes:
        """Given the HTTP date, return the status line and the headers; no answer is compressed unless it says so."""
        fields = {"Server": "nginx", "Date": date, "Content-Type": "application/json",
                  "Content-Length": str(len(self.body)), "Cache-Control": "no-store"}
        fields.update(self.headers)
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Odd')}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def json_answer(content: Any, status: int = 200) -> Answer:
    """Given anything JSON can say, return the answer that says it, compact and in UTF-8 as the bridge does."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return Answer(body, status)


def html_answer(sentence: str, status: int) -> Answer:
    """Given a sentence, return the page a web server would show it on."""
    page = f"<html><head><title>hue</title></head><body><p>{sentence}</p></body></html>"
    return Answer(page.encode(), status, {"Content-Type": "text/html; charset=utf-8"})
