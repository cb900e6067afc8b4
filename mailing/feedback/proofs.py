"""Whether a request comes from the provider: looked at on the bytes as they came. Pure.

A request may be repeated by whoever has seen it. An event that is known changes nothing
(``bounces.recording``), and one with a time of its own is refused after ``STALE_MS``: so long the slowest
providers try again.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mailing.feedback.events import moment, text

if TYPE_CHECKING:
    from mailing.feedback.providers import Provider

STALE_MS = 24 * 3_600_000
AHEAD_MS = 300_000  # clocks differ
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
USER = "volley"
_SHOWN_MOST = 1_000  # characters
_MAILGUN_TOKEN = range(20, 200)  # characters


def is_fresh(at: int | None, now_ms: int) -> bool:
    """Whether a time, in ms since 1970, is not too old and not to come."""
    return at is not None and now_ms - STALE_MS <= at <= now_ms + AHEAD_MS


def sendgrid(body: bytes, signature: str, timestamp: str, key: str, now_ms: int) -> bool:
    """Whether SendGrid signed a body: ECDSA P-256 with SHA-256 over the timestamp and the body."""
    public = public_key(key)
    if public is None or not timestamp.isascii() or not is_fresh(moment(timestamp), now_ms):
        return False
    try:
        signed = base64.b64decode(signature[:_SHOWN_MOST], validate=True)
        public.verify(signed, timestamp.encode() + body, ECDSA(SHA256()))
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True


def public_key(key: str) -> EllipticCurvePublicKey | None:
    """Return the verification key that SendGrid shows, base64 of DER; None if it is none of P-256."""
    try:
        found = load_der_public_key(base64.b64decode("".join(key.split()), validate=True))
    except (ValueError, binascii.Error, TypeError):
        return None
    fits = isinstance(found, EllipticCurvePublicKey) and isinstance(found.curve, SECP256R1)
    return found if fits and isinstance(found, EllipticCurvePublicKey) else None


def mailgun(document: object, key: str, now_ms: int) -> bool:
    """Whether Mailgun signed: HMAC-SHA-256 over timestamp and token. The event itself is not signed.

    So a token tells one event (``readers``), and another with the same changes nothing.
    """
    timestamp, token = text(document, "signature", "timestamp"), text(document, "signature", "token")
    shown = text(document, "signature", "signature")
    if not key or len(token) not in _MAILGUN_TOKEN or not is_fresh(moment(timestamp), now_ms):
        return False
    expected = hmac.digest(key.encode(), f"{timestamp}{token}".encode("utf-8", "replace"), "sha256").hex()
    return hmac.compare_digest(expected.encode(), shown.encode("utf-8", "replace"))


def password(authorization: str, secret: str) -> bool:
    """Whether a header ``Authorization`` has the password: with Basic for any user, or with Bearer."""
    scheme, _, rest = authorization[:_SHOWN_MOST].partition(" ")
    shown = rest.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            shown = base64.b64decode(shown, validate=True).partition(b":")[2]
        except (ValueError, binascii.Error):
            return False
    elif scheme.lower() != "bearer":
        return False
    return bool(secret) and hmac.compare_digest(shown, secret.encode())


def is_usable(provider: Provider, key: str) -> bool:
    """Whether a key that somebody enters for a provider can be one."""
    if provider == "sendgrid":
        return public_key(key) is not None
    return key.isascii() and key.isprintable() and len(key) in range(8, 201)
