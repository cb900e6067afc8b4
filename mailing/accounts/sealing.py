"""Secrets that must be read again: encrypted under the secret key (AES-256-GCM, HKDF: RFC 5869).

Each is bound to its place, so that one row's secret cannot stand in another's. A new secret key opens none.
"""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE, _KEY = 12, 32  # bytes


class SealedElsewhereError(ValueError):
    """The secret was sealed with another secret key, or for another place: enter it again."""


def seal(secret_key: str, place: str, secret: bytes) -> str:
    """Return ``secret`` as it may be kept at ``place``, like ``user:3:totp``."""
    nonce = os.urandom(_NONCE)
    return base64.b64encode(nonce + _cipher(secret_key).encrypt(nonce, secret, place.encode())).decode()


def unseal(secret_key: str, place: str, sealed: str) -> bytes:
    """Return the secret. Raises ``SealedElsewhereError``."""
    try:
        data = base64.b64decode(sealed, validate=True)
        return _cipher(secret_key).decrypt(data[:_NONCE], data[_NONCE:], place.encode())
    except (ValueError, InvalidTag):
        raise SealedElsewhereError(place) from None


def _cipher(secret_key: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), _KEY, salt=None, info=b"volley sealing").derive(secret_key.encode()))
