"""What goes over the wire compressed: pages and live streams.

Whoever can put words into a page and sees its length may find out what else is in it, letter by letter
(BREACH, CVE-2013-3587). So a form's token is masked anew in each page (see ``security``), and a random
number of bytes is added to each, which the reader drops (RFC 1952 section 2.3.1, the file's name).

A stream is woven of texts that go to many, each compressed once for all of them, and of what is its viewer's
own, which goes into their gaps as it is (RFC 1951 section 3.2.4).
"""

from __future__ import annotations

import gzip
import io
import secrets
import struct
import zlib
from typing import TYPE_CHECKING

from quart import Response, request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

    from quart import Quart
    from quart.typing import ResponseTypes

LEAST = 1_000  # bytes; less is not worth it
PADDING = 100  # bytes added at most
_HEAD = bytes.fromhex("1f8b08 00 00000000 00 ff")  # RFC 1952 section 2.3
_LAST = bytes.fromhex("0300")  # an empty block, the last one
_MODULO = 2**32
_NO_GAP = b"\0"


class Shared:
    """A text that goes into many streams, with gaps for what is each viewer's own. It is rid of NULs."""

    def __init__(self, text: bytes, gap: bytes = _NO_GAP) -> None:
        self._pieces = text.replace(b"\0", b"").split(gap)
        self._packed: dict[int, Sequence[bytes]] = {}  # by the length of what goes into the gaps

    def plain(self, own: bytes) -> bytes:
        """Return the text with ``own`` in its gaps."""
        return own.join(self._pieces)

    def packed(self, own: bytes) -> bytes:
        """Return the same as blocks of a stream (RFC 1951), which refer to nothing before them."""
        size = len(own)
        if size not in self._packed:
            self._packed[size] = [*_blocks(self._pieces, size)]
        return (_stored(own) if own else b"").join(self._packed[size])


def install(app: Quart) -> None:
    """Compress pages for browsers that take gzip (RFC 9110 section 12.5.3)."""
    app.after_request(_compress)


def squeeze(
    messages: AsyncGenerator[Sequence[Shared], None], own: bytes
) -> tuple[AsyncGenerator[bytes, None], Mapping[str, str]]:
    """Return a stream as this request's browser takes it, each message sent at once, and its headers."""
    if not request.accept_encodings["gzip"]:
        return _plain(messages, own), {"Vary": "Accept-Encoding"}
    return _squeezed(messages, own), {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}


async def _plain(messages: AsyncGenerator[Sequence[Shared], None], own: bytes) -> AsyncGenerator[bytes, None]:
    async for texts in messages:
        yield b"".join([text.plain(own) for text in texts])


async def _squeezed(
    messages: AsyncGenerator[Sequence[Shared], None], own: bytes
) -> AsyncGenerator[bytes, None]:
    begin, check, size = _HEAD, 0, 0
    async for texts in messages:
        plain = b"".join([text.plain(own) for text in texts])
        check, size = zlib.crc32(plain, check), size + len(plain)
        yield begin + b"".join([text.packed(own) for text in texts])
        begin = b""
    yield begin + _LAST + struct.pack("<II", check, size % _MODULO)


def _blocks(pieces: Sequence[bytes], gap: int) -> Iterator[bytes]:
    """Compress the pieces of one text, which may refer to each other across gaps of this length."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    for number, piece in enumerate(pieces):
        if number:  # holds the place of the gap: as no piece has a NUL, none refers to it
            packer.compress(bytes(gap))
            packer.flush(zlib.Z_SYNC_FLUSH)
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) if piece else b""


def _stored(own: bytes) -> bytes:
    """Return a block that is not compressed."""
    return struct.pack("<BHH", 0, len(own), len(own) ^ 0xFFFF) + own


async def _compress(response: ResponseTypes) -> ResponseTypes:
    if response.mimetype != "text/html" or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    if request.method == "HEAD" or not request.accept_encodings["gzip"]:
        return response
    if not isinstance(response, Response):  # the router's own, like a redirect: a line or two
        return response
    page = await response.get_data(as_text=False)
    if len(page) >= LEAST:
        response.set_data(_packed(page))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _packed(page: bytes) -> bytes:
    packed = io.BytesIO()
    padding = "x" * secrets.randbelow(PADDING + 1)
    with gzip.GzipFile(padding, "wb", compresslevel=5, fileobj=packed, mtime=0) as file:
        file.write(page)
    return packed.getvalue()
