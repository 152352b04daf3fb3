"""Replaces sleeping between attempts."""

import pytest


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list that the seconds of every wait between two attempts are written to."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept
