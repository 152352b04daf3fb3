"""One connection to an MQTT broker, through paho-mqtt: https://eclipse.dev/paho/files/paho.mqtt.python/html/.

MQTT 5, which acknowledges refusals of single messages; 3.1.1 for brokers without it.
"""

import shlex
import ssl
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runtime.deadline import Deadline, time_limit
from runtime.errors import CannotReach, NotAuthorised, NotTrusted, NotUnderstood, RemoteError, Unusable

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

CONNECT_SECONDS = 10.0
POLL_SECONDS = 0.5
MQTT_311, MQTT_5 = 4, 5
# Reason codes: https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html, section 2.4.
FIRST_REFUSAL, WRONG_VERSION = 128, 132
NEED_A_HUMAN = {134, 135, 138, 140}  # a wrong login, not authorised, banned, a wrong method
PASS_BY_THEMSELVES = {128, 131, 136, 137, 147, 150, 151, 159}  # unspecified, unavailable, busy, too many or too fast
LOGIN = "check the section mqtt of secrets.yaml, and what the broker permits this account"


class Broker(NamedTuple):
    host: str
    port: int
    tls: bool
    ca_file: Path | None
    username: str | None
    password: str | None

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def connect(broker: Broker, deadline: Deadline) -> "Connection":
    """Log in. Raise CannotReach, NotAuthorised, NotTrusted, NotUnderstood, or Unusable without paho-mqtt."""
    context = _context(broker.ca_file) if broker.tls else None
    try:
        return Connection(broker, deadline, context, MQTT_5)
    except OldBroker:
        return Connection(broker, deadline, context, MQTT_311)


class OldBroker(NotUnderstood):
    """The broker does not speak this version of MQTT."""


class Connection:
    """Everything ends at the deadline. Methods raise as `connect` does."""

    def __init__(self, broker: Broker, deadline: Deadline, context: ssl.SSLContext | None, version: int) -> None:
        self._broker, self._deadline = broker, deadline
        self._answer: ReasonCode | None = None
        self._unconfirmed: dict[int, str] = {}
        self._refused: RemoteError | None = None
        self._client = _client(version)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        if broker.username:
            self._client.username_pw_set(broker.username, broker.password)
        if context is not None:
            self._client.tls_set_context(context)
        self._open()

    def publish(self, messages: Mapping[str, str], retain: bool) -> None:
        """Send payloads by topic, and wait until the broker has confirmed them all."""
        for topic, payload in messages.items():
            sent = self._client.publish(topic, payload, qos=1, retain=retain)
            self._unconfirmed[sent.mid] = topic
        self._wait(lambda: not self._unconfirmed)
        if self._refused is not None:
            raise self._refused

    def close(self) -> None:
        self._client.disconnect()

    def _open(self) -> None:
        broker, seconds = self._broker, min(CONNECT_SECONDS, self._deadline.remaining())
        if seconds <= 0:
            raise CannotReach(f"{broker.address} was not asked: no time left in this run")
        self._client.connect_timeout = seconds
        try:
            with time_limit(seconds):  # a byte a second keeps a handshake alive
                self._client.connect(broker.host, broker.port)
        except ssl.SSLCertVerificationError as error:
            raise NotTrusted(f"{broker.address} presents a certificate that is not to be trusted: {error.verify_message}",
                             "renew it, or set publishers.mqtt.ca_file to that of its authority") from None
        except TimeoutError:
            raise CannotReach(f"{broker.address} did not answer within {seconds:.1f} s") from None
        except OSError as error:
            raise CannotReach(f"{broker.address} cannot be reached: {_reason(error)}") from None
        self._wait(lambda: self._answer is not None)
        if self._answer is not None and self._answer.value >= FIRST_REFUSAL:
            raise _refusal(f"{broker.address} refuses us", self._answer)

    def _wait(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            remaining = self._deadline.remaining()
            if remaining <= 0:
                raise CannotReach(f"{self._broker.address} did not answer in time")
            code = self._client.loop(min(remaining, POLL_SECONDS))
            if code and not is_done():
                raise CannotReach(f"{self._broker.address} broke the connection")

    def _on_connect(self, _client: "Client", _data: object, _flags: object, answer: "ReasonCode", _more: object) -> None:
        self._answer = answer

    def _on_publish(self, _client: "Client", _data: object, number: int, answer: "ReasonCode", _more: object) -> None:
        topic = self._unconfirmed.pop(number, "")
        if answer.value >= FIRST_REFUSAL:
            self._refused = _refusal(f"{self._broker.address} refuses our message to {topic}", answer)


def _client(version: int) -> "Client":
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # which version 1 lacks
    except ImportError:
        install = shlex.join([sys.executable, "-m", "pip", "install", "paho-mqtt>=2"])
        raise Unusable("publishers.mqtt needs the package paho-mqtt, version 2", install) from None
    return Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion(version), reconnect_on_failure=False)


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = "not in PEM format" if isinstance(error, ssl.SSLError) else error.strerror
        raise NotTrusted(f"{ca_file} holds no certificate: {reason}", "check publishers.mqtt.ca_file") from None


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    return (error.strerror or type(error).__name__).lower()


def _refusal(sentence: str, answer: "ReasonCode") -> RemoteError:
    text = f"{sentence}: {answer.getName().lower()}"
    if answer.value == WRONG_VERSION:
        return OldBroker(text)
    if answer.value in NEED_A_HUMAN:
        return NotAuthorised(text, LOGIN)
    return CannotReach(text) if answer.value in PASS_BY_THEMSELVES else NotUnderstood(text)
