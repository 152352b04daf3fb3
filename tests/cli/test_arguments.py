"""Arguments are accepted in all usual forms, and refused with a sentence otherwise."""

from collections.abc import Callable
from datetime import timedelta

import click
import pytest

from cli.arguments import duration_type, offset_type, text_type


@pytest.mark.parametrize(("convert", "text", "kept"), [
    (text_type, "Cellar", "Cellar"), (text_type, "  Büro\t2 ", "Büro 2"), (text_type, "部屋", "部屋"),
    (text_type, "O'Brien's \"x\"; DROP", "O'Brien's \"x\"; DROP"), (text_type, "x" * 120, "x" * 120),
    (text_type, "a\x1b[31mb", "a [31mb"), (offset_type, "-1.5", -1.5), (offset_type, "-1,5", -1.5),
    (offset_type, "+2", 2.0), (offset_type, "0", 0.0), (offset_type, ".5", 0.5), (offset_type, "20", 20.0),
    (offset_type, "0.126", 0.13), (duration_type, "90m", timedelta(minutes=90)), (duration_type, "24h", timedelta(days=1)),
    (duration_type, "7d", timedelta(days=7)), (duration_type, "2w", timedelta(days=14))])
def test_arguments_are_accepted_in_all_usual_forms(convert: Callable[[str], object], text: str, kept: object) -> None:
    assert convert(text) == kept


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
