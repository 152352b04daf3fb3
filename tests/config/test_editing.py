"""Values put into secrets.yaml: the file then holds exactly these as well, and otherwise looks as before."""

import itertools

import pytest
import yaml

from config import DEFAULT_PATH
from config.editing import lines, with_values

VALUES = {"api_key": "Key-0123456789_abcdef", "bridge_id": "001788fffe256501"}
NEW_BLOCK = 'hue:\n  api_key: "Key-0123456789_abcdef"\n  bridge_id: "001788fffe256501"\n'

HEADS = ["", "# Ours.\n\n", "---\n", "weather:\n  api_key: kept\n\n", "amazon_aqm: {cookies: {a: b}}\n"]
BLOCKS = [
    "hue:\n",
    "hue:   # the bridge\n",
    "hue:\n  api_key: null\n",
    "hue:\n  api_key: old\n  bridge_id: 'also old'\n",
    "hue:\n  bridge_id: \"001788fffe000000\"\n  certificate_fingerprint: kept\n  api_key: old\n",
    "hue:\n    # four spaces\n    api_key: old\n\n    user: me\n",
    "hue:\n# at the left\n  # and indented\n  api_key:\n",
    "hue:\n  api_key_of_last_year: kept\n  not_api_key: kept\n",
    "hue:\n  nested:\n    api_key: kept\n    bridge_id: kept\n",
    "hue:\n  list:\n  - api_key\n  - bridge_id\n",
    "hue:\n  text: |\n    api_key: kept\n    # no comment\n",
]
TAILS = ["", "\n# The end.\n", "email:   # at work\n  api_key: kept\n  bridge_id: kept\n",
         "hue_two:\n  api_key: kept\n"]

NOT_EDITABLE = {
    "in one line": "hue: {api_key: old}\n",
    "in one line, empty": "hue: {}\n",
    "a written null": "hue: null\n",
    "a quoted name": '"hue":\n  api_key: old\n',
    "a quoted key": 'hue:\n  "api_key": old\n',
    "a space before the colon": "hue :\n  api_key: old\n",
    "a folded value": "hue:\n  api_key: >\n    old\n    key\n",
    "a value on the next line": "hue:\n  api_key:\n    old\n",
    "a value over two lines": "hue:\n  api_key: 'old\n    key'\n",
    "a list": "hue:\n- api_key\n",
    "a text": "hue: api_key\n",
    "everything in one line": "{hue: {api_key: old}, email: {}}\n",
    "an indented file": "  hue:\n    api_key: old\n",
    "a repeated section": "hue:\n  api_key: old\nhue:\n  api_key: older\n",
    "a repeated key": "hue:\n  api_key: old\n  api_key: older\n",
    "an end of the document": "email: {}\n...\n",
    "two documents": "email: {}\n---\nhue: {}\n",
    "an anchor": "email: &x {}\nhue:\n  api_key: old\n",
    "a tag": "email: !x {}\nhue:\n  api_key: old\n",
    "no YAML at all": "hue:\n\tapi_key: old\n",
    "a byte order mark before the section": "\ufeffhue:\n  api_key: old\n",
    "the section within a text": "email:\n  text: |\n    x\nmore: '\nhue:\n  api_key: old'\n",
}


def untouched(text: str) -> list[str]:
    """Return the lines that hold none of the values to be written, and so must stay."""
    return [row for row in text.splitlines() if row.split(":")[0].strip() not in VALUES or "kept" in row]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_new_values_are_added_and_all_other_lines_stay(block: str) -> None:
    """In their order; and writing the same values again changes nothing."""
    for head, tail in itertools.product(HEADS, TAILS):
        text = head + block + tail
        edited = with_values(text, "hue", VALUES)
        assert edited is not None, text
        before = yaml.safe_load(text)
        assert yaml.safe_load(edited) == {**before, "hue": {**(before["hue"] or {}), **VALUES}}
        written = [row for row in edited.splitlines() if any(value in row for value in VALUES.values())]
        assert len(written) == len(VALUES)
        assert [row for row in edited.splitlines() if row not in written] == untouched(text)
        assert with_values(edited, "hue", VALUES) == edited


@pytest.mark.parametrize("text", NOT_EDITABLE.values(), ids=list(NOT_EDITABLE))
def test_a_form_that_cannot_be_edited_safely_is_left_alone(text: str) -> None:
    assert with_values(text, "hue", VALUES) is None


@pytest.mark.parametrize(("text", "before"), [
    ("", ""), ("# Ours.\n", "# Ours.\n\n"), ("email: {}", "email: {}\n\n"), ("---\n", "---\n\n"),
    ("\ufeffemail: {}\n", "\ufeffemail: {}\n\n"),
])
def test_a_missing_section_is_appended(text: str, before: str) -> None:
    assert with_values(text, "hue", VALUES) == before + NEW_BLOCK


def test_the_shipped_example_can_be_filled_in() -> None:
    text = DEFAULT_PATH.with_name("secrets.yaml.example").read_text(encoding="utf-8")
    edited = with_values(text, "hue", {"bridge_ip": None, **VALUES, "certificate_fingerprint": "0" * 64})
    assert edited is not None
    assert yaml.safe_load(edited)["hue"] == {"bridge_ip": None, **VALUES, "certificate_fingerprint": "0" * 64}


@pytest.mark.parametrize("text", ["hue:\n  api_key: old  # from the attic\n",
                                  "hue:\n  api_key: 'o#d' # from the attic\n",
                                  "hue:\n  api_key:  # from the attic\n"])
def test_a_comment_after_a_value_stays(text: str) -> None:
    assert "# from the attic" in (with_values(text, "hue", VALUES) or "")


def test_awkward_values_are_quoted() -> None:
    awkward = {"api_key": "a: b # c\n'\"\\{[&*!|>%@`é", "bridge_id": "- x"}
    edited = with_values("hue:\n  api_key: old\n", "hue", awkward)
    assert edited is not None and yaml.safe_load(edited) == {"hue": awkward}
    digits = {"bridge_id": "0017880000000000"}
    assert yaml.safe_load(with_values("", "hue", digits) or "") == {"hue": digits}


def test_the_lines_to_paste_are_the_section_as_it_should_be() -> None:
    assert "\n".join(lines("hue", VALUES)) + "\n" == NEW_BLOCK
