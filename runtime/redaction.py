"""Redaction: replaces the secrets of this run by *** in every text that leaves the program.

A secret is hidden as it is and as requests, json, smtplib and tracebacks encode it; text that looks like one (a key in
an address, an Amazon token) as well. Secrets shorter than four characters are not: ordinary words would contain them.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator

MASKED = "***"
SHORTEST = 4
NAMED = r"[\w.-]*(?:key|token|code|secret|password|signature)=([^&\s\"'<>]+)"
# Each pattern starts with one of these. Most texts contain none, and are searched ten times faster.
HINTS = ("api", "?", "&", "uthorization", "ookie", "At", "://")
# The group is the secret, and ends its match. Compiling takes a millisecond, so it waits for the first text with a hint.
PATTERNS = "|".join((
    r"api(?:/|\\/|%2[Ff])([\w-]{20,})",  # a Hue key stands in the path, 40 characters of it
    r"\?" + NAMED,
    r"&" + NAMED,
    r"uthorization[\"']?\s*[:=]\s*[\"']?(?:Basic|Bearer)\s([^\s\"',]+)",
    r"ookie[\"']?\s*:\s*[\"']?([\w.-]+=[^;\s]*(?:;\s?[\w.-]+=[^;\s]*)*)",
    r"At[a-z]{2}(?:\||%7[Cc])([\w+/=%.-]+)",  # Amazon's tokens: Atnr|, Atna|, Atza|, Atzr|
    r"://([^/\s:@]+:[^/\s@]+)(?=@)",
))


class Redactor:
    """Replaces configured secrets, and `user:password` in base64 for each login, by ***."""

    def __init__(self, values: Iterable[str] = (), logins: Iterable[tuple[str, str]] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self.learn(values)
        for user, password in logins:
            self.learn([password])
            self._add(_base64(f"{user}:{password}"))
            self._add(_base64(f"\0{user}\0{password}"))  # as smtplib's AUTH PLAIN sends it

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASKED)
        for hint in HINTS:
            if hint in text:
                return re.sub(PATTERNS, _masked, text)
        return text

    def learn(self, values: Iterable[str]) -> None:
        """Hide these as well from now on: a renewed cookie, for example."""
        for value in values:
            if len(value.strip()) >= SHORTEST:
                self._add(_encodings(value))

    def _add(self, forms: Iterable[str]) -> None:
        # Longest first, so that a short secret does not break up a longer one. One regular expression of all forms is
        # no faster, and takes 8 ms to compile (Python 3.11, 8 secrets).
        self._forms = tuple(sorted({*self._forms, *forms}, key=len, reverse=True))


def escape_unprintable(text: str) -> str:
    """Return the text with line feeds, escape codes, direction marks and lone surrogates as backslash escapes."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode()
                   for character in text)


def _masked(match: re.Match[str]) -> str:
    return match[0][:match.start(match.lastindex or 0) - match.start()] + MASKED


def _encodings(value: str) -> Iterator[str]:
    import json
    from urllib.parse import quote, quote_plus
    raw = value.encode("utf-8", "replace")
    for quoted in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield quoted
        if "%" in quoted:
            yield re.sub("%..", lambda match: match[0].lower(), quoted)
    for text in (value, repr(value)[1:-1], ascii(value)[1:-1], json.dumps(value)[1:-1],
                 json.dumps(value, ensure_ascii=False)[1:-1]):
        yield text
        yield text.replace("/", "\\/")
    yield from _base64(value)


def _base64(text: str) -> Iterator[str]:
    """Yield the text in base64 without its padding: `c2VjcmV0==` then becomes `***==`."""
    for encoding in ("utf-8", "latin-1"):  # requests sends logins in latin-1
        raw = text.encode(encoding, "replace")
        yield b64encode(raw).decode().rstrip("=")
        yield urlsafe_b64encode(raw).decode().rstrip("=")
