"""A file is taken from the connection as it is read: its size is judged first, and memory stays flat."""

from __future__ import annotations

import asyncio

import pytest
from quart import Quart

from webapp.http import forms
from webapp.http.forms import PIECE, Connection, FormRequest

MB = 1024 * 1024
HEAD = (
    b'--b0und\r\nContent-Disposition: form-data; name="into"\r\n\r\n7\r\n'
    b'--b0und\r\nContent-Disposition: form-data; name="file"; filename="b\xc3\xa0.csv"\r\n\r\n'
)
TAIL = b"\r\n--b0und--\r\n"


class Line:
    """A connection on which somebody sends a body as fast as it is taken."""

    def __init__(self, app, parts, length=None, more=False):
        self.app, self.parts, self.more = app, [*parts], more
        self.length = sum(map(len, self.parts)) if length is None else length
        self.asked, self.answer, self.status = 0, b"", 0

    async def receive(self):
        if self.asked == len(self.parts):
            await asyncio.Event().wait()  # the client says nothing more
        self.asked += 1
        await asyncio.sleep(0)
        last = self.asked == len(self.parts) and not self.more
        return {"type": "http.request", "body": self.parts[self.asked - 1], "more_body": not last}

    async def send(self, message):
        self.status = message.get("status", self.status)
        self.answer += message.get("body", b"")

    async def run(self):
        scope = {
            "type": "http", "asgi": {}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "",
            "client": ("127.0.0.1", 1), "extensions": {},
            "headers": [(b"content-type", b"multipart/form-data; boundary=b0und"),
                        (b"content-length", str(self.length).encode())],
        }  # fmt: skip
        await self.app(scope, self.receive, self.send)


@pytest.fixture
def app():
    app = Quart(__name__)
    app.request_class, app.asgi_http_class = FormRequest, Connection
    app.config.update(MAX_CONTENT_LENGTH=forms.LONGEST, BODY_TIMEOUT=5)
    app.gate, app.first = asyncio.Event(), asyncio.Event()
    app.gate.set()
    app.taken = []

    @app.post("/")
    async def take():
        found = await forms.upload(100 * MB)
        if not found.name:
            return "no file"
        async for piece in found.pieces:
            app.taken.append(len(piece))
            app.first.set()
            await app.gate.wait()
        return f"{found.name} {sum(app.taken)} into {found.fields.get('into')}"

    return app


async def test_a_file_comes_in_pieces_with_the_fields_before_it(app):
    line = Line(app, [HEAD, *[b"x" * 65_536] * 24, b"tail", TAIL])
    await line.run()
    assert line.answer.decode() == f"bà.csv {24 * 65_536 + 4} into 7"
    assert app.taken == [PIECE, PIECE, PIECE, 4]


async def test_nobody_sends_faster_than_the_file_is_taken(app):
    app.gate.clear()
    line = Line(app, [HEAD, *[b"x" * 65_536] * 320, TAIL])
    running = asyncio.create_task(line.run())
    async with asyncio.timeout(10):
        await app.first.wait()
    for _turn in range(1_000):
        await asyncio.sleep(0)
    assert line.asked * 65_536 < PIECE + MB, "the rest waits in the connection"
    app.gate.set()
    await running
    assert sum(app.taken) == 320 * 65_536


async def test_what_says_that_it_is_too_long_is_refused_before_it_is_read(app, monkeypatch):
    monkeypatch.setattr(forms, "LINGER_S", 0.01)
    line = Line(app, [HEAD], length=2 * 1024 * MB, more=True)
    await line.run()
    assert line.status == 413
    assert b"100 MB" in line.answer
    assert line.asked <= 1


async def test_who_is_refused_while_sending_is_heard_out(app):
    line = Line(app, [HEAD, *[b"x" * MB] * 150, TAIL])
    await line.run()
    assert line.status == 413
    assert line.asked == 152


async def test_what_is_longer_than_it_said_is_refused_while_it_is_read(app):
    line = Line(app, [HEAD, *[b"x" * MB] * 102], length=1_000)
    await line.run()
    assert line.status == 413
    assert sum(app.taken) <= 100 * MB


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([b'--b0und\r\nContent-Disposition: form-data; name="into"\r\n\r\n7', TAIL], b"no file"),
        ([b'--b0und\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n', TAIL], b"no file"),
        ([HEAD, b"cut short"], b"can&#39;t be read"),
        ([b"no form at all"], b"can&#39;t be read"),
    ],
)
async def test_a_form_without_a_file_or_without_an_end_says_so(app, parts, answer):
    line = Line(app, parts)
    await line.run()
    assert answer in line.answer


async def test_a_field_before_the_file_is_a_short_one(app):
    head = b'--b0und\r\nContent-Disposition: form-data; name="into"\r\n\r\n'
    line = Line(app, [head, *[b"x" * 65_536] * 3, TAIL])
    await line.run()
    assert line.status == 413
