"""Forms, read within limits: their size, the number of their fields, and the time the event loop is held.

A form arrives from whoever likes to send one, so it is taken apart piece by piece as it comes, and no piece
costs more than its own length. Files are no part of any form.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_to_bytes

from quart import abort, request
from quart.formparser import FormDataParser
from quart.wrappers import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from werkzeug.datastructures import MultiDict

LONGEST = 20 * 1024 * 1024  # bytes; with a list or a message
SHORT = 64 * 1024  # bytes; any other form or call
MOST_FIELDS = 100
_PIECE = 64 * 1024
_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"

Fields = list[tuple[str, str]]


async def body(most: int) -> bytes:
    """Return what this request carries; 413 if that is more than ``most`` bytes."""
    parts = _bounded(request.body, request.content_length, most)
    try:
        async with asyncio.timeout(request.body_timeout):
            return b"".join([part async for part in parts])
    except TimeoutError:
        abort(408)


class Parser(FormDataParser):
    """Takes a form apart. ``max_content_length`` of the request is its limit."""

    async def parse(
        self, body: Any, mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> tuple[MultiDict[str, str], MultiDict[str, Any]]:
        """Return the fields, and no file; 413 for too much of anything, 400 for what is no form."""
        assert self.cls is not None
        parts = _bounded(body, content_length, self.max_content_length or SHORT)
        try:
            if mimetype == _URLENCODED:
                fields = await _urlencoded(parts)
            elif mimetype == _MULTIPART:
                fields = await _multipart(parts, (options or {}).get("boundary", ""))
            else:
                fields = []
        except ValueError:
            abort(400, _("This form can't be read. Reload the page and try again."))
        return self.cls(fields), self.cls()


class FormRequest(Request):
    """A request whose forms are read by ``Parser``."""

    form_data_parser_class = Parser


async def _bounded(body: Any, length: int | None, most: int) -> AsyncIterator[bytes]:
    read = length or 0
    if read <= most:
        read = 0
        try:
            async for part in body:
                read += len(part)
                if read > most:
                    break
                yield part
            else:
                return
        except RequestEntityTooLarge:
            pass
    _refuse(most)


def _refuse(most: int) -> NoReturn:
    if most < LONGEST:
        abort(413, _("This field can hold at most %(n)s KB.", n=most // 1024))
    abort(413, _("Volley accepts up to 20 MB per request. Split the list into several campaigns."))


async def _urlencoded(parts: AsyncIterator[bytes]) -> Fields:
    raw = b"".join([part async for part in parts])
    _count(raw.count(b"&"))
    if len(raw) <= _PIECE:
        return list(unpack(raw))
    return await asyncio.to_thread(lambda: list(unpack(raw)))


def unpack(raw: bytes) -> Iterator[tuple[str, str]]:
    """Read ``a=1&b=%C3%A9`` (URL Standard section 5.1)."""
    for pair in raw.split(b"&"):
        if pair:
            name, _is, value = pair.partition(b"=")
            yield _text(name), _text(value)


def _text(raw: bytes) -> str:
    """Decode a name or value. ``unquote_to_bytes`` makes a list of the escapes, so it gets pieces."""
    decoded, at, raw = bytearray(), 0, raw.replace(b"+", b" ")
    while at < len(raw):
        end = at + _PIECE
        cut = raw.rfind(b"%", end - 2, end) if end < len(raw) else -1  # never in the middle of an escape
        end = cut if cut > at else end
        decoded += unquote_to_bytes(raw[at:end])
        at = end
    return decoded.decode("utf-8", "replace")


async def _multipart(parts: AsyncIterator[bytes], boundary: str) -> Fields:
    """Read a form by its parts (RFC 7578), as they come."""
    if not boundary:
        raise ValueError
    decoder = MultipartDecoder(boundary.encode("ascii"), max_form_memory_size=3 * _PIECE)
    fields: Fields = []
    name: str | None = None
    value: list[bytes] = []
    seen = 0
    async for event in _events(decoder, parts):
        if isinstance(event, Field | File):
            seen += 1
            _count(seen)
            name, value = (event.name if isinstance(event, Field) else None), []
        elif isinstance(event, Data) and name is not None:
            value.append(event.data)
            if not event.more_data:
                fields.append((name, b"".join(value).decode("utf-8", "replace")))
    return fields


async def _events(decoder: MultipartDecoder, parts: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    async for part in parts:
        for at in range(0, len(part), _PIECE):
            try:
                decoder.receive_data(part[at : at + _PIECE])
            except RequestEntityTooLarge:
                raise ValueError("the head of a part is too long") from None
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                yield event
    decoder.receive_data(None)
    decoder.next_event()  # ValueError if it ended too early


def _count(fields: int) -> None:
    if fields > MOST_FIELDS:
        abort(413, _("This form has more than %(n)s fields.", n=MOST_FIELDS))
