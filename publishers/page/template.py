"""Fills in a template: `{{name}}` is a text, `{{{name}}}` is HTML, `{{#name}}...{{/name}}` is repeated for each item.

A section of a text is shown unless the text is empty, `{{^name}}...{{/name}}` if it is. A name that an item lacks is
looked up in what surrounds it. (A small part of https://mustache.github.io/mustache.5.html.)
"""

import html
import re
from collections import ChainMap
from collections.abc import Mapping, Sequence

TAG = re.compile(r"\{\{(?:\{(\w+)\}|(\w+))\}\}|\{\{([#^])(\w+)\}\}(.*?)\{\{/\4\}\}", re.DOTALL)

Values = Mapping[str, "str | Sequence[Values]"]


def render(template: str, values: Values) -> str:
    """Return the text. Raise KeyError for a name without a value."""
    def fill(match: re.Match[str]) -> str:
        raw, text, kind, name, inner = match.groups()
        value = values[raw or text or name]
        if kind is None:
            return str(value) if raw else html.escape(str(value))
        if kind == "^":
            return "" if value else render(inner, values)
        items: Sequence[Values] = [{}] * bool(value) if isinstance(value, str) else value
        return "".join(render(inner, ChainMap(dict(item), dict(values))) for item in items)
    return TAG.sub(fill, template)
