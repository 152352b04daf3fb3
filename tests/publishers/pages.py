"""What a page of the publisher says, as text and as the data of its charts."""

import html
import json
import re
from pathlib import Path
from typing import Any


class Page:
    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")

    @property
    def data(self) -> Any:
        return json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', self.text)[0])

    def table(self, section: str) -> list[list[str]]:
        """Return the rows below a heading, given its id."""
        part = self.text.partition(f'id="{section}"')[2].partition("</section>")[0].partition("<tbody>")[2]
        return [[_plain(cell) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)]
                for row in re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)]

    def tiles(self) -> dict[str, str]:
        """Return the texts of the tiles by their places."""
        tiles = re.findall(r'<li class="tile.*?">(.*?)</li>', self.text, re.DOTALL)
        return {_plain(re.findall("<bdi>(.*?)</bdi>", tile)[0]): _plain(tile) for tile in tiles}

    def status(self) -> str:
        return _plain(re.findall(r'id="status">(.*?)<', self.text)[0])


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub("<.*?>", " ", text)).split())
