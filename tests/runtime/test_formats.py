"""Text, numbers and times from sources that may send anything."""

import pytest

from runtime.formats import finite_number, format_time, one_line, parse_time, pluralize


def test_names_become_one_printable_line() -> None:
    assert one_line("Kü\u202eche\n\x1b[31m Nord\ud800  ") == "Kü che [31m Nord"
    assert one_line("x" * 10_000) == "x" * 120
    assert one_line("\x00\t") is None
    assert one_line(17) is None


def test_only_finite_numbers_are_numbers() -> None:
    assert [finite_number(value) for value in (21, 20.5, 0, True, "21", None, float("nan"), 10 ** 400)] == [
        21.0, 20.5, 0.0, None, None, None, None, None]


def test_times_without_an_offset_are_utc() -> None:
    utc = parse_time("2026-11-22T00:55:00+00:00")
    assert parse_time("2026-11-22T00:55:00") == parse_time("2026-11-22T01:55:00+01:00") == utc
    assert format_time(parse_time("2026-11-22T01:55:00.999999+01:00")) == "2026-11-22T00:55:00+00:00"


@pytest.mark.parametrize("text", ["yesterday", "0001-01-01T00:00:00+23:59"])
def test_what_is_no_time_or_beyond_the_calendar_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


def test_one_is_singular() -> None:
    assert [pluralize(number, "reading") for number in (0, 1, 2)] == ["0 readings", "1 reading", "2 readings"]
    assert (pluralize(1, "retry", "retries"), pluralize(2, "retry", "retries")) == ("1 retry", "2 retries")
