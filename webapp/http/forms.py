"""Forms, read within limits: their size, the number of their fields, and the time the event loop is held.

A form arrives from whoever likes to send one, so it is taken apart piece by piece as it comes, and no piece
costs more than its own length. Files are no part of a form, but of an ``Upload``: it is handed on in pieces,
and nobody sends faster than these are taken.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_to_bytes

from quart import abort, request
from quart.asgi import ASGIHTTPConnection
from quart.formparser import FormDataParser
from quart.wrappers import Request
from quart.wrappers.request import Body
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping

    from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
    from werkzeug.datastructures import MultiDict

LONGEST = 20 * 1024 * 1024  # bytes; with a list or a message
SHORT = 64 * 1024  # bytes; any other form or call
MOST_FIELDS = 2_500  # two for each column of the widest table, and some
UPLOAD_S = 3_600  # what a file may take
LINGER_S = 5.0  # what still comes behind its answer is taken so long, and thrown away
PIECE = 512 * 1024  # bytes in which a file is handed on
_PIECE = 64 * 1024
_AHEAD = 4 * _PIECE  # bytes that may wait for who reads them
_URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

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
            elif mimetype == MULTIPART:
                fields = await _multipart(parts, (options or {}).get("boundary", ""))
            else:
                fields = []
        except ValueError:
            _unreadable()
        return self.cls(fields), self.cls()


class PacedBody(Body):
    """A body that is taken from the connection as it is read, so that it waits there and not in memory.

    Who reads it looks at its length (``_bounded``), as one page may take more than another.
    """

    def __init__(self, _expected: int | None, most: int | None) -> None:
        super().__init__(None, most)
        self._taken = asyncio.Event()
        self._whole = False  # wanted at once
        self._answered = False

    def append(self, data: bytes) -> None:
        """Keep what came, unless nobody will read it."""
        if not self._answered:
            super().append(data)

    async def __anext__(self) -> bytes:
        data = await super().__anext__()
        self._taken.set()
        return data

    def __await__(self) -> Generator[Any, None, Any]:
        self._whole = True
        self._taken.set()
        return super().__await__()

    async def has_room(self) -> None:
        """Wait while enough of it is there that nobody has read."""
        while len(self._data) > _AHEAD and not self._whole and not self._complete.is_set():
            self._taken.clear()
            await self._taken.wait()

    def throw_away(self) -> None:
        """Take what is left of it from the connection without keeping it: the request is answered."""
        self._answered = True
        self.clear()
        self._taken.set()

    async def has_ended(self) -> None:
        """Wait until all of it has come, but not for long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._complete.wait(), LINGER_S)


class FormRequest(Request):
    """A request whose forms are read by ``Parser``."""

    body_class: type[Body] = PacedBody
    form_data_parser_class = Parser


class Connection(ASGIHTTPConnection):
    """Takes from the connection what the request has room for."""

    async def handle_messages(self, request: Request, receive: ASGIReceiveCallable) -> None:
        """Hand the body to the request until the client is gone."""
        body: Any = request.body

        async def paced() -> Any:
            await body.has_room()
            return await receive()

        await super().handle_messages(request, paced)

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Answer the request; whoever is still sending is heard out for a moment.

        A connection that is closed on somebody who sends shows an error of its own in the place of the answer
        (RFC 9112 section 9.6). And Hypercorn ends none while what it has read waits for the application.
        """
        body: Any = request.body

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                body.throw_away()
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                await body.has_ended()
            await send(message)

        await super().handle_request(request, answer)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way: its ``name``, the ``fields`` of the form before it, and its bytes as they come.

    The name is empty where nobody chose a file.

    ``pieces`` have ``PIECE`` bytes, but for the last; 413 while it is read, if there are too many.
    """

    name: str
    fields: Mapping[str, str]
    pieces: AsyncGenerator[bytes, None]


async def upload(most: int) -> Upload:
    """Return the file called ``file`` that a form brings, of at most ``most`` bytes.

    Too long a body is a 413 by its length alone, before any of it is read.
    """
    boundary = request.mimetype_params.get("boundary", "")
    if request.mimetype != MULTIPART or not boundary:
        return Upload("", {}, _nothing())
    decoder = MultipartDecoder(boundary.encode("latin-1"), max_form_memory_size=3 * _PIECE)
    if (request.content_length or 0) > most + SHORT:
        _refuse_file(most)
    events = _events(decoder, _in_time(_bounded(request.body, None, most + SHORT)))
    fields: dict[str, str] = {}
    name, value, seen = "", bytearray(), 0
    try:
        async for event in events:
            match event:
                case Field() | File():
                    seen += 1
                    _count(seen)
                    name, value = event.name, bytearray()
                    if isinstance(event, File) and name == "file" and event.filename:
                        return Upload(event.filename, fields, _pieces(events, most))
                case Data() if len(value) + len(event.data) > SHORT:
                    _refuse(SHORT)
                case Data():
                    value += event.data
                    if not event.more_data:
                        fields[name] = value.decode("utf-8", "replace")
    except ValueError:
        _unreadable()
    return Upload("", fields, _nothing())


async def _nothing() -> AsyncGenerator[bytes, None]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece


async def _pieces(events: AsyncGenerator[Event, None], most: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the file whose head was just read, and read what follows it."""
    waiting, read, going = bytearray(), 0, True
    try:
        async for event in events:
            if not going or not isinstance(event, Data):
                continue
            read, going = read + len(event.data), event.more_data
            if read > most:
                _refuse_file(most)
            waiting += event.data
            if len(waiting) >= PIECE:
                yield bytes(waiting[:PIECE])
                del waiting[:PIECE]
    except ValueError:
        _unreadable()
    if waiting:
        yield bytes(waiting)


async def _in_time(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass the parts of a body on; 408 if the next one, or the last one, is too long in coming."""
    over = time.monotonic() + UPLOAD_S
    try:
        while True:
            async with asyncio.timeout(min(request.body_timeout or UPLOAD_S, over - time.monotonic())):
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return
            yield part
    except TimeoutError:
        abort(408)


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


def _unreadable() -> NoReturn:
    abort(400, _("This form can't be read. Reload the page and try again."))


def _refuse_file(most: int) -> NoReturn:
    mb = most // (1024**2 if most % 1024**2 == 0 else 1_000_000)
    abort(413, _("This file is too large: Volley accepts at most %(n)s MB.", n=mb))


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


async def _events(decoder: MultipartDecoder, parts: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
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
