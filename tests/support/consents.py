"""A provider whose accounts give their consent (OAuth 2.0), in a thread of its own.

It is strict: a code counts once, with the verifier of its challenge (RFC 7636), and a refresh token until it
is withdrawn. What it answers can be planned.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from mailing.credentials import providers
from mailing.credentials.providers import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "of the application"


class Elsewhere:
    """What it was asked, what it gave, and what it is to answer next."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[dict[str, str]] = []
        self.answers: list[tuple[int, Any]] = []  # used up in turn, in place of what is right
        self.rotates = False  # whether each use of a refresh token brings its successor
        self.lasting = True  # whether a consent brings a refresh token
        self.seconds = 3600
        self.good = {"refresh-0"}  # refresh tokens that were not withdrawn
        self._codes: dict[str, dict[str, str]] = {}
        self._given = 0

    @property
    def provider(self) -> Provider:
        """What Volley knows of it, under the name of Google."""
        there = providers.PROVIDERS["google"]
        return Provider("google", "Google", f"{self.url}/ask", f"{self.url}/token", there.scope, there.asked)

    def consent(self, location: str) -> str:
        """Say yes to what Volley asked; return the path by which the browser comes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert location.startswith(f"{self.url}/ask?")
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = f"code-{len(self._codes)}"
        self._codes[code] = asked
        return f"{urlsplit(asked['redirect_uri']).path}?{urlencode({'code': code, 'state': asked['state']})}"

    def answer(self, form: dict[str, str]) -> tuple[int, Any]:
        self.asked.append(form)
        if self.answers:
            return self.answers.pop(0)
        if form.get("client_secret", SECRET) != SECRET:
            return 401, {"error": "invalid_client"}
        if form["grant_type"] == "refresh_token":
            return self._refreshed(form["refresh_token"])
        asked = self._codes.pop(form["code"], {})
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        proved = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == asked.get("code_challenge")
        if not proved or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        self.good.add("refresh-0")
        return 200, self._grant("refresh-0" if self.lasting else "")

    def _refreshed(self, token: str) -> tuple[int, Any]:
        if token not in self.good:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        successor = f"{token}+" if self.rotates else ""
        self.good |= {successor} - {""}
        return 200, self._grant(successor)

    def _grant(self, refresh: str) -> dict[str, Any]:
        self._given += 1
        given = {"access_token": f"access-{self._given}", "expires_in": self.seconds, "token_type": "Bearer"}
        return {**given, "refresh_token": refresh} if refresh else given


@contextlib.contextmanager
def serving() -> Iterator[Elsewhere]:
    """A provider on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            form = {name: each[0] for name, each in parse_qs(self.rfile.read(length).decode()).items()}
            status, told = elsewhere.answer(form)
            body = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        elsewhere = Elsewhere(server.server_port)
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield elsewhere
        finally:
            server.shutdown()
            thread.join()
