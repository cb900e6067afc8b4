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
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def set_up(secret_key: str) -> str:
    """Return the secret of the link by which the first account is made; with that account its use ends."""
    return hmac.new(secret_key.encode(), b"set up the first account", "sha256").hexdigest()
