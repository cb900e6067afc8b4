"""What goes over the wire compressed: pages and live streams.

Whoever can put words into a page and sees its length may find out what else is in it, letter by letter
(BREACH, CVE-2013-3587). So a form's token is masked anew in each page (see ``security``), and a random
number of bytes is added to each, which the reader drops (RFC 1952 section 2.3.1, the file's name).
"""

from __future__ import annotations

import gzip
import io
import secrets
import zlib
from typing import TYPE_CHECKING

from quart import Response, request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from quart import Quart
    from quart.typing import ResponseTypes

LEAST = 1_000  # bytes; less is not worth it
PADDING = 100  # bytes added at most
_LEVEL = 4  # 12 % shorter than at level 1, for a third more time
_WINDOW, _MEMORY = 12, 5  # a viewer's share of zlib: 32 KiB, where the usual one has 256


def install(app: Quart) -> None:
    """Compress pages for browsers that take gzip (RFC 9110 section 12.5.3)."""
    app.after_request(_compress)


def squeeze(messages: AsyncGenerator[bytes, None]) -> tuple[AsyncGenerator[bytes, None], Mapping[str, str]]:
    """Return a stream as this request's browser takes it, each message sent at once, and its headers."""
    if not request.accept_encodings["gzip"]:
        return messages, {"Vary": "Accept-Encoding"}
    return _squeezed(messages), {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}


async def _squeezed(messages: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + _WINDOW, _MEMORY)
    async for part in messages:
        yield packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


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
