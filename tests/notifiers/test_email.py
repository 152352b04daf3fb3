"""E-mail: one when an alert is raised, one when it clears, and no harm where that fails."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from jobs.alerts import AlertService
from jobs.delivery import Delivery, Sender
from jobs.job import catch_all
from notifiers.email import Settings as Email
from runtime.deadline import Deadline
from runtime.errors import CannotReach, NotAuthorised
from runtime.redaction import Redactor
from tests.checkout import CHECKOUT
from tests.home import Home
from tests.jobs.fake_source import at, degrees, source
from tests.mail_server import MailServer, dripping_server, email_section, silent_server
from tests.simulator.server import Simulator
from tests.storage.samples import NOW

REFUSED = NotAuthorised("the key was refused", "python devices.py pair made_up")
ALERT = "ALERT_MADE_UP_NEEDS_YOU.txt"
PASSWORD = "smtp-canary/1+2=3"
FORMS = (PASSWORD, quote(PASSWORD, safe=""), b64encode(PASSWORD.encode()).decode().rstrip("="),
         b64encode(f"\0house\0{PASSWORD}".encode()).decode().rstrip("="),
         b64encode(f"house:{PASSWORD}".encode()).decode().rstrip("="))


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A server that accepts everything."""
    with MailServer() as running:
        yield running


def cycle(home: Home, *items: object, hours: float = 0) -> int:
    """Run a cycle of a made-up source; return its exit code."""
    with at(hours):
        return home.run(collector=source(*items)).code


def failures(home: Home) -> list[str]:
    """Return the lines of the log about e-mails that could not be sent."""
    return [line for line in home.log().splitlines() if "could not notify by email" in line]


def test_one_mail_is_sent_when_an_alert_is_raised_and_one_when_it_clears(
        written: Home, server: MailServer) -> None:
    """FR-012."""
    written.write_secrets({"email": server.section()})
    story = (REFUSED, REFUSED, CannotReach("away"), NotAuthorised("still no"), REFUSED, degrees(20), degrees(20))
    assert [cycle(written, item, hours=hours) for hours, item in enumerate(story)] == [2, 2, 1, 2, 2, 0, 0]
    called, over = server.mails
    assert called.subject == f"[{os.uname().nodename}] The home monitor needs a human: the key was refused."
    assert "\nremedy: python devices.py pair made_up\n" in called.body and "\noccurrences: 1\n" in called.body
    assert over.subject.endswith("Home monitor: made_up no longer needs you") and f"{ALERT} has been removed" in over.body
    assert {mail.login for mail in server.mails} == {None}


def test_each_new_alert_is_mailed(written: Home, server: MailServer) -> None:
    written.write_secrets({"email": server.section()})
    for hours, item in enumerate((REFUSED, degrees(20), REFUSED, degrees(20))):
        cycle(written, item, hours=hours)
    assert len(server.mails) == 4


def test_a_mail_holds_the_text_of_the_alert_file_and_its_origin(written: Home, server: MailServer) -> None:
    written.write_secrets({"email": server.section()})
    cycle(written, NotAuthorised("the key for “Küche”\nwas refused 🔑", "pair again"))
    mail, = server.mails
    origin = f"machine: {os.uname().nodename}\nfolder: {written.folder}\n"
    assert mail.body == f"{(written.data / ALERT).read_text(encoding='utf-8')}\n{origin}"
    assert "Küche” was refused 🔑" in mail.subject


@pytest.mark.parametrize("login", [None, ("house", PASSWORD)])
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_every_kind_of_server_is_supported(written: Home, monkeypatch: pytest.MonkeyPatch, security: str,
                                                      login: tuple[str, str] | None) -> None:
    with MailServer(security, login) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate_file))
        written.write_secrets({"email": server.section()})
        assert cycle(written, REFUSED) == 2
    mail, = server.mails
    assert (mail.sender, mail.recipients) == ("monitor@example.org", ("you@example.org",))
    assert mail.login == (login and login[0])
    assert (b"mail from:<monitor@example.org>" in server.plain_heard.lower()) == (security == "none")


def test_all_recipients_get_it(written: Home, server: MailServer) -> None:
    written.write_secrets({"email": server.section(to=["you@example.org", "Neighbour <next@example.org>"])})
    cycle(written, REFUSED)
    mail, = server.mails
    assert mail.recipients == ("you@example.org", "next@example.org")
    assert mail.message["To"] == "you@example.org, Neighbour <next@example.org>"


def test_a_refused_recipient_is_logged_and_the_others_get_the_mail(written: Home) -> None:
    with MailServer(refuses=["gone@example.org"]) as server:
        written.write_secrets({"email": server.section(to=["gone@example.org", "you@example.org"])})
        cycle(written, REFUSED)
    assert [mail.recipients for mail in server.mails] == [("you@example.org",)]
    assert "takes no e-mail for gone@example.org" in written.log()


@pytest.mark.parametrize("login", [None, ("house", PASSWORD)])
def test_where_starttls_is_not_offered_nothing_is_sent(written: Home, login: tuple[str, str] | None) -> None:
    """An attacker in between can remove the offer; neither mail nor login may follow in the clear."""
    with MailServer("none", login) as server:
        written.write_secrets({"email": server.section(security="starttls")})
        assert cycle(written, REFUSED) == 2
    assert server.mails == [] and server.plain_heard.split()[0] == b"ehlo"
    assert not any(word in server.plain_heard.upper() for word in (b"MAIL FROM", b"AUTH", b"DATA"))
    assert "SMTPNotSupportedError" in failures(written)[0]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_with_an_untrusted_certificate_gets_nothing(written: Home, security: str) -> None:
    with MailServer(security, ("house", PASSWORD)) as server:
        written.write_secrets({"email": server.section()})
        assert cycle(written, REFUSED) == 2
    assert server.mails == [] and b"AUTH" not in server.plain_heard.upper()
    assert "certificate verify failed" in failures(written)[0]


def test_a_certificate_for_another_host_is_refused(written: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with MailServer("tls") as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate_file))
        written.write_secrets({"email": server.section(smtp_host="localhost")})
        cycle(written, REFUSED)
    assert server.mails == [] and "certificate verify failed" in failures(written)[0]


def free_port() -> int:
    """Return a port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as placeholder:
        port: int = placeholder.getsockname()[1]
    return port


@pytest.mark.parametrize("to", ["you@example.org", "<", "you@", "you@[", "ü@example.org"])
def test_a_dead_server_or_an_invalid_address_changes_nothing_else(written: Home, to: str) -> None:
    """Neither the exit code, nor the rows, nor the alert; and one line is logged. FR-012."""
    written.write_secrets({"email": email_section(free_port(), to=to)})
    refused_after_one = (degrees(20), REFUSED)
    assert [cycle(written, *refused_after_one, hours=hours) for hours in (0, 1)] == [2, 2]
    assert len(written.rows()) == 2 and len(failures(written)) == 2
    assert "\noccurrences: 2\n" in (written.data / ALERT).read_text()
    assert cycle(written, degrees(20), hours=2) == 0 and not (written.data / ALERT).exists()


def test_a_server_that_refuses_all_recipients_changes_nothing_else(written: Home) -> None:
    with MailServer(refuses=["you@example.org"]) as server:
        written.write_secrets({"email": server.section()})
        assert [cycle(written, REFUSED, hours=hours) for hours in (0, 1)] == [2, 2]
    assert server.mails == [] and len(failures(written)) == 2
    assert "SMTPRecipientsRefused" in failures(written)[0] and (written.data / ALERT).exists()


@pytest.mark.alone
def test_a_server_that_is_silent_or_drips_costs_4_seconds_at_most(tmp_path: Path, simulator: Simulator) -> None:
    simulator.faults.add("key-refused")
    with ExitStack() as running:
        ports = [running.enter_context(silent_server()), running.enter_context(dripping_server())]
        cycles = []
        for port in ports:
            home = Home(tmp_path / str(port))
            home.point_at(simulator)
            home.write_secrets({"hue": {"api_key": simulator.key}, "email": email_section(port)})
            cycles.append((home, running.enter_context(
                subprocess.Popen(home.command("--json"), stdout=subprocess.PIPE, cwd=CHECKOUT))))
        for home, process in cycles:
            started = time.monotonic()
            out, _ = process.communicate(timeout=30)
            assert process.returncode == 2 and json.loads(out)["outcome"] == "not_authorised"
            assert time.monotonic() - started < 7, "4 s and the start of a process on a busy machine"
            assert len(failures(home)) == 1 and (home.data / "ALERT_HUE_PAIRING_NEEDED.txt").exists()
            assert home.cycles()[0]["outcome"] == "not_authorised"


@pytest.mark.alone
def test_a_mail_takes_no_longer_than_the_cycle_has_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not 4 s where the deadline is nearer; and the alarm is off afterwards, as before."""
    before, started = signal.getsignal(signal.SIGALRM), time.monotonic()
    with dripping_server() as port:
        email = Email(smtp_host="127.0.0.1", smtp_port=port, security="none", from_address="a@b.c", to=("d@e.f",))
        (tmp_path / "data").mkdir()
        delivery = Delivery(Sender("", tmp_path, tmp_path), NOW, {"email": [email]}, Redactor(), Deadline(0.3), catch_all)
        alerts = AlertService(tmp_path / "data", "hue", NOW, Redactor(), delivery)
        alerts.raise_alert(ALERT, "", "hue", REFUSED)
        alerts.notify()
    assert 0.2 <= time.monotonic() - started < 2 and (tmp_path / "data" / ALERT).exists()
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL, logging.ERROR]


def test_no_password_is_shown_even_where_the_server_repeats_it(written: Home) -> None:
    """The server refuses the login and repeats it: plain, in base64, and as AUTH PLAIN encodes it."""
    output = ""
    for mechanism in ("PLAIN", "LOGIN"):
        with MailServer(login=("house", "another"), mechanisms=[mechanism]) as server:
            written.write_secrets({"email": server.section(password=PASSWORD)})
            with at(0):
                run = written.run("-v", "--json", collector=source(REFUSED))
            output += run.out + run.err
            assert server.mails == [] and b"AUTH " + mechanism.encode() in server.plain_heard
            (written.data / ALERT).unlink()
    output += "".join(path.read_bytes().decode(errors="replace")
                    for path in written.data.rglob("*") if path.is_file())
    assert len(failures(written)) == 2 and all("535" in line and "***" in line for line in failures(written))
    assert [form for form in FORMS if form in output] == []


def test_no_credential_of_a_source_is_mailed(written: Home, server: MailServer) -> None:
    """A source's error may quote its key, its cookie or the password of the mail server."""
    token, cookie = "Atnr|source-canary-1234567890", "cookie-canary-0987654321"
    forms = [form for secret in (token, cookie, PASSWORD)
             for form in (secret, quote(secret, safe=""), b64encode(secret.encode()).decode().rstrip("="))]
    written.write_secrets({"email": server.section(), "smtp": {"password": PASSWORD},
                           "made_up": {"token": token, "cookies": {"at-main": cookie}}})
    cycle(written, NotAuthorised(f"refused: {' '.join(forms)}", f"look at {token}"))
    mail, = server.mails
    assert "***" in mail.subject and "***" in mail.body
    assert [form for form in forms if form in mail.subject + mail.body] == []
    assert [form for form in forms if form in (written.data / ALERT).read_text()] == []


def test_a_healthy_cycle_does_not_load_what_sends_mail(home: Home, simulator: Simulator) -> None:
    """A one-shot script pays for every import at every cycle; only a raised alert needs smtplib."""
    home.point_at(simulator)
    home.write_secrets({"hue": {"api_key": simulator.key}, "email": email_section(free_port())})
    script = ("import sys; from collectors import hue; from jobs import collect;"
              "code = collect.run(hue, sys.argv[1:]); print(code, 'smtplib' in sys.modules)")
    outputs = []
    for fault in (None, "key-refused"):
        if fault:
            simulator.faults.add(fault)
        outputs.append(subprocess.run(
            [sys.executable, "-c", script, "--config", str(home.config)], text=True, timeout=60, cwd=CHECKOUT,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)
    assert outputs == ["0 False\n", "2 True\n"]


def test_without_a_section_email_there_is_only_the_file(written: Home) -> None:
    assert cycle(written, REFUSED) == 2
    assert (written.data / ALERT).exists() and "e-mail" not in written.log()


def test_a_server_is_greeted_without_a_name_look_up(written: Home, server: MailServer,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a machine is looked up in DNS, which can take longer than the whole cycle."""
    monkeypatch.setattr(socket, "getfqdn", lambda *_: "looked-up.example.org")
    written.write_secrets({"email": server.section()})
    cycle(written, REFUSED)
    assert b"ehlo [127.0.0.1]\r\n" in server.plain_heard


def test_a_mail_names_the_house_and_has_the_headers_that_servers_expect(written: Home, server: MailServer) -> None:
    written.write_config(display={"house": "Harbour Street 5"})
    written.write_secrets({"email": server.section()})
    cycle(written, REFUSED)
    mail, = server.mails
    assert mail.subject.strip().startswith("[Harbour Street 5] ") and "\nhouse: Harbour Street 5\n" in mail.body
    assert mail.message["Date"] == "Sun, 22 Nov 2026 00:00:00 +0000"
    assert str(mail.message["Message-ID"]).endswith("@example.org>")


def test_an_undelivered_mail_is_sent_by_a_later_run_and_only_once(written: Home, server: MailServer) -> None:
    written.write_secrets({"email": email_section(free_port())})
    assert cycle(written, REFUSED) == 2 and server.mails == []
    written.write_secrets({"email": server.section()})
    for hours in (1, 2):
        cycle(written, CannotReach("away"), hours=hours)  # a run that neither raises nor clears the alert
    assert [mail.message["Date"][:16] for mail in server.mails] == ["Sun, 22 Nov 2026"]
    written.write_secrets({"email": email_section(free_port())})
    assert cycle(written, degrees(20), hours=3) == 0
    written.write_secrets({"email": server.section()})
    for hours in (4, 5):
        cycle(written, degrees(20), hours=hours)
    assert [mail.subject.endswith("no longer needs you") for mail in server.mails] == [False, True]


def test_an_alert_that_was_over_before_its_mail_was_delivered_is_not_mailed(written: Home, server: MailServer) -> None:
    written.write_secrets({"email": email_section(free_port())})
    cycle(written, REFUSED)
    cycle(written, degrees(20), hours=1)
    written.write_secrets({"email": server.section()})
    cycle(written, degrees(20), hours=2)
    assert server.mails == []


def test_a_wrong_configuration_is_mailed_until_any_job_reads_a_good_one(written: Home, server: MailServer) -> None:
    written.write_secrets({"email": server.section()})
    written.write_config(collection={"interval_seconds": 5})
    alert = written.data / "ALERT_CONFIGURATION_WRONG.txt"
    assert [cycle(written, degrees(20), hours=hours) for hours in (0, 1)] == [2, 2] and alert.exists()
    written.write_config(collection={})
    assert cycle(written, degrees(20), hours=2) == 0 and not alert.exists()
    called, over = server.mails
    assert "collection.interval_seconds" in called.body and over.subject.endswith("the configuration no longer needs you")


def test_a_wrong_configuration_of_another_source_is_left_to_it(written: Home) -> None:
    """Else each cycle of one source would clear the alert that the other raises, with two mails."""
    alert = written.data / "ALERT_CONFIGURATION_WRONG.txt"
    written.write_config(collectors={"hue": {"timeout_seconds": "long"}})
    with at(0):
        assert written.run().code == 2 and alert.exists()
    assert cycle(written, degrees(20), hours=1) == 0 and alert.exists()
    written.write_config(collectors={})
    assert cycle(written, degrees(20), hours=2) == 0 and not alert.exists()
