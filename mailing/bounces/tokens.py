"""Envelope senders that know their recipient (VERP): ``b-<token>@<bounce domain>``. Pure, but for the key.

A report comes to the address that the email was sent from, so this names the recipient without any word of
the report. The token is base32 in small letters, for some hosts fold case and some break ``+``: five bytes
of the recipient's id and ten of an HMAC-SHA-256 over it and the campaign's own token. Nobody makes one but
whoever has the key, and no address stands in it. An id that a later recipient has again (SQLite gives the
highest ones out anew) has another campaign's token, and so another tag.

The key is the installation's own and lies in its database, as that of ``suppression.subjects`` does: under
a new secret key all emails that were sent still find their recipient.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, b32encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mailing.core.statements import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

PREFIX = "b-"
FOUND_MOST = 20  # different tokens of one report that are tried
_ID, _TAG = 5, 10  # bytes
LENGTH = (_ID + _TAG) * 8 // 5
_SHAPE = re.compile(  # both cases are spelled out: found so in half the time of IGNORECASE
    rb"(?<![A-Za-z0-9])[bB]-([A-Za-z2-7]{%d})(?:@|=40)" % LENGTH
)


class Token(NamedTuple):
    """What stands in an envelope sender; nothing of it is proven yet."""

    recipient_id: int
    tag: bytes


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens under one key."""

    key: bytes = field(repr=False)

    def make(self, recipient_id: int, campaign_token: str) -> str:
        """Return the token of a recipient."""
        number = recipient_id.to_bytes(_ID, "big")
        return b32encode(number + self._tag(recipient_id, campaign_token)).decode().lower()

    def proves(self, token: Token, campaign_token: str) -> bool:
        """Whether a token was made for its recipient in the campaign that has this one."""
        return hmac.compare_digest(token.tag, self._tag(token.recipient_id, campaign_token))

    def _tag(self, recipient_id: int, campaign_token: str) -> bytes:
        text = b"bounce:%d:%s" % (recipient_id, campaign_token.encode())
        return hmac.digest(self.key, text, "sha256")[:_TAG]


@dataclass(frozen=True, slots=True)
class Returns:
    """Where what comes back is sent to."""

    domain: str
    tokens: Tokens

    def address(self, recipient_id: int, campaign_token: str) -> str:
        """Return the envelope sender of a recipient's email."""
        return f"{PREFIX}{self.tokens.make(recipient_id, campaign_token)}@{self.domain}"


def stored(connection: Connection) -> Tokens:
    """Return the tokens of this installation."""
    key = run(connection, "SELECT bounce_key FROM installation", ()).scalar_one()
    return Tokens(bytes.fromhex(key))


def find(*places: bytes) -> Iterator[Token]:
    """Yield each token that stands in these places, the first place first."""
    seen: set[bytes] = set()
    for place in places:
        for match in _SHAPE.finditer(place):
            text = match[1].upper()
            if text in seen:
                continue
            seen.add(text)
            whole = b32decode(text)
            yield Token(int.from_bytes(whole[:_ID], "big"), whole[_ID:])
            if len(seen) == FOUND_MOST:
                return


def is_ours(address: str, domain: str) -> bool:
    """Whether an address has the form of a bounce address at ``domain``."""
    local, _, host = address.rpartition("@")
    return host.lower() == domain.lower() and _SHAPE.fullmatch(local.encode() + b"@") is not None
