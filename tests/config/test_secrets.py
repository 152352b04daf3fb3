"""secrets.yaml: what is read from it, what is to be masked, and that nothing of it is ever said aloud."""

from pathlib import Path

import pytest

import config
from notifiers.email import Settings as Email
from tests.config.conftest import LoadSecrets, Problems
from tests.config.standins import SECTIONS, HueSecrets, MonitorSecrets

MAIL = "smtp_host: mail.example.org, from: house@example.org, to: me@example.org"


def test_a_missing_file_means_no_secrets(house: Path) -> None:
    secrets = config.load_secrets(house / "config" / "secrets.yaml", SECTIONS)
    assert not secrets.found
    assert secrets.path == house / "config" / "secrets.yaml"
    assert secrets.sections == {"hue": HueSecrets(), "amazon_aqm": MonitorSecrets()}
    assert (secrets.values, secrets.logins, secrets.notifiers, secrets.warnings) == ((), (), {}, ())


@pytest.mark.parametrize("text", ["", "hue:\namazon_aqm:\nemail:\n", "hue: {api_key: '', bridge_id: null}"])
def test_a_file_without_values_means_no_secrets_either(text: str, load_secrets: LoadSecrets) -> None:
    secrets = load_secrets(text)
    assert secrets.found
    assert (secrets.sections["hue"], secrets.notifiers, secrets.values) == (HueSecrets(), {}, ())


def test_credentials_are_read_into_their_sections(load_secrets: LoadSecrets) -> None:
    secrets = load_secrets("hue: {api_key: key-1, bridge_id: 001788FFFE1}\namazon_aqm: {refresh_token: 'Atnr|x'}")
    assert secrets.sections == {"hue": HueSecrets("key-1", "001788FFFE1"), "amazon_aqm": MonitorSecrets("Atnr|x")}


def test_every_secret_text_is_to_be_masked_longest_first(load_secrets: LoadSecrets) -> None:
    """Known section or not, known key or not, in lists and maps; but no address, no bridge's id and nothing short."""
    secrets = load_secrets(f"""
hue: {{api_key: canary-key, bridge_id: 001788fffe, spare: [canary-key-2, {{deep: canary-deep}}]}}
amazon_aqm: {{refresh_token: canary-token, cookies: {{session-id: "1234", lang: de}}, domain: alexa.amazon.de}}
email: {{{MAIL}, username: somebody, password: canary-password}}
elsewhere: {{key: canary-unknown}}
bare: canary-bare
""")
    assert secrets.values == ("canary-password", "canary-unknown", "canary-key-2", "canary-token", "canary-bare",
                              "canary-deep", "canary-key", "1234")


def test_a_secret_that_stands_twice_is_masked_once(load_secrets: LoadSecrets) -> None:
    assert load_secrets("hue: {api_key: same-key}\nother: {api_key: same-key}").values == ("same-key",)


def test_names_and_passwords_are_paired_wherever_they_stand_together(load_secrets: LoadSecrets) -> None:
    secrets = load_secrets(f"email: {{{MAIL}, username: ann, password: one}}\n"
                           "other: [{username: bob, password: two}, {username: eve}, {username: 5, password: six}]")
    assert secrets.logins == (("ann", "one"), ("bob", "two"))


def test_the_least_email_section_is_three_lines(load_secrets: LoadSecrets) -> None:
    email, = load_secrets(f"email: {{{MAIL}}}").notifiers["email"]
    assert email == Email(smtp_host="mail.example.org", from_address="house@example.org", to=("me@example.org",),
                                 smtp_port=587, security="starttls", username=None, password=None)


def test_an_email_section_may_say_everything(load_secrets: LoadSecrets) -> None:
    email, = load_secrets("email: {smtp_host: h, smtp_port: 465, security: TLS, username: u, password: p, from: f,"
                         " to: [a@example.org, b@example.org]}").notifiers["email"]
    assert email == Email("h", "f", ("a@example.org", "b@example.org"), 465, "tls", "u", "p")


@pytest.mark.parametrize(("said", "port"), [
    ("security: tls", 465), ("security: TLS, smtp_port: null", 465), ("security: tls, smtp_port: 2465", 2465),
    ("security: starttls", 587), ("security: none", 587), ("security: starttls, smtp_port: 465", 465)])
def test_the_port_follows_the_security_unless_it_is_named(said: str, port: int, load_secrets: LoadSecrets) -> None:
    email, = load_secrets(f"email: {{{MAIL}, {said}}}").notifiers["email"]
    assert email.smtp_port == port


@pytest.mark.parametrize("port", [1, 65_535])
def test_every_port_there_is_may_be_named(port: int, load_secrets: LoadSecrets) -> None:
    email, = load_secrets(f"email: {{{MAIL}, smtp_port: {port}}}").notifiers["email"]
    assert email.smtp_port == port


@pytest.mark.parametrize(("section", "said"), [
    (f"email: {{{MAIL}, smtp_port: 0}}", "email.smtp_port: the value is out of range; allowed is 1 to 65535"),
    (f"email: {{{MAIL}, smtp_port: 65536}}", "email.smtp_port: the value is out of range; allowed is 1 to 65535"),
    (f"email: {{{MAIL}, smtp_port: hunter}}",
     "email.smtp_port: the value is not a whole number; allowed is 1 to 65535"),
    (f"email: {{{MAIL}, security: ssl}}",
     "email.security: the value is not one of the choices; allowed is starttls, tls, none"),
    (f"email: {{{MAIL}, username: hunter}}", "email.password: is missing, though there is a username"),
    (f"email: {{{MAIL}, password: hunter}}", "email.username: is missing, though there is a password"),
    (f"email: {{{MAIL}, username: u, password: 123456}}", "email.password: the value is not text; put it in quotes"),
    ("email: hunter", "email: the value is not a mapping of keys to values"),
    ("hue: hunter", "hue: the value is not a mapping of keys to values"),
    ("hue: {api_key: 123456}", "hue.api_key: the value is not text; put it in quotes"),
    ("hue: {api_key: [hunter]}", "hue.api_key: the value is not text"),
    ('hue: {api_key: "hunter\\n2"}', "hue.api_key: the value contains a line break or another control character"),
    ("amazon_aqm: {cookies: hunter}", "amazon_aqm.cookies: the value is not a mapping of keys to values"),
    ("amazon_aqm: {cookies: {session-id: 123456}}",
     "amazon_aqm.cookies.session-id: the value is not text; put it in quotes"),
    ("amazon_aqm: {cookies: {123456: x}}",
     "amazon_aqm.cookies: the key (a key not shown here) is not text; put it in quotes"),
])
def test_a_wrong_secret_is_told_by_its_place_alone(section: str, said: str, secret_problems: Problems) -> None:
    assert secret_problems(section) == (said,)
    assert "hunter" not in said and "123456" not in said


def test_all_problems_of_the_secrets_come_together(load_secrets: LoadSecrets) -> None:
    with pytest.raises(config.ConfigurationError) as caught:
        load_secrets("hue: {api_key: 5}\namazon_aqm: {refresh_token: 6}\nemail: {smtp_host: '', from: null, to: []}")
    assert [told.split(": ")[0] for told in caught.value.problems] == [
        "hue.api_key", "amazon_aqm.refresh_token", "email.smtp_host", "email.from", "email.to"]
    assert "secrets.yaml.example" in caught.value.remedy


@pytest.mark.parametrize(("text", "warning"), [
    ("hui: {x: Canary99}", "hui: unknown key, ignored; did you mean hue?"),
    ("hue: {api_kye: Canary99}", "hue.api_kye: unknown key, ignored; did you mean api_key?"),
    ("hue: {api_key:Canary99}", "hue.(a key not shown here): unknown key, ignored"),
    ("Canary99: x", "(a key not shown here): unknown key, ignored"),
    (f"email: {{{MAIL}, passwort: Canary99}}", "email.passwort: unknown key, ignored; did you mean password?"),
])
def test_an_unknown_key_is_a_warning_that_gives_nothing_away(
        text: str, warning: str, load_secrets: LoadSecrets) -> None:
    """A missing blank after a colon makes the secret itself a part of the key."""
    assert load_secrets(text).warnings == (warning,)


@pytest.mark.parametrize("text", [
    "hue:\n  api_key: 'Canary99\n",
    "hue:\n  api_key: Canary99: x\n",
    "hue:\n\tapi_key: Canary99\n",
    "hue:\n  api_key: @Canary99\n",
    "hue:\n  api_key: *Canary99\n",
    "hue:\n  api_key: &Canary99 x\n",
    "hue:\n  api_key: !Canary99 x\n",
    "hue:\n  api_key: %Canary99\n",
    "hue: {api_key: [Canary99}\n",
    "hue:\n  Canary99: 1\n  Canary99: 2\n",
    "hue: {api_key: {x: Canary99}}\n",
    "Canary99\n",
])
def test_no_error_repeats_what_the_file_says(text: str, load_secrets: LoadSecrets) -> None:
    with pytest.raises(config.ConfigurationError) as caught:
        load_secrets(text)
    assert "Canary99" not in str(caught.value) + caught.value.remedy + repr(caught.value)


def test_no_secret_is_printed_with_the_object_that_holds_it(load_secrets: LoadSecrets) -> None:
    secrets = load_secrets(f"hue: {{api_key: Canary99}}\nemail: {{{MAIL}, username: ann, password: Canary99}}")
    assert "Canary99" not in repr(secrets)
    assert "Canary99" in secrets.values
