"""Arguments are accepted in all usual forms, and refused with a sentence otherwise."""

from collections.abc import Callable
from datetime import timedelta

import click
import pytest

from cli.arguments import duration_type, offset_type, text_type


@pytest.mark.parametrize(("text", "kept"), [
    ("Cellar", "Cellar"), ("  Büro\t2 ", "Büro 2"), ("O'Brien's \"x\"; DROP", "O'Brien's \"x\"; DROP"), ("部屋", "部屋"),
    ("x" * 120, "x" * 120), ("a\x1b[31mb", "a [31mb")])
def test_a_text_becomes_one_printable_line(text: str, kept: str) -> None:
    assert text_type(text) == kept


@pytest.mark.parametrize(("text", "kept"), [
    ("-1.5", -1.5), ("-1,5", -1.5), ("+2", 2.0), ("0", 0.0), (".5", 0.5), ("20", 20.0), ("0.126", 0.13)])
def test_an_offset_has_a_point_or_a_comma(text: str, kept: float) -> None:
    assert offset_type(text) == kept


@pytest.mark.parametrize(("text", "kept"), [
    ("90m", timedelta(minutes=90)), ("24h", timedelta(days=1)), ("7d", timedelta(days=7)), ("2w", timedelta(days=14))])
def test_a_duration_has_a_unit(text: str, kept: timedelta) -> None:
    assert duration_type(text) == kept


@pytest.mark.parametrize(("convert", "text", "complaint"), [
    (text_type, " \n", "no printable character"), (text_type, "x" * 121, "121 characters; at most 120 are allowed"),
    (offset_type, "warm", "'warm' is not a number from -20 to 20"), (offset_type, "nan", "not a number"),
    (offset_type, "-20.1", "not a number"), (offset_type, "1e999", "not a number"),
    (duration_type, "7", "'7' is not a duration such as 90m"), (duration_type, "0d", "not a duration"),
    (duration_type, "-1d", "not a duration"),
    (duration_type, "99999w", "not a duration"), (duration_type, "\u0663d", "not a duration")])
def test_other_arguments_are_refused(convert: Callable[[str], object], text: str, complaint: str) -> None:
    with pytest.raises(click.BadParameter, match=complaint):
        convert(text)
