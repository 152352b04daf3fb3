"""secrets.yaml: what is read from it, what has to be redacted, and that no message repeats any of it."""

from pathlib import Path

import pytest

import config
from notifiers.email import Settings as Email
from tests.config.conftest import LoadSecrets, Problems
from tests.config.standins import SECTIONS, HueSecrets, MonitorSecrets

MAIL = "smtp_host: mail.example.org, from: house@example.org, to: me@example.org"


def test_a_missing_file_means_no_secrets(house: Path) -> None:
    secrets = config.load_secrets(house / "config" / "secrets.yaml", SECTIONS)
    assert secrets.sections == {"hue": HueSecrets(), "amazon_aqm": MonitorSecrets()}
    assert (secrets.values, secrets.logins, secrets.notifiers, secrets.warnings) == ((), (), {}, ())


@pytest.mark.parametrize("text", ["", "hue:\namazon_aqm:\nemail:\n", "hue: {api_key: '', bridge_id: null}"])
def test_a_file_without_values_means_no_secrets(text: str, load_secrets: LoadSecrets) -> None:
    secrets = load_secrets(text)
    assert (secrets.sections["hue"], secrets.notifiers, secrets.values) == (HueSecrets(), {}, ())


def test_credentials_are_read_into_their_sections(load_secrets: LoadSecrets) -> None:
    secrets = load_secrets("hue: {api_key: key-1, bridge_id: 001788FFFE1}\namazon_aqm: {refresh_token: 'Atnr|x'}")
    assert secrets.sections == {"hue": HueSecrets("key-1", "001788FFFE1"), "amazon_aqm": MonitorSecrets("Atnr|x")}


def test_every_secret_text_is_redacted_longest_first(load_secrets: LoadSecrets) -> None:
    """In any section, under any key, in lists and maps, once each; but no address, no bridge id and nothing short."""
    secrets = load_secrets(f"""
hue: {{api_key: canary-key, bridge_id: 001788fffe, spare: [canary-key-2, {{deep: canary-deep}}]}}
amazon_aqm: {{refresh_token: canary-token, cookies: {{session-id: "1234", lang: de}}, domain: alexa.amazon.de}}
email: {{{MAIL}, username: somebody, password: canary-password}}
elsewhere: {{key: canary-unknown, again: canary-key}}
bare: canary-bare
""")
    assert secrets.values == ("canary-password", "canary-unknown", "canary-key-2", "canary-token", "canary-bare",
                              "canary-deep", "canary-key", "1234")


def test_usernames_are_paired_with_their_passwords(load_secrets: LoadSecrets) -> None:
    secrets = load_secrets(f"email: {{{MAIL}, username: ann, password: one}}\n"
                           "other: [{username: bob, password: two}, {username: eve}, {username: 5, password: six}]")
    assert secrets.logins == (("ann", "one"), ("bob", "two"))


@pytest.mark.parametrize(("keys", "expected"), [
    ("", Email("h", "f", ("t",), 587, "starttls")),
    ("security: TLS, username: u, password: p, to: [a, b]", Email("h", "f", ("a", "b"), 465, "tls", "u", "p")),
    ("security: tls, smtp_port: null", Email("h", "f", ("t",), 465, "tls")),
    ("security: tls, smtp_port: 2465", Email("h", "f", ("t",), 2465, "tls")),
    ("security: starttls, smtp_port: 465", Email("h", "f", ("t",), 465)),
    ("security: none, smtp_port: 1", Email("h", "f", ("t",), 1, "none")),
    ("security: none, smtp_port: 65535", Email("h", "f", ("t",), 65_535, "none")),
])
def test_the_email_section_has_defaults(keys: str, expected: Email, load_secrets: LoadSecrets) -> None:
    """The port follows the security unless it is given."""
    to = "" if "to:" in keys else "to: t, "
    assert load_secrets(f"email: {{smtp_host: h, from: f, {to}{keys}}}").notifiers["email"] == (expected,)


@pytest.mark.parametrize(("section", "sentence"), [
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
def test_a_wrong_secret_is_named_by_its_path_only(section: str, sentence: str, secret_problems: Problems) -> None:
    assert secret_problems(section) == (sentence,)
    assert "hunter" not in sentence and "123456" not in sentence


def test_all_problems_of_the_secrets_come_together(load_secrets: LoadSecrets) -> None:
    with pytest.raises(config.ConfigurationError) as caught:
        load_secrets("hue: {api_key: 5}\namazon_aqm: {refresh_token: 6}")
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["hue.api_key", "amazon_aqm.refresh_token"]
    assert "secrets.yaml.example" in caught.value.remedy


def test_a_wrong_section_of_a_notifier_is_not_used_with_defaults(load_secrets: LoadSecrets) -> None:
    secrets = load_secrets(f"email: {{{MAIL}, smtp_port: 65536}}")
    assert secrets.notifiers == {} and secrets.notifier_error is not None


def test_all_problems_of_a_notifier_come_together(secret_problems: Problems) -> None:
    problems = secret_problems("email: {smtp_host: '', from: null, to: []}")
    assert [problem.split(": ")[0] for problem in problems] == ["email.smtp_host", "email.from", "email.to"]


@pytest.mark.parametrize(("text", "warning"), [
    ("hui: {x: Canary99}", "hui: unknown key, ignored; did you mean hue?"),
    ("hue: {api_kye: Canary99}", "hue.api_kye: unknown key, ignored; did you mean api_key?"),
    ("hue: {api_key:Canary99}", "hue.(a key not shown here): unknown key, ignored"),
    ("Canary99: x", "(a key not shown here): unknown key, ignored"),
    (f"email: {{{MAIL}, passwort: Canary99}}", "email.passwort: unknown key, ignored; did you mean password?"),
])
def test_an_unknown_key_is_a_warning_without_secrets(text: str, warning: str, load_secrets: LoadSecrets) -> None:
    """Without a blank after the colon the secret becomes part of the key."""
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
def test_no_error_quotes_the_file(text: str, load_secrets: LoadSecrets) -> None:
    """PyYAML's messages, shown as the error's context, would."""
    with pytest.raises(config.ConfigurationError) as caught:
        load_secrets(text)
    assert "Canary99" not in str(caught.value) + caught.value.remedy + repr(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_secrets_have_no_repr(load_secrets: LoadSecrets) -> None:
    secrets = load_secrets(f"hue: {{api_key: Canary99}}\nemail: {{{MAIL}, username: ann, password: Canary99}}")
    assert "Canary99" not in repr(secrets)
    assert "Canary99" in secrets.values
