"""Each of the user's requirements is shown by a test, and docs/requirements.md says by which."""

from tests.requirements import PAGE, page, required, shown


def test_every_requirement_has_a_test_and_every_name_in_a_docstring_is_a_requirement() -> None:
    assert set(shown()) == set(required())


def test_the_page_is_up_to_date() -> None:
    """If not: python -m tests.requirements."""
    assert PAGE.read_text(encoding="utf-8") == page()
