"""No secret leaves the program in any encoding, and a record is one printable line."""

import base64
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest

from runtime.log import LIMIT, Line, Redactor

HUE_KEY = "canary-HUE-4fGh7_Jk29lmNopQrStUvWxYz0123"
COOKIE = 'canary|COOKIE+/="quoted" ß\\end'
PASSWORD = "canary>>>???'s & co"  # with + and / in base64
SECRETS = [HUE_KEY, COOKIE, PASSWORD]
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "quoted": quote,
    "fully quoted": lambda value: quote(value, safe=""),
    "quoted as a form": quote_plus,
    "quoted in lower case": lambda value: re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quote(value, safe="")),
    "JSON": json.dumps,
    "JSON beyond ASCII": lambda value: json.dumps(value, ensure_ascii=False),
    "JSON with escaped slashes": lambda value: json.dumps(value).replace("/", "\\/"),
    "a repr": repr,
    "an ASCII repr": ascii,
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 without padding": lambda value: base64.b64encode(value.encode()).decode().rstrip("="),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
}


@pytest.fixture
def line() -> Line:
    return Line("hue", Redactor(SECRETS))


def record(message: object, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    """Return a record of 2026-11-22 00:55:00 UTC as `jobs.collect` logs it."""
    info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("jobs.cycle", logging.INFO, __file__, 1, message, args, info)
    made.created = 1_795_308_900.75
    return made


def raised(error: BaseException) -> BaseException:
    """Return the error with a traceback."""
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in another time zone."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_a_configured_secret_is_hidden_in_every_encoding(secret: str, encoding: Callable[[str], str]) -> None:
    hidden = Redactor(SECRETS)(f"before {encoding(secret)} after")
    assert re.fullmatch("""before ['"]?[*]{3}=*['"]? after""", hidden), hidden


@pytest.mark.parametrize("form", ["me@home:{}", "\0me@home\0{}"], ids=["HTTP", "SMTP"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_login_is_hidden_in_base64_and_so_is_its_password(form: str, encoding: str) -> None:
    mask = Redactor(logins=[("me@home", "pässword")])
    sent = base64.b64encode(form.format("pässword").encode(encoding)).decode()
    assert mask(f"AUTH {sent}.").rstrip("=.") == "AUTH ***"
    assert mask("the pässword itself") == "the *** itself"


def test_a_secret_learned_during_the_run_is_hidden_from_then_on() -> None:
    mask = Redactor()
    assert mask("fresh-cookie") == "fresh-cookie"
    mask.learn(["fresh-cookie"])
    assert mask("fresh-cookie") == "***"


def test_a_secret_inside_a_longer_one_does_not_break_it_up() -> None:
    assert Redactor(["inner", "outer-inner-outer"])("<outer-inner-outer>") == "<***>"


@pytest.mark.parametrize("value", ["", "   ", "GB", "no"])
def test_a_value_too_short_for_a_secret_is_not_hidden(value: str) -> None:
    text = "no reading from GB   stored"
    assert Redactor([value])(text) == text


def test_a_secret_with_a_lone_surrogate_is_hidden() -> None:
    assert Redactor(["abc\ud800def"])("abc\ud800def") == "***"


@pytest.mark.parametrize(("text", "expected"), [
    (f"GET /api/{'k' * 40}/sensors failed", "GET /api/***/sensors failed"),
    (f"to=%2Fapi%2F{'Kx_-9' * 8}%2Fsensors", "to=%2Fapi%2F***%2Fsensors"),
    (f'{{"url": "http:\\/\\/b\\/api\\/{"k" * 40}\\/config"}}', '{"url": "http:\\/\\/b\\/api\\/***\\/config"}'),
    ("/ap?a=1&openid.oa2.authorization_code=ANxyz&b=2", "/ap?a=1&openid.oa2.authorization_code=***&b=2"),
    ("https://x/y?access_token=abc#z", "https://x/y?access_token=***"),
    ("{'Authorization': 'Basic bWU6cHc=', 'Accept': '*'}", "{'Authorization': 'Basic ***', 'Accept': '*'}"),
    ("authorization: Bearer abc.def", "authorization: Bearer ***"),
    ("Cookie: session-id=1-2; at-acbuk=xyz\nHost: a", "Cookie: ***\nHost: a"),
    ('"refresh_token":"Atnr|EwICIabc_-9"', '"refresh_token":"Atnr|***"'),
    ("http://me:secret@proxy:8080/", "http://***@proxy:8080/"),
])
def test_text_shaped_like_a_secret_is_hidden(text: str, expected: str) -> None:
    assert Redactor()(text) == expected


@pytest.mark.parametrize("text", [
    "GET /api/config answered in 12 ms", "Amazon refused the cookie: sign in again", "authorization: refused",
    "At home: 20.29 °C", "https://alexa.amazon.co.uk/nexus/v1/graphql?a=1", "key = value",
])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor(SECRETS)(text) == text


@pytest.mark.usefixtures("tokyo")
def test_a_line_has_utc_time_level_collector_module_and_message(line: Line) -> None:
    assert line.format(record("stored %d readings in %d ms", 5, 212)) == (
        "2026-11-22T00:55:00+0000 INFO hue cycle stored 5 readings in 212 ms")


@pytest.mark.parametrize(("text", "expected"), [
    ("Bad\r\nRoom", "Bad\\r\\nRoom"), ("\x1b[2J", "\\x1b[2J"), ("a\ud83db", "a\\ud83db"),
    ("\u2028\u202e", "\\u2028\\u202e"), ("\x00\x7f\x85", "\\x00\\x7f\\x85"), ("Küche 🏠 20 °C", "Küche 🏠 20 °C"),
])
def test_a_name_from_outside_cannot_forge_a_line_or_steer_a_terminal(line: Line, text: str, expected: str) -> None:
    assert line.format(record("%s", text)).endswith(f" cycle {expected}")


def test_a_traceback_is_one_line_that_ends_with_the_error(line: Line) -> None:
    text = line.format(record("failed", error=raised(ValueError("no\nnumber"))))
    assert " cycle failed | Traceback (most recent call last): | File " in text
    assert text.endswith(" | ValueError: no | number") and "\n" not in text


def test_a_secret_is_hidden_in_arguments_and_tracebacks(line: Line) -> None:
    text = line.format(record("%s for %r", COOKIE, {"key": PASSWORD}, error=raised(KeyError(COOKIE, HUE_KEY))))
    assert "canary" not in text and text.count("***") == 4


def test_a_long_line_loses_its_middle_and_keeps_both_ends(line: Line) -> None:
    text = line.format(record("first %s last", "ü" * 20_000))
    assert LIMIT - 8 < len(text.encode()) < LIMIT
    assert " cycle first ü" in text and " [...] " in text and text.endswith("ü last")


def test_a_secret_is_hidden_before_the_line_is_cut(line: Line) -> None:
    for shift in range(LIMIT // 2 - 160, LIMIT // 2 + 64, 4):
        for text in (f"{'x' * shift}{HUE_KEY}{'y' * LIMIT}", f"{'y' * LIMIT}{HUE_KEY}{'x' * shift}"):
            kept = line.format(record(text))
            assert not any(HUE_KEY[start:start + 6] in kept for start in range(len(HUE_KEY) - 6))


@pytest.mark.parametrize(("message", "args"), [("%d readings", ("five",)), ("%s %s", (1,)), ("%(name)s", ("x",))])
def test_a_message_that_does_not_fit_its_arguments_is_written_with_them(
        line: Line, message: str, args: tuple[object]) -> None:
    assert line.format(record(message, *args)).endswith(f" cycle {message} {args}")


def test_an_exception_that_cannot_be_printed_is_logged(line: Line) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("mute")

    assert "Mute" in line.format(record("failed", error=raised(Mute())))


def test_empty_exception_info_adds_no_traceback(line: Line) -> None:
    made = record("failed")
    made.exc_info = sys.exc_info()
    assert line.format(made).endswith(" cycle failed")
