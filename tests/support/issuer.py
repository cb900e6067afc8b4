"""An issuer of OpenID Connect in a thread of its own, which says whatever a test wants.

    with serving() as issuer:
        path = issuer.sign_in(location, email="ann@example.org", email_verified=True)

``location`` is where Volley sent the browser; ``path`` is where the browser comes back. The issuer itself is
strict: a code counts once, with the verifier of its challenge (RFC 7636) and the client's secret.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT, SECRET = "volley", "a secret of both"
_BASIC = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()


def key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid})


class Issuer:
    """What it says of itself, and whom it has signed in."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.key = key("one")
        self.published = [self.key]
        self.discovery: dict[str, Any] = {}  # on top of what is true
        self.answers: dict[str, tuple[int, bytes]] = {}  # by path, in place of what is right
        self.people: dict[str, Any] = {}  # what the userinfo endpoint tells
        self.asked: Counter[str] = Counter()
        self._codes: dict[str, tuple[dict[str, str], str]] = {}

    def sign_in(self, location: str, token: Any = None, **claims: Any) -> str:
        """Sign somebody in; return the path by which the browser comes back. ``token`` makes the ID token."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert asked["response_type"] == "code"
        assert (asked["client_id"], asked["code_challenge_method"]) == (CLIENT, "S256")
        assert set(asked["scope"].split()) == {"openid", "email"}
        now = round(time.time())
        said = {"iss": self.url, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 60}
        said = {**said, "nonce": asked["nonce"], **claims}
        code = secrets.token_urlsafe()
        self._codes[code] = (asked, (token or self.signed)({k: v for k, v in said.items() if v is not None}))
        back = urlsplit(asked["redirect_uri"])
        return f"{back.path}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.url})}"

    def signed(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def unsigned(self, claims: dict[str, Any]) -> str:
        return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."

    def confused(self, claims: dict[str, Any]) -> str:
        """Signed by what everybody knows: the public key as the secret of an HMAC."""
        text = f"{_encoded({'alg': 'HS256', 'kid': self.key.kid})}.{_encoded(claims)}"
        signature = hmac.digest(self.key.as_pem(private=False), text.encode(), "sha256")
        return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def answer(self, path: str, form: dict[str, str], secret: str) -> tuple[int, bytes]:
        self.asked[path] += 1
        if path in self.answers:
            return self.answers[path]
        if path == "/token":
            return self._token(form, secret)
        documents = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/people",
                "authorization_response_iss_parameter_supported": True,
                **self.discovery,
            },
            "/keys": {"keys": [each.as_dict(private=False) for each in self.published]},
            "/people": self.people,
        }
        return (200, json.dumps(documents[path]).encode()) if path in documents else (404, b"")

    def _token(self, form: dict[str, str], secret: str) -> tuple[int, bytes]:
        if secret != _BASIC:
            return 401, b'{"error": "invalid_client"}'
        asked, token = self._codes.pop(form["code"], ({}, ""))
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        proved = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == asked.get("code_challenge")
        if not proved or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, b'{"error": "invalid_grant"}'
        given = {"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": token}
        return 200, json.dumps(given).encode()


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@contextlib.contextmanager
def serving() -> Iterator[Issuer]:
    """An issuer on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            form = {name: each[0] for name, each in parse_qs(self.rfile.read(length).decode()).items()}
            status, body = issuer.answer(
                urlsplit(self.path).path, form, self.headers.get("Authorization", "")
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as the server names it

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(server.server_port)
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
