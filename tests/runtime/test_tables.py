"""Tables in scripts whose letters are wider or narrower than one column."""

from runtime.tables import aligned, columns


def test_every_column_is_as_wide_as_its_widest_cell() -> None:
    assert aligned([("id", "name", "age"), ("hue:1", "Küche", "3 min"), ("hue:22", "部屋", "-")]) == [
        "id      name   age",
        "hue:1   Küche  3 min",
        "hue:22  部屋   -"]


def test_letters_take_as_many_columns_as_they_do_on_a_terminal() -> None:
    assert (columns("Kitchen"), columns("部屋"), columns("u\u0308ber"), columns("")) == (7, 4, 4, 0)
