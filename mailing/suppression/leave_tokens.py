"""The token of an unsubscribe link: who unsubscribes, from what, sealed so that only Volley can read it.

Pure. All that is needed is in the token: it works when the campaign was deleted, its recipient corrected, or
the database restored from last week. It is encrypted, as the address in it is nobody else's affair, and
authenticated (AES-SIV, RFC 5297), so one that was cut, or made up, is none: it never means another person.
The same recipient has the same token at each attempt.

The key lies in the database and not with the secret key: links must work in a year, whatever became of
that. Whoever has stolen the database can therefore unsubscribe the people in it, and do nothing else.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

LONGEST = 1_000  # characters; an address has 254 and a topic 60, of up to 4 bytes each
_VERSION = "1"  # at the end, so that a token that was cut is seen to be: it is a letter or digit in any case
_SIGNS = re.compile(r"[A-Za-z0-9_-]*")
_PURPOSE = b"volley unsubscribe"
_PARTS = 4


class Leaver(NamedTuple):
    """Whom a link is for. ``email`` is empty in a rehearsal or a test, where nobody can be unsubscribed."""

    campaign_id: int
    recipient_id: int
    topic: str
    email: str


def seal(key: str, leaver: Leaver) -> str:
    """Return a token of URL-safe letters. ``key`` is the installation's, 64 hexadecimal digits."""
    text = "\0".join((f"{leaver.campaign_id:x}", f"{leaver.recipient_id:x}", leaver.topic, leaver.email))
    sealed = _cipher(key).encrypt(text.encode(), [_PURPOSE])
    return urlsafe_b64encode(sealed).rstrip(b"=").decode() + _VERSION


def unseal(key: str, token: str) -> Leaver | None:
    """Return whom a token is for; None unless it was sealed here and is whole.

    What mail programs add to the end of a link, such as ``>`` or ``.``, is no part of it.
    """
    text = clean(token)
    if len(text) > LONGEST or not text.endswith(_VERSION):
        return None
    text = text.removesuffix(_VERSION)
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        parts = _cipher(key).decrypt(sealed, [_PURPOSE]).decode().split("\0")
    except (ValueError, InvalidTag):
        return None
    if len(parts) != _PARTS or urlsafe_b64encode(sealed).rstrip(b"=").decode() != text:
        return None
    return Leaver(int(parts[0], 16), int(parts[1], 16), parts[2], parts[3])


def clean(token: str) -> str:
    """Return a token without what follows its letters."""
    found = _SIGNS.match(token)
    return found[0] if found else ""


@lru_cache(maxsize=8)
def _cipher(key: str) -> AESSIV:
    return AESSIV(bytes.fromhex(key))
