"""Debian's Chromium, driven by Playwright; tests that need one that is not there are skipped, with the reason."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = "chromium", "chromium-browser", "google-chrome"


@contextmanager
def opened() -> "Iterator[Browser]":
    api = pytest.importorskip("playwright.sync_api", reason="NOT PROVEN: this Python has no Playwright")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("NOT PROVEN: this machine has no Chromium; on Debian: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@contextmanager
def showing(browser: "Browser", path: Path, *, width: int = 1280, **options: Any) -> "Iterator[Page]":
    """Show a file. The browser must complain of nothing and ask the network for nothing, now and until the end."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url[:80]) if request.url != path.as_uri() else None)
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not complaints, complaints
