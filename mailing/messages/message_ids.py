"""Message-IDs that know their recipient: ``<campaign's token.recipient's id.mark@domain>``. Pure.

The mark is a keyed BLAKE2b (RFC 7693) under the installation's key. Whoever gets an email of a campaign
knows its token and can count up the ids, but marks nobody else's: a report that returns such a Message-ID is
about an email that was sent to that recipient. What is composed without a key has no mark, and proves none.
"""

from __future__ import annotations

import hmac
import re
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = 8  # bytes
_SHAPE = re.compile(rf"<?([A-Za-z0-9_-]{{1,64}})\.(\d{{1,18}})\.([0-9a-f]{{{2 * MARK}}})@[^<>@\s]+>?")


class Marked(NamedTuple):
    """What stands in a Message-ID; nothing of it is proven yet."""

    token: str
    recipient_id: int
    mark: str


def make(key: bytes, token: str, recipient_id: int, domain: str) -> bytes:
    """Return the Message-ID (RFC 5322 section 3.6.4) of one recipient's email, the same at each try."""
    if not key:
        return b"<%b.%d@%b>" % (token.encode(), recipient_id, domain.encode())
    text = b"%b.%d" % (token.encode(), recipient_id)
    return b"<%b.%b@%b>" % (text, _mark(key, text).encode(), domain.encode())


def read(message_id: str) -> Marked | None:
    """Return what a Message-ID says, with its brackets or without; None if it is none of ours."""
    found = _SHAPE.fullmatch(message_id)
    return Marked(found[1], int(found[2]), found[3]) if found else None


def find(text: str, most: int) -> Iterator[str]:
    """Yield the Message-IDs of our form in a text, each once and at most so many."""
    yield from list(dict.fromkeys(match[0] for match in islice(_SHAPE.finditer(text), 10 * most)))[:most]


def proves(key: bytes, marked: Marked, token: str) -> bool:
    """Whether it was made here for its recipient in the campaign that has this token."""
    expected = _mark(key, b"%b.%d" % (token.encode(), marked.recipient_id))
    return hmac.compare_digest(marked.token, token) and hmac.compare_digest(marked.mark, expected)


def _mark(key: bytes, text: bytes) -> str:
    return blake2b(text, digest_size=MARK, key=key, person=b"message-id").hexdigest()
