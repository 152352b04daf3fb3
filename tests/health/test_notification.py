"""`healthcheck.py --notify`: for machines whose cron mails nothing."""

import os
from collections.abc import Iterator

import pytest

from tests.checked_home import CheckedHome
from tests.mail_server import MailServer, email_section, silent_server


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


def check(home: CheckedHome, *arguments: str) -> int:
    """`database_wal` may warn of this machine's SQLite."""
    run = home.check("--offline", "--notify", "--skip", "database_wal", *arguments)
    assert run.err == ""
    return run.code


def test_a_finding_is_mailed_once_a_day_and_once_when_all_is_well(checked_home: CheckedHome, server: MailServer) -> None:
    checked_home.keep_secrets(email=server.section())
    checked_home.hand_over(os.geteuid())
    assert check(checked_home) == 0 and server.mails == []
    alert = checked_home.data / "ALERT_HUE_PAIRING_NEEDED.txt"
    alert.write_text("The key was refused.\nraised_at: now\nerror: refused\nremedy: pair hue\n", encoding="utf-8")
    checked_home.hand_over(os.geteuid())
    assert [check(checked_home) for _ in range(2)] == [1, 1]
    called, = server.mails
    assert called.subject.endswith("Home monitor: 1 component not well: alerts")
    assert "alerts (fail): ALERT_HUE_PAIRING_NEEDED.txt since now: refused\nRemedy: pair hue; " in called.body
    checked_home.secrets.chmod(0o644)
    assert check(checked_home) == 1 and "secrets" in server.mails[-1].subject and len(server.mails) == 2
    checked_home.secrets.chmod(0o600)
    alert.unlink()
    assert check(checked_home, "--only", "spool") == 0 and len(server.mails) == 2, "the others were not looked at"
    assert [check(checked_home) for _ in range(2)] == [0, 0]
    assert len(server.mails) == 3 and server.mails[-1].subject.endswith("all is well again")


def test_a_failed_delivery_changes_no_exit_code_and_is_tried_again(checked_home: CheckedHome, server: MailServer) -> None:
    checked_home.keep_secrets(email=email_section(9))
    checked_home.secrets.chmod(0o644)
    checked_home.hand_over(os.geteuid())
    run = checked_home.check("--offline", "--notify")
    assert run.code == 0 and run.err.startswith("could not notify by email: 127.0.0.1: ConnectionRefusedError")
    checked_home.keep_secrets(email=server.section())
    checked_home.secrets.chmod(0o644)
    assert check(checked_home) == 0 and len(server.mails) == 1


def test_a_broken_configuration_is_mailed(checked_home: CheckedHome, server: MailServer) -> None:
    checked_home.keep_secrets(email=server.section())
    checked_home.hand_over(os.geteuid())
    checked_home.config.write_text("collection: [1, 2", encoding="utf-8")
    assert check(checked_home) == 2
    assert "configuration" in server.mails[0].subject


@pytest.mark.alone
def test_a_silent_server_does_not_pass_the_time_limit(checked_home: CheckedHome) -> None:
    with silent_server() as port:
        checked_home.keep_secrets(email=email_section(port))
        checked_home.secrets.chmod(0o644)
        checked_home.hand_over(os.geteuid())
        run = checked_home.check("--offline", "--notify", "--timeout", "4")
    assert run.code == 0 and "email" in run.err and "secrets" in run.out


def test_without_a_notifier_it_says_so(checked_home: CheckedHome) -> None:
    checked_home.hand_over(os.geteuid())
    run = checked_home.check("--offline", "--notify")
    assert run.code == 0 and "add the section email" in run.err
