"""Enough of GraphQL to answer as a server does: exactly the fields a query asks for, under the names it gives them.

https://spec.graphql.org/October2021/ (fields, aliases, arguments, variables, inline fragments). A field that does not
exist is refused as graphql-java words it. No schema, no named fragments, no directives: what exists is what the object
at hand holds.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(r'[\s,]+|#[^\n]*|("(?:[^"\\\n]|\\.)*"|\.\.\.|[A-Za-z_]\w*|-?\d+(?:\.\d+)?|[{}()\[\]:$!=])')
WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


class InvalidQuery(Exception):
    """The query cannot be answered; the message is what the server says."""


@dataclass(frozen=True)
class Field:
    """A field asked for, or (with `on`) an inline fragment: what is asked of objects of that type."""

    name: str
    key: str = ""
    on: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    selections: tuple["Field", ...] = ()


def parse_query(query: str, variables: Mapping[str, Any]) -> tuple[Field, ...]:
    """Given a document of one query, return the fields at its root. Raise InvalidQuery where it is none."""
    try:
        reader = _Reader(_tokens(query), variables)
        if reader.next_is("query"):
            reader.skip_head()
        selections = reader.selections()
    except (IndexError, KeyError, ValueError) as error:
        raise InvalidQuery(f"Invalid syntax: {error}") from error
    if reader.left:
        raise InvalidQuery(f"Invalid syntax: offending token '{reader.left[-1]}'")
    return selections


def select(value: Any, selections: tuple[Field, ...], path: str) -> Any:
    """Given a value and what is asked of it, return that and no more. Raise InvalidQuery for a field it lacks."""
    if isinstance(value, list):
        return [select(item, selections, path) for item in value]
    if not isinstance(value, dict):
        return value
    if not selections:
        raise InvalidQuery(f"Validation error (SubselectionRequired@[{path}]) : subselection required")
    selected: dict[str, Any] = {}
    for asked in selections:
        if asked.on is not None:
            selected.update(select(value, asked.selections, path) if asked.on == value.get("__typename") else {})
        elif asked.name in value:
            selected[asked.key] = select(value[asked.name], asked.selections, f"{path}/{asked.name}")
        else:
            raise undefined(f"{path}/{asked.name}")
    return selected


def undefined(path: str) -> InvalidQuery:
    """Return the refusal of a field that does not exist."""
    name = path.rpartition("/")[2]
    return InvalidQuery(f"Validation error (FieldUndefined@[{path}]) : Field '{name}' is undefined")


def names(selections: tuple[Field, ...]) -> set[str]:
    """Return the names of all fields asked for, at any depth."""
    return {asked.name for asked in selections}.union(*(names(asked.selections) for asked in selections))


def _tokens(query: str) -> list[str]:
    tokens, at = [], 0
    while at < len(query):
        match = TOKEN.match(query, at)
        if match is None:
            raise ValueError(f"offending token '{query[at]}'")
        tokens += [match[1]] if match[1] else []
        at = match.end()
    return tokens


class _Reader:
    """Takes tokens from the front; they are kept in reverse, so that the next one is the last."""

    def __init__(self, tokens: list[str], variables: Mapping[str, Any]) -> None:
        self.left = tokens[::-1]
        self._variables = variables

    def next_is(self, token: str) -> bool:
        """Tell whether it comes next, and take it if so."""
        found = bool(self.left) and self.left[-1] == token
        if found:
            self.left.pop()
        return found

    def skip_head(self) -> None:
        """Take the query's name and its declaration of variables, which may hold default values."""
        depth = 0
        while depth or self.left[-1] != "{":
            token = self.left.pop()
            depth += (token == "(") - (token == ")")

    def selections(self) -> tuple[Field, ...]:
        """Take a selection set in braces."""
        self._expect("{")
        found = []
        while not self.next_is("}"):
            found.append(self._fragment() if self.next_is("...") else self._field())
        return tuple(found)

    def _fragment(self) -> Field:
        self._expect("on")
        return Field("...", on=self._name(), selections=self.selections())

    def _field(self) -> Field:
        key = name = self._name()
        if self.next_is(":"):
            name = self._name()
        arguments = self._pairs(")") if self.next_is("(") else {}
        return Field(name, key, None, arguments, self.selections() if self.left[-1] == "{" else ())

    def _pairs(self, end: str) -> dict[str, Any]:
        pairs = {}
        while not self.next_is(end):
            name = self._name()
            self._expect(":")
            pairs[name] = self._value()
        return pairs

    def _value(self) -> Any:
        token = self.left.pop()
        if token == "$":
            return self._variables[self._name()]
        if token == "{":
            return self._pairs("}")
        if token == "[":
            items = []
            while not self.next_is("]"):
                items.append(self._value())
            return items
        return WORDS[token] if token in WORDS else token if token.isidentifier() else json.loads(token)

    def _name(self) -> str:
        token = self.left.pop()
        if not token.isidentifier():
            raise ValueError(f"offending token '{token}'")
        return token

    def _expect(self, token: str) -> None:
        if not self.next_is(token):
            raise ValueError(f"offending token '{self.left[-1]}', expecting '{token}'")
