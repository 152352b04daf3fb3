"""A server that tells everybody what it was told: path, cookies, form and body come back in its errors.

Where it has no plan for an address it hands the request on to the simulated cloud, and only remembers. Sound programs
never repeat what it says.
"""

import json
import threading
from base64 import b64encode
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

SECRETS = ("code_verifier", "authorization_code")


class Parrot:
    """Serves while the `with` block runs.

    `plan` gives the status and the mood of the answers below each path; `padding` is how much it says before it
    comes to the point, `longest` how much in all. `secrets` are those it was told so far.
    """

    def __init__(self, cloud_url: str) -> None:
        self.cloud = urlsplit(cloud_url).netloc
        self.plan: dict[str, tuple[int, str]] = {}
        self.padding, self.longest = 0, 100_000
        self.secrets: set[str] = set()
        handler: Any = type("Beak", (_Beak,), {"parrot": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Parrot":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def mood(self, path: str) -> tuple[int, str] | None:
        """Return status and mood for a path; None where it is only to be remembered."""
        return next((plan for top, plan in self.plan.items() if path.startswith(top)), None)


class _Beak(BaseHTTPRequestHandler):
    parrot: Parrot

    def do_POST(self) -> None:
        """Hear what is asked, and repeat it or hand it on."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        told = _secrets(self.path, self.headers.get("Cookie", ""), body)
        self.parrot.secrets.update(told)
        plan = self.parrot.mood(self.path)
        if plan is None:
            self._hand_on(body)
        else:
            self._speak(*plan, self._phrase(told))

    do_GET = do_POST

    def _phrase(self, secrets: list[str]) -> str:
        """Return what there is to say, in whole words, for the parrot is not the one to cut a secret in two."""
        phrase = "x" * self.parrot.padding
        for word in (form for secret in secrets for form in _forms(secret)):
            if len(phrase) + len(word) < self.parrot.longest:
                phrase += f" {word}"
        return phrase

    def _speak(self, status: int, mood: str, spoken: str) -> None:
        content, headers = spoken, {"X-Error": quote(spoken), "Set-Cookie": f"spoken={quote(spoken)}"}
        if mood == "page":
            content = f"<html><title>Sign-In</title><form action='/ap/signin'>{spoken}</form></html>"
        elif mood == "elsewhere":
            status, headers["Location"] = 302, f"https://www.amazon.com/ap/signin?{quote(spoken)}"
        elif mood != "text":
            content = json.dumps(_errors(self.path, mood, spoken))
        self._send(status, content.encode(), headers)

    def _hand_on(self, body: bytes) -> None:
        connection = HTTPConnection(self.parrot.cloud, timeout=10)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            self._send(answer.status, answer.read(), {"Date": answer.headers["Date"]})
        finally:
            connection.close()

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


def _secrets(path: str, cookies: str, body: bytes) -> list[str]:
    """Return what of a request is secret, the longest first."""
    told = [pair.partition("=")[2] for pair in cookies.split("; ") if pair]
    top, _, rest = path.strip("/").partition("/")
    if top == "api" and rest:
        told.append(rest.partition("/")[0])
    told += parse_qs(body.decode(errors="replace")).get("source_token", [])
    if path == "/auth/register":
        told += [json.loads(body)["auth_data"][name] for name in SECRETS]
    return sorted({*told} - {"", "config"}, key=lambda secret: (-len(secret), secret))


def _forms(secret: str) -> list[str]:
    return [secret, quote(secret, safe=""), b64encode(secret.encode()).decode(), json.dumps(secret)]


def _errors(path: str, code: str, spoken: str) -> Any:
    """Return an error in the manner of whoever is asked."""
    if path.startswith(("/api", "/discovery")) or path == "/":
        kind = {"FORBIDDEN": 1, "BAD_REQUEST": 901}.get(code, 3)
        return [{"error": {"type": kind, "address": path, "description": spoken}}]
    error = {"message": spoken, "extensions": {"errorCode": spoken if code == "UNKNOWN" else code}}
    answer = {"errors": [error], "data": None, "response": {"error": {"code": spoken, "message": spoken}}}
    return [answer] if path.startswith("/nexus") else answer
