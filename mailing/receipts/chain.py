"""The chain of a receipt: JSON Lines, each with the hash of all up to it; the last one is signed.

Pure. A line is a JSON object, its number first and the chain last::

    {"n":2,"recipient":{...},"chain":"5f0c..."}
    {"n":3,"end":{...},"chain":"91ab...","signature":"e2d4..."}

The chain of a line is the SHA-256 of the chain before it (32 bytes) and of the bytes of this line before
``,"chain"``. What is hashed are the bytes as they are in the file, so there is no other way to write a line:
each byte of it is hashed, or is one that can only be as it is. The signature (Ed25519, RFC 8032) is of the
last line's chain, behind ``CONTEXT``. All of it is in lowercase hexadecimal: of base64 the last letter could
be changed and mean the same.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = 1
CONTEXT = b"Volley receipt 1\n"
FIRST = sha256(CONTEXT).digest()
"""The chain before the first line."""
_ENDING = re.compile(rb',"chain":"([0-9a-f]{64})"(?:,"signature":"([0-9a-f]{128})")?\}\n\Z')
_NUMBER = re.compile(rb'\{"n":([1-9]\d{0,14}),')
_ENDING_MOST = 300


class Link(NamedTuple):
    """One line as it is in a file. ``content`` is what is hashed; ``number`` is what it says of itself."""

    content: bytes
    number: int
    chain: bytes
    signature: bytes


class Chain:
    """The chain of a file, as it grows."""

    def __init__(self) -> None:
        self.lines = 0
        self._last = FIRST

    def add(self, content: bytes) -> bytes:
        """Return the next line, of a JSON object with a member at least."""
        self.lines += 1
        hashed = b'{"n":%d,%b' % (self.lines, content[1:-1])
        self._last = sha256(self._last + hashed).digest()
        return b'%b,"chain":"%b"}\n' % (hashed, self._last.hex().encode())

    def end(self, content: bytes, key: Ed25519PrivateKey) -> bytes:
        """Return the last line, signed."""
        line = self.add(content)
        return b'%b,"signature":"%b"}\n' % (line[:-2], key.sign(CONTEXT + self._last).hex().encode())

    def fits(self, link: Link) -> bool:
        """Take a line that was read; return whether it is the next one, unchanged."""
        self.lines += 1
        self._last = sha256(self._last + link.content).digest()
        return self._last == link.chain and link.number == self.lines


def read(line: bytes) -> Link | None:
    """Return the parts of a line; None if it cannot be one of a receipt."""
    ending = _ENDING.search(line, max(0, len(line) - _ENDING_MOST))
    number = _NUMBER.match(line)
    if ending is None or number is None:
        return None
    chain, signature = (bytes.fromhex(it.decode()) for it in ending.groups(b""))
    return Link(line[: ending.start()], int(number[1]), chain, signature)


def signed_by(link: Link, public_key: str) -> bool:
    """Return whether a last line was signed by the owner of this key, in hexadecimal."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(link.signature, CONTEXT + link.chain)
    except (ValueError, InvalidSignature):
        return False
    return True
