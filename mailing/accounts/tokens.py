"""Secrets that are shown once. A hash is kept of them, so that a stolen database opens nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = 32


def make() -> str:
    """Return a new secret: 256 random bits, in letters that an address may hold."""
    return secrets.token_urlsafe(_BYTES)


def digest(token: str) -> str:
    """Return what is kept of a secret. It is random and long, so a fast hash is enough."""
    return hashlib.sha256(_encoded(token)).hexdigest()


def signed(secret_key: str, token: str) -> str:
    """Return a secret with what proves that it was given out under this secret key."""
    return f"{token}.{_mac(secret_key, token)}"


def proven(secret_key: str, text: str) -> str:
    """Return the secret in a ``signed`` text; empty if it is not signed with this secret key."""
    token, _, mac = text.rpartition(".")
    return token if hmac.compare_digest(_encoded(mac), _mac(secret_key, token).encode()) else ""


def set_up(secret_key: str) -> str:
    """Return the secret of the link by which the first account is made; with that account its use ends."""
    return _mac(secret_key, "set up the first account")


def _mac(secret_key: str, text: str) -> str:
    return hmac.new(secret_key.encode(), _encoded(text), "sha256").hexdigest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
