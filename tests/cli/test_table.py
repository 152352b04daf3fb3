"""Tables on wide terminals, narrow ones, and none."""

from cli.table import fitted

ROWS = [("id", "name", "age"), ("hue:1", "Küche", "3 min"), ("hue:22", "部屋", "-")]


def test_a_table_that_just_fits_stays_a_table() -> None:
    assert fitted(ROWS, 20) == fitted(ROWS, None)


def test_where_a_table_is_too_wide_some_cells_stand_below_their_row() -> None:
    assert fitted(ROWS, 19, below=(0,)) == [
        "name   age",
        "    id",
        "Küche  3 min",
        "    hue:1",
        "部屋   -",
        "    hue:22"]
    assert fitted(ROWS, 18, below=(0, 2)) == [
        "name",
        "    id      age",
        "Küche",
        "    hue:1   3 min",
        "部屋",
        "    hue:22  -"]
    assert fitted(ROWS, 20, below=(0,)) == fitted(ROWS, None)
    assert fitted(ROWS, 11, below=(0,)) == fitted(ROWS, 11)


def test_where_a_table_does_not_fit_each_row_is_a_paragraph() -> None:
    assert fitted(ROWS, 19) == [
        "id    hue:1",
        "name  Küche",
        "age   3 min",
        "",
        "id    hue:22",
        "name  部屋",
        "age   -"]
