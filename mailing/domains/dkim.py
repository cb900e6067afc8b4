"""DKIM signatures (RFC 6376), by RSA and by Ed25519 (RFC 8463): header fields that go before a message. Pure.

Both parts are canonicalized relaxed, as relays fold headers anew, and the whole body is signed: never ``l=``.
A field that programs act upon is named once more than it is there, so that nobody can add another one.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.signing import SigningKey

OVERSIGNED = (
    *("From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type"),
    "Content-Transfer-Encoding",
)
"""Signed also where they are missing, so that nobody can add them."""

OVERSIGNED_IF_THERE = ("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post")
"""A relay may add them to a message that has none."""

SIGNED = ("In-Reply-To", "References", "Feedback-ID", "Auto-Submitted", "Precedence")
"""Signed as often as they are there."""

LASTS_S = 7 * 86_400  # longer than any server keeps an email in its queue (RFC 5321 section 4.5.4.1)
_LINE = 72
_GAP = b"\r\n\r\n"
_BLANKS = re.compile(rb"[ \t]+")
_ALL = {name.lower().encode(): name for name in (*OVERSIGNED, *OVERSIGNED_IF_THERE, *SIGNED)}
_ONCE_MORE = {name: name in OVERSIGNED_IF_THERE for name in (*OVERSIGNED, *OVERSIGNED_IF_THERE)}  # if there

PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey


class Algorithm(StrEnum):
    """What a key is for: the tag ``k=`` of its record (RFC 6376 section 3.6.1)."""

    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True)
class Key:
    """A key that signs, and the selector under which its public half is published.

    Ed25519 is signed by libsodium, in 21 us instead of OpenSSL's 47.
    """

    selector: str
    algorithm: Algorithm
    private: PrivateKey

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``: of its SHA-256 hash, which RFC 8463 section 3 signs as a text."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), SHA256())
        return self._sodium.sign(sha256(data).digest()).signature

    @cached_property
    def _sodium(self) -> SigningKey:
        assert isinstance(self.private, Ed25519PrivateKey)
        return SigningKey(self.private.private_bytes_raw())


class Signer:
    """Signs the mail of a domain with all of its keys, for one thread.

    The hash of the last body is kept, as many messages have the same for everybody.
    """

    def __init__(self, domain: str, keys: tuple[Key, ...]) -> None:
        self.domain, self.keys = domain, keys
        self._last: tuple[bytes, bytes, str] | None = None  # a body in two parts, and its hash

    def fields(self, head: bytes, tail: bytes, time_s: int) -> bytes:
        """Return the DKIM-Signature fields of the message ``head + tail``, each with its CRLF.

        Both have CRLF lines; the header may go on in ``tail``. ``time_s`` are seconds since 1970.
        """
        header, gap, body = head.partition(_GAP)
        end = 0
        if not gap:
            end = tail.find(_GAP) + len(_GAP)
            header = head + tail[:end]
        named, canonical = _chosen(header)
        body_hash = self._hash(body, tail, end)
        return b"".join(self._field(key, named, canonical, body_hash, time_s) for key in self.keys)

    def _hash(self, body: bytes, tail: bytes, begin: int) -> str:
        last = self._last
        if last is not None and last[1] is tail and last[0] == body:
            return last[2]
        hashed = sha256(relaxed_body(body, tail[begin:] if begin else tail)).digest()
        found = base64.b64encode(hashed).decode()
        self._last = body, tail, found
        return found

    def _field(self, key: Key, named: str, canonical: bytes, body_hash: str, time_s: int) -> bytes:
        text = (
            f"DKIM-Signature: v=1; a={key.algorithm}-sha256; c=relaxed/relaxed;\r\n"
            f" d={self.domain}; s={key.selector};\r\n"
            f" t={time_s}; x={time_s + LASTS_S};\r\n"
            f" h={named};\r\n bh={body_hash};\r\n b="
        )
        own = "dkim-signature:" + text.partition(" ")[2].replace("\r\n", "")
        signature = base64.b64encode(key.sign(canonical + own.encode())).decode()
        folded = "\r\n ".join(signature[at : at + _LINE] for at in range(0, len(signature), _LINE))
        return f"{text}{folded}\r\n".encode()


def relaxed_body(body: bytes, tail: bytes = b"") -> bytes:
    """Return a body as RFC 6376 section 3.4.4 has it hashed: blanks made one, none at the end of a line.

    Empty lines at its end do not count. What must not be changed is not copied.
    """
    if tail and body.endswith((b" ", b"\t")):  # the run of blanks may go on
        body, tail = body + tail, b""
    whole = _narrow(body) + _narrow(tail) if tail else _narrow(body)
    if not whole.endswith(b"\r\n"):
        return whole and whole + b"\r\n"
    end = len(whole)
    while whole.endswith(_GAP, 0, end):
        end -= 2
    return b"" if whole[:end] == b"\r\n" else whole[:end]


def _narrow(data: bytes) -> bytes:
    """Return text with each run of blanks made one. To look first is 20 times as fast as to replace."""
    if b"\t" in data or b"  " in data:
        data = _BLANKS.sub(b" ", data)
    if b" \r\n" in data or data.endswith(b" "):
        data = data.replace(b" \r\n", b"\r\n").removesuffix(b" ")
    return data


def _chosen(header: bytes) -> tuple[str, bytes]:
    """Return the names for ``h=``, in lines of it, and the fields that they mean, canonicalized.

    Of several fields with one name the last is the first (RFC 6376 section 5.4.2). A name for which none is
    left means an empty string.
    """
    there: dict[bytes, list[bytes]] = {}
    unfolded = header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    if b"\t" in unfolded or b"  " in unfolded:
        unfolded = _BLANKS.sub(b" ", unfolded)
    for line in unfolded.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name in _ALL:
            there.setdefault(name, []).append(b"%b:%b\r\n" % (name, value.strip(b" ")))
    named: list[str] = []
    canonical: list[bytes] = []
    for name, shown in _ALL.items():
        found = there.get(name, ())
        if_there = _ONCE_MORE.get(shown)
        named += [shown] * (len(found) + (if_there is False or bool(found and if_there)))
        canonical += reversed(found)
    return _folded(tuple(named)), b"".join(canonical)


@lru_cache(maxsize=64)
def _folded(names: tuple[str, ...]) -> str:
    lines = [names[0]]
    for name in names[1:]:
        if len(lines[-1]) + len(name) >= _LINE:
            lines[-1] += ":"
            lines.append(name)
        else:
            lines[-1] += f":{name}"
    return "\r\n ".join(lines)
