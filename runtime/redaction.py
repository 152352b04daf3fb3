"""The mask: it knows the secrets of this run, and hides them in whatever text is about to leave the program.

A secret is hidden plain and in the spellings that requests, json, smtplib and tracebacks give it. What merely looks
like one (a key in an address, a token of Amazon's) is hidden too, known or not. Nothing shorter than four characters is
hidden, for every other word would be garbled, and nothing that is compressed or encrypted.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator

MASKED = "***"
SHORTEST = 4
NAMED = r"[\w.-]*(?:key|token|code|secret|password|signature)=([^&\s\"'<>]+)"
# The group is the secret, and ends its match. Each shape begins with one of these: most texts have none of them, and
# the others are searched ten times faster so.
BEGINNINGS = ("api", "?", "&", "uthorization", "ookie", "At", "://")
SHAPES = "|".join((  # compiled, which takes a millisecond, for the first text that may have one of them
    r"api(?:/|\\/|%2[Ff])([\w-]{20,})",  # a Hue key stands in the path, 40 characters of it
    r"\?" + NAMED,
    r"&" + NAMED,
    r"uthorization[\"']?\s*[:=]\s*[\"']?(?:Basic|Bearer)\s([^\s\"',]+)",
    r"ookie[\"']?\s*:\s*[\"']?([\w.-]+=[^;\s]*(?:;\s?[\w.-]+=[^;\s]*)*)",
    r"At[a-z]{2}(?:\||%7[Cc])([\w+/=%.-]+)",  # Amazon's tokens: Atnr|, Atna|, Atza|, Atzr|
    r"://([^/\s:@]+:[^/\s@]+)(?=@)",
))


class Redactor:
    """Replace known secrets, and `user:password` in base64 for each of the logins, by ***."""

    def __init__(self, values: Iterable[str] = (), logins: Iterable[tuple[str, str]] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self.learn(values)
        for user, password in logins:
            self.learn([password])
            self._remember(_base64(f"{user}:{password}"))
            self._remember(_base64(f"\0{user}\0{password}"))  # as smtplib's AUTH PLAIN sends it

    def __call__(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASKED)
        return re.sub(SHAPES, _hidden, text) if any(each in text for each in BEGINNINGS) else text

    def learn(self, values: Iterable[str]) -> None:
        """Hide these too from now on: a cookie that was just renewed."""
        for value in values:
            if len(value.strip()) >= SHORTEST:
                self._remember(_spellings(value))

    def _remember(self, forms: Iterable[str]) -> None:
        # Longest first, lest a short secret break up a longer one. Plain searches: they are as fast as one regular
        # expression of all forms, which takes 8 ms to compile (Python 3.11, 8 secrets, 5000 characters).
        self._forms = tuple(sorted({*self._forms, *forms}, key=len, reverse=True))


def escaped(text: str) -> str:
    """Return any text with line feeds, escape codes, direction marks and lone surrogates spelt out."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _hidden(match: re.Match[str]) -> str:
    return match[0][:match.start(match.lastindex or 0) - match.start()] + MASKED


def _spellings(value: str) -> Iterator[str]:
    import json
    from urllib.parse import quote, quote_plus
    raw = value.encode("utf-8", "replace")
    for quoted in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield quoted
        yield re.sub("%..", lambda match: match[0].lower(), quoted)
    for escaped in (value, repr(value)[1:-1], ascii(value)[1:-1], json.dumps(value)[1:-1],
                    json.dumps(value, ensure_ascii=False)[1:-1]):
        yield escaped
        yield escaped.replace("/", "\\/")
    yield from _base64(value)


def _base64(text: str) -> Iterator[str]:
    """Yield the text in base64 without its padding: what is left of `c2VjcmV0==` then is `***==`."""
    for encoding in ("utf-8", "latin-1"):  # requests sends logins in latin-1
        raw = text.encode(encoding, "replace")
        yield b64encode(raw).decode().rstrip("=")
        yield urlsafe_b64encode(raw).decode().rstrip("=")
