"""A server that echoes secrets: path, cookies, form and body of a request come back in its error messages.

Requests to paths without a plan are forwarded to the simulated cloud, and their secrets recorded. A program that quotes
its errors carelessly leaks them.
"""

import json
import threading
from base64 import b64encode
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

SECRETS = ("code_verifier", "authorization_code")


class EchoServer:
    """Serve while the `with` block runs.

    `plan` maps paths to the status and the form of the answers below them; `padding` is the length of the text before
    the secrets, `longest` that of the whole text. `secrets` are those received so far.
    """

    def __init__(self, cloud_url: str) -> None:
        self.cloud = urlsplit(cloud_url).netloc
        self.plan: dict[str, tuple[int, str]] = {}
        self.padding, self.longest = 0, 100_000
        self.secrets: set[str] = set()
        handler: Any = type("Handler", (_Handler,), {"echo": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "EchoServer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def planned(self, path: str) -> tuple[int, str] | None:
        return next((plan for top, plan in self.plan.items() if path.startswith(top)), None)


class _Handler(BaseHTTPRequestHandler):
    echo: EchoServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        secrets = _secrets(self.path, self.headers.get("Cookie", ""), body)
        self.echo.secrets.update(secrets)
        plan = self.echo.planned(self.path)
        if plan is None:
            self._forward(body)
        else:
            self._answer(*plan, self._phrase(secrets))

    do_GET = do_POST

    def _phrase(self, secrets: list[str]) -> str:
        """Return a text of whole secrets: the server does not cut one in two."""
        phrase = "x" * self.echo.padding
        for word in (encoded for secret in secrets for encoded in _encodings(secret)):
            if len(phrase) + len(word) < self.echo.longest:
                phrase += f" {word}"
        return phrase

    def _answer(self, status: int, form: str, text: str) -> None:
        content, headers = text, {"X-Error": quote(text), "Set-Cookie": f"echo={quote(text)}"}
        if form == "page":
            content = f"<html><title>Sign-In</title><form action='/ap/signin'>{text}</form></html>"
        elif form == "elsewhere":
            status, headers["Location"] = 302, f"https://www.amazon.com/ap/signin?{quote(text)}"
        elif form != "text":
            content = json.dumps(_errors(self.path, form, text))
        self._send(status, content.encode(), headers)

    def _forward(self, body: bytes) -> None:
        connection = HTTPConnection(self.echo.cloud, timeout=10)
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
        """Print nothing."""


def _secrets(path: str, cookies: str, body: bytes) -> list[str]:
    secrets = [pair.partition("=")[2] for pair in cookies.split("; ") if pair]
    top, _, rest = path.strip("/").partition("/")
    if top == "api" and rest:
        secrets.append(rest.partition("/")[0])
    secrets += parse_qs(body.decode(errors="replace")).get("source_token", [])
    if path == "/auth/register":
        secrets += [json.loads(body)["auth_data"][name] for name in SECRETS]
    return sorted({*secrets} - {"", "config"}, key=lambda secret: (-len(secret), secret))


def _encodings(secret: str) -> list[str]:
    return [secret, quote(secret, safe=""), b64encode(secret.encode()).decode(), json.dumps(secret)]


def _errors(path: str, code: str, text: str) -> Any:
    if path.startswith(("/api", "/discovery")) or path == "/":
        kind = {"FORBIDDEN": 1, "BAD_REQUEST": 901}.get(code, 3)
        return [{"error": {"type": kind, "address": path, "description": text}}]
    error = {"message": text, "extensions": {"errorCode": text if code == "UNKNOWN" else code}}
    answer = {"errors": [error], "data": None, "response": {"error": {"code": text, "message": text}}}
    return [answer] if path.startswith("/nexus") else answer
