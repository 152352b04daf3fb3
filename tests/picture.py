"""`make picture`: docs/page.png, the page of the demo in light and dark, with a gap that is being pointed at."""

import base64
from pathlib import Path

from tests.checkout import CHECKOUT
from tests.demo import PAGE
from tests.publishers.browser import opened, showing

PICTURE = CHECKOUT / "docs" / "page.png"
WIDTH, MARGIN, FIGURES = 780, 12, 4
GAP = "#c1-temperature_celsius .u-over", 0.75  # the office was silent 14 to 10 hours ago


def main() -> int:
    PICTURE.write_bytes(draw(PAGE.resolve()))
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")
    return 0


def draw(page: Path) -> bytes:
    with opened() as browser:
        halves = []
        for scheme in ("light", "dark"):
            with showing(browser, page, width=WIDTH, color_scheme=scheme) as shown:
                last, (selector, at) = shown.locator("figure").nth(FIGURES - 1).bounding_box(), GAP
                assert last is not None
                height = int(last["y"] + last["height"] + MARGIN)
                shown.set_viewport_size({"width": WIDTH, "height": height})
                box = shown.locator(selector).bounding_box()
                assert box is not None
                shown.mouse.move(box["x"] + at * box["width"], box["y"] + box["height"] / 2)
                halves.append(base64.b64encode(shown.screenshot()).decode())
        both = browser.new_page(viewport={"width": 2 * WIDTH, "height": height})
        both.set_content('<body style="margin:0;display:flex">' + "".join(
            f'<img src="data:image/png;base64,{half}">' for half in halves))
        both.wait_for_function("[...document.images].every((image) => image.complete)")
        picture: bytes = both.screenshot()
        return picture


if __name__ == "__main__":
    raise SystemExit(main())
