"""A real mosquitto on the loopback, and a subscriber that hears everything."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, create_server
from typing import Any, NamedTuple

import pytest

PATIENCE_SECONDS = 60
LISTENER, LISTENERS_PASSWORD = "listener", "listen"
PROGRAM = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/opt/homebrew/sbin")
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="needs Debian's package mosquitto")


class Message(NamedTuple):
    topic: str
    payload: str
    is_retained: bool


@contextmanager
def broker(folder: Path, *lines: str) -> Iterator[int]:
    """Run mosquitto with these lines of its configuration; yield its port."""
    with create_server(("127.0.0.1", 0)) as unused:
        port = int(unused.getsockname()[1])
    configuration = folder / f"mosquitto-{port}.conf"
    configuration.write_text("\n".join(["user root", f"listener {port} 127.0.0.1", *lines, ""]), encoding="utf-8")
    with open(folder / "mosquitto.log", "wb") as log, subprocess.Popen(
            [str(PROGRAM), "-c", str(configuration)], stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: process.poll() is not None or answers(port))
            yield port
        finally:
            process.terminate()


def sign_up(folder: Path, password: str) -> list[str]:
    """Give the house an account that may write its own topics and announcements; return the configuration's lines."""
    passwords, permissions = folder / "passwords", folder / "permissions"
    passwords.write_text(f"house:{password}\n{LISTENER}:{LISTENERS_PASSWORD}\n", encoding="utf-8")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    writable = "".join(f"topic write {topic}/#\n" for topic in ("home_monitor", "homeassistant", "ha/found", "a"))
    permissions.write_text(f"user house\n{writable}user {LISTENER}\ntopic #\n", encoding="utf-8")
    return [f"password_file {passwords}", f"acl_file {permissions}"]


def wait_for(is_true: Callable[[], object]) -> None:
    for _ in range(PATIENCE_SECONDS * 100):
        if is_true():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")


class Subscriber:
    """Hears all topics while the `with` block runs."""

    def __init__(self, port: int) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
        self._heard: list[Message] = []
        self._is_subscribed = False
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(LISTENER, LISTENERS_PASSWORD)
        self._client.on_connect = lambda client, *_more: client.subscribe("#", qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> "Subscriber":
        self._client.loop_start()
        wait_for(lambda: self._is_subscribed)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def heard(self) -> list[Message]:
        """Return what has arrived since the last call, in that order."""
        self._client.publish("the/end", "", qos=1)
        wait_for(lambda: any(message.topic == "the/end" for message in self._heard))
        heard, self._heard = self._heard[:], []
        return [message for message in heard if message.topic != "the/end"]

    def clear(self) -> None:
        """Make the broker retain nothing."""
        for message in self.heard():
            self._client.publish(message.topic, "", qos=1, retain=True)
        self.heard()

    def _on_subscribe(self, *_arguments: Any) -> None:
        self._is_subscribed = True

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        self._heard.append(Message(message.topic, message.payload.decode(), message.retain))


def answers(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
