"""`devices.py alert --test`: whether alerts reach a person is tried before one is needed."""

import pytest

from tests.home import Home
from tests.mail_server import MailServer, email_section


def test_a_test_mail_is_sent(written: Home) -> None:
    with MailServer() as server:
        written.write_secrets({"email": server.section()})
        run = written.devices("alert", "--test")
    assert (run.code, run.out, run.err) == (0, "email: sent\n", "")
    mail, = server.mails
    assert mail.subject.endswith("Home monitor: a test, nothing needs to be done")
    assert f"\nfolder: {written.folder}\n" in mail.body and mail.message["Date"] and mail.message["Message-ID"]


def test_a_server_that_does_not_answer_is_reported(written: Home) -> None:
    written.write_secrets({"email": email_section(9)})
    run = written.devices("alert", "--test")
    assert run.code == 1 and run.out.startswith("email: not sent: 127.0.0.1: ConnectionRefusedError")


@pytest.mark.parametrize(("secrets", "expected"), [
    ({}, "no notifier is configured. Remedy: add the section email"), ({"email": {"to": 5}}, "email.smtp_host")])
def test_without_a_usable_notifier_the_configuration_is_wrong(
        written: Home, secrets: dict[str, object], expected: str) -> None:
    written.write_secrets(secrets)
    run = written.devices("alert", "--test")
    assert run.code == 2 and run.out == "" and expected in run.err


def test_a_wrong_notifier_does_not_keep_the_others_from_being_tested(written: Home) -> None:
    with MailServer() as server:
        written.write_secrets({"email": server.section(), "notify": {"webhook": {"url": 5}}})
        run = written.devices("alert", "--test")
    assert (run.code, run.out, len(server.mails)) == (2, "email: sent\n", 1) and "notify.webhook.url" in run.err
