"""What people type is taken in the forms they think of, and refused with a sentence where it cannot be meant."""

from collections.abc import Callable
from datetime import timedelta

import click
import pytest

from cli.arguments import degrees, span, words


@pytest.mark.parametrize(("text", "kept"), [
    ("Cellar", "Cellar"), ("  Büro\t2 ", "Büro 2"), ("O'Brien's \"x\"; DROP", "O'Brien's \"x\"; DROP"), ("部屋", "部屋"),
    ("x" * 120, "x" * 120), ("a\x1b[31mb", "a [31mb")])
def test_words_become_one_printable_line(text: str, kept: str) -> None:
    assert words(text) == kept


@pytest.mark.parametrize(("text", "kept"), [
    ("-1.5", -1.5), ("-1,5", -1.5), ("+2", 2.0), ("0", 0.0), (".5", 0.5), ("20", 20.0), ("0.126", 0.13)])
def test_degrees_are_taken_with_a_point_or_a_comma(text: str, kept: float) -> None:
    assert degrees(text) == kept


@pytest.mark.parametrize(("text", "kept"), [
    ("90m", timedelta(minutes=90)), ("24h", timedelta(days=1)), ("7d", timedelta(days=7)), ("2w", timedelta(days=14))])
def test_a_time_back_has_a_unit(text: str, kept: timedelta) -> None:
    assert span(text) == kept


@pytest.mark.parametrize(("convert", "text", "complaint"), [
    (words, " \n", "no character in it that could be printed"), (words, "x" * 121, "121 characters, and 120 are the "),
    (degrees, "warm", "'warm' is no number from -20 to 20"), (degrees, "nan", "no number"),
    (degrees, "-20.1", "no number"), (degrees, "1e999", "no number"),
    (span, "7", "'7' is no time such as 90m"), (span, "0d", "no time"), (span, "-1d", "no time"),
    (span, "99999w", "no time"), (span, "\u0663d", "no time")])
def test_what_cannot_be_meant_is_refused(convert: Callable[[str], object], text: str, complaint: str) -> None:
    with pytest.raises(click.BadParameter, match=complaint):
        convert(text)
