"""Clients for Volley's pages: one that keeps session and connection as a browser does, and a real browser."""

from __future__ import annotations

import http.client
import re
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.sinks import NotInstalledError
from tests.browser import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from playwright.sync_api import Browser as RealBrowser

TIMEOUT_S = 60.0
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class UnexpectedAnswerError(Exception):
    """A page answered with another status than it should."""


class Browser:
    """One connection to the web process. Raises ``UnexpectedAnswerError``."""

    def __init__(self, port: int) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        self._cookie = ""

    def get(self, path: str) -> str:
        """Return a page."""
        return self._ask("GET", path, 200)[1]

    def token(self, path: str) -> str:
        """Return the token that the forms of a page carry."""
        found = _TOKEN.search(self.get(path))
        if not found:
            raise UnexpectedAnswerError(f"The page {path} holds no form with a token.")
        return found[1]

    def submit(self, path: str, fields: Mapping[str, str]) -> str:
        """Send a form; return the address that it leads to."""
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        body = f"{''.join(parts)}--{boundary}--\r\n".encode()
        return self._ask("POST", path, 303, body, f"multipart/form-data; boundary={boundary}")[0]

    def close(self) -> None:
        self._line.close()

    def _ask(self, verb: str, path: str, status: int, body: bytes = b"", kind: str = "") -> tuple[str, str]:
        headers = {"Cookie": self._cookie} | ({"Content-Type": kind} if kind else {})
        try:
            self._line.request(verb, path, body or None, headers)
            answer = self._line.getresponse()
            text = answer.read().decode()
        except TimeoutError:
            raise UnexpectedAnswerError(f"{verb} {path} was not answered in {TIMEOUT_S:g} s.") from None
        if answer.status != status:
            raise UnexpectedAnswerError(f"{verb} {path} was answered with {answer.status}: {text[:2000]}")
        if cookie := answer.getheader("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]
        return answer.getheader("Location", ""), text


@contextmanager
def real_browser() -> Iterator[RealBrowser]:
    """Run Chromium. Raises ``NotInstalledError``."""
    path = chromium.find()
    if path is None:
        raise NotInstalledError("Chromium is not installed.")
    with chromium.launched(path) as browser:
        yield browser
