"""The shipped collectors satisfy the contract in collectors/__init__.py; mypy checks these assignments."""

from collectors import Collector, Measurable, Pairable, amazon_aqm, hue, weather

COLLECTORS: list[Collector] = [hue, amazon_aqm, weather]
PAIRABLE: list[Pairable] = [hue, amazon_aqm]
MEASURABLE: list[Measurable] = [hue]


def test_what_mypy_checks_holds_at_run_time_too() -> None:
    assert all(isinstance(module, Pairable) for module in PAIRABLE)
    assert [isinstance(module, Measurable) for module in COLLECTORS] == [True, False, False]
