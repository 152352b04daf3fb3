"""The page in a browser: what people see, point at and type; nothing asks the network, and no name runs a script."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from publishers import page
from runtime.formats import parse_time
from tests.home import Home
from tests.jobs.fake_source import degrees, source
from tests.publishers.browser import opened, showing
from tests.publishers.pages import Page
from tests.publishers.running import enable, run
from tests.publishers.test_page import REASONS, eventful

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["eventful"]  # a fixture

PHONE, DESK = 390, 1280
HOSTILE = (
    "<script>hacked=1</script>", "<img src=x onerror=hacked=1>", "\"><svg onload=hacked=1>", "' onfocus='hacked=1' x='",
    "</script><script>hacked=1</script>", "</style><script>hacked=1</script>", "<!--<script>", "-->", "]]>", "{{{data}}}",
    "{{title}}", "{{#tiles}}", "${hacked=1}", "`;hacked=1;`", "\\u003cscript>hacked=1</script>", "&lt;script&gt;hacked=1",
    "<base href='http://a.test/'>", "<link rel=stylesheet href='http://a.test/'>", "\u2028hacked=1", "\u202etxet")
HATCHED = """([id, at]) => {
    const canvas = document.querySelector(`#${id} canvas`), over = document.querySelector(`#${id} .u-over`);
    const ratio = canvas.width / canvas.clientWidth, left = over.offsetLeft + at * over.clientWidth;
    const copy = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    copy.drawImage(canvas, (2 - left) * ratio, -over.offsetTop * ratio);
    return copy.getImageData(0, 0, 5, 100).data
        .filter((value, index) => index % 4 === 3 && value > 0).length > 60;  // more than the lines of the grid
}"""


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    with opened() as browser:
        yield browser


def path(home: Home) -> Path:
    return home.data / "page.html"


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_is_accessible(eventful: Home, browser: "Browser", width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="NOT PROVEN: axe-core is not there").Axe()
    with showing(browser, path(eventful), width=width, color_scheme=scheme) as shown:
        assert shown.evaluate("document.documentElement.scrollWidth") == width
        assert shown.locator(".plot canvas").count() == len(Page(path(eventful)).data["charts"])
        violations = axe.run(shown).response["violations"]
    assert [(found["id"], found["impact"], [node["html"] for node in found["nodes"]]) for found in violations] == []


def test_each_gap_is_hatched_and_gives_its_reason(eventful: Home, browser: "Browser") -> None:
    data, named = Page(path(eventful)).data, set()
    start, end = (data["axes"]["days"][name] for name in ("start", "end"))
    with showing(browser, path(eventful)) as shown:
        for chart in data["charts"]:
            gaps = iter(data["gaps"][chart["device"]])
            for begin, length, reason in zip(gaps, gaps, gaps):
                at = (data["since"] + (begin + length / 2) * 60 - start) / (end - start)
                if at > 0 and data["reasons"][reason] not in named:
                    over = shown.locator(f"#{chart['id']} .u-over")
                    over.scroll_into_view_if_needed()
                    box = over.bounding_box()
                    assert box is not None
                    shown.mouse.move(box["x"] + at * box["width"], box["y"] + 20)
                    text = shown.locator(f"#{chart['id']}-out").inner_text()
                    assert text.endswith(f": {data['reasons'][reason]}")
                    assert shown.evaluate(HATCHED, [chart["id"], at])
                    named.add(data["reasons"][reason])
    assert named == REASONS


def test_charts_are_read_with_the_keyboard(eventful: Home, browser: "Browser") -> None:
    kitchen = eventful.rows("SELECT * FROM latest_readings WHERE location = 'Küche'")[0]
    with showing(browser, path(eventful), timezone_id="Asia/Tokyo") as shown:
        shown.keyboard.press("Tab")
        shown.keyboard.press("Enter")
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.value") == "days"
        shown.keyboard.press("ArrowRight")
        assert "30 days: " in str(shown.locator(".plot").first.get_attribute("aria-label"))
        shown.keyboard.press("ArrowLeft")
        for _ in range(3):
            shown.keyboard.press("Tab")
        shown.keyboard.press("End")
        text = shown.locator("output:visible").nth(2).inner_text()
        local = parse_time(kitchen["timestamp"])  # London has UTC in winter
        assert text == f"{local:%a %H:%M}: {kitchen['temperature_celsius']:.1f} °C"
        shown.keyboard.press("Escape")
        assert shown.locator("output:visible").count() == 0


def test_an_old_page_says_so(eventful: Home, browser: "Browser") -> None:
    context = browser.new_context()
    shown = context.new_page()
    shown.clock.set_fixed_time(parse_time(eventful.cycles()[0]["started_at"]) + timedelta(hours=3.1))
    shown.goto(path(eventful).as_uri())
    assert shown.locator("#status").inner_text() == "This page was made 3 hours ago: what came later is missing"
    context.close()


def test_without_javascript_its_tables_are_open(eventful: Home, browser: "Browser") -> None:
    with showing(browser, path(eventful), java_script_enabled=False) as shown:
        assert shown.locator(".charts:visible").count() == 0
        rows = shown.locator("section.quantity tbody tr")
        assert rows.count() == len(Page(path(eventful)).data["charts"]) and rows.last.is_visible()
        assert "The charts need JavaScript" in shown.inner_text("main")


def test_a_hundred_hostile_names_run_no_script(home: Home, browser: "Browser") -> None:
    names = [f"{number} {text}" for number in range(5) for text in HOSTILE]
    enable(home, "page", title=HOSTILE[0])
    home.run(collector=source(*(degrees(20, f"made_up:{number}") for number in range(len(names)))))
    with closing(sqlite3.connect(home.database)) as connection, connection:
        connection.executemany("UPDATE device_registry SET location = ?, device_name = ? WHERE device_id = ?", [
            (name, name, f"made_up:{number}") for number, name in enumerate(names)])
    (home.data / "ALERT_HUE_NEEDS_YOU.txt").write_text(f"{HOSTILE[1]}\nremedy: {HOSTILE[2]}\n")
    assert run(home, page).code == 0
    with showing(browser, path(home)) as shown:
        assert shown.evaluate("typeof hacked") == "undefined"
        assert sorted(shown.locator(".tile bdi").all_text_contents()) == sorted(names)
        assert shown.evaluate("document.querySelectorAll('script').length") == 3
        assert shown.locator("h1").inner_text() == HOSTILE[0]
