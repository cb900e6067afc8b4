"""Addresses by which people unsubscribe with an email: ``u-<token>@<bounce domain>`` (RFC 2369). Pure.

The token is base32 in small letters, as some hosts fold case: five bytes of the campaign's id, five of the
recipient's, and fifteen of an HMAC-SHA-256 over both and the address, which does not fit (RFC 5321 section
4.5.3.1.1). Whoever the address is, is known from the recipient's row; where that is gone, or has another
address by now, from the email's own sender. Either way it must be the one that the token was made for: so a
token that was made up, or cut, means nobody, and nobody else's.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, b32encode
from typing import TYPE_CHECKING, NamedTuple

from mailing.addresses.address_search import small

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "u-"
FOUND_MOST = 20  # different tokens of one email
HEADER_MOST = 64 * 1024  # bytes that are looked through for to whom an email is
_ID, _TAG = 5, 15  # bytes
LENGTH = (2 * _ID + _TAG) * 8 // 5
_SHAPE = re.compile(rb"(?<![a-z0-9])u-([a-z2-7]{%d})(?:@|=40)" % LENGTH, re.IGNORECASE)
_TO = re.compile(
    rb"^(?:to|delivered-to|x-original-to|envelope-to):([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_END = re.compile(rb"\r?\n\r?\n")


class LeaveToken(NamedTuple):
    """What stands in an address; nothing of it is proven yet."""

    campaign_id: int
    recipient_id: int
    tag: bytes


def make(key: str, campaign_id: int, recipient_id: int, email: str) -> str:
    """Return the local part for a recipient. ``key`` is the installation's, 64 hexadecimal digits."""
    ids = campaign_id.to_bytes(_ID, "big") + recipient_id.to_bytes(_ID, "big")
    return PREFIX + b32encode(ids + _tag(key, campaign_id, recipient_id, email)).decode().lower()


def proves(key: str, token: LeaveToken, email: str) -> bool:
    """Whether a token was made for the recipient with this address."""
    return hmac.compare_digest(token.tag, _tag(key, token.campaign_id, token.recipient_id, email))


def find(to: str, raw: bytes) -> Sequence[LeaveToken]:
    """Return the tokens to which an email was addressed, by its envelope, or else by its header.

    Never those within it: what comes back quotes the header of what was sent.
    """
    end = _END.search(raw[:HEADER_MOST])
    head = raw[: end.start() if end else HEADER_MOST]
    places = [to.encode()] if to.strip() else [field[1] for field in _TO.finditer(head)]
    texts = dict.fromkeys(match[1].upper() for place in places for match in _SHAPE.finditer(place))
    return [_read(text) for text in [*texts][:FOUND_MOST]]


def is_ours(address: str, domain: str) -> bool:
    """Whether an address has the form of one by which people unsubscribe at ``domain``."""
    local, _, host = address.rpartition("@")
    return host.lower() == domain.lower() and _SHAPE.fullmatch(local.encode() + b"@") is not None


def _read(text: bytes) -> LeaveToken:
    whole = b32decode(text)
    campaign, recipient = whole[:_ID], whole[_ID : 2 * _ID]
    return LeaveToken(int.from_bytes(campaign, "big"), int.from_bytes(recipient, "big"), whole[2 * _ID :])


def _tag(key: str, campaign_id: int, recipient_id: int, email: str) -> bytes:
    text = b"leave by mail:%d:%d:%s" % (campaign_id, recipient_id, small(email).encode())
    return hmac.digest(bytes.fromhex(key), text, "sha256")[:_TAG]
