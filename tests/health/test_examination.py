"""What a check reports arrives complete, the worst first, without secrets, and not too long."""

from health import examination
from health.finding import Finding
from runtime.redaction import Redactor


def test_findings_are_reported_worst_first_and_once() -> None:
    assert examination.summary([
        Finding("pass", "the roof is tight", figures=("'a'=1",)),
        Finding("warn", "the door squeaks", "oil it"),
        Finding("critical", "the cellar burns", "run", figures=("'b'=2",)),
        Finding("warn", "the window squeaks", "oil it"),
    ], Redactor()) == {
        "level": "critical", "remedy": "run; oil it", "figures": ["'b'=2", "'a'=1"],
        "message": "the cellar burns; the door squeaks; the window squeaks; the roof is tight"}


def test_a_long_message_is_cut() -> None:
    message = examination.summary([Finding("fail", "\u2603" * 100_000)], Redactor())["message"]
    assert message.endswith(" [...]") and len(message) < 5000


def test_secrets_are_masked_and_control_characters_escaped() -> None:
    summary = examination.summary([Finding("fail", "key abcdefgh\n\x1b[2J")], Redactor(["abcdefgh"]))
    assert summary["message"] == "key ***\\n\\x1b[2J"


def test_a_check_without_findings_passes() -> None:
    assert examination.summary([], Redactor())["level"] == "pass"
