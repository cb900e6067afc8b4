"""What comes over the wire is small, and its length tells no secret."""

import gzip
import zlib

import pytest

from tests.support.web import HOST, running, settings_for, store
from webapp.http.static_files import FOLDER as STATIC
from webapp.http.static_files import address

STYLE = address("volley.css")


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


async def test_a_browser_that_takes_gzip_gets_static_texts_compressed(visitor):
    answer = await visitor.get(STYLE, headers={"Host": HOST, "Accept-Encoding": "gzip, br"})
    body = await answer.get_data()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert int(answer.headers["Content-Length"]) == len(body) < (STATIC / "volley.css").stat().st_size / 2
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert gzip.decompress(body) == (STATIC / "volley.css").read_bytes()


async def test_a_client_that_takes_none_gets_the_file_as_it_is(visitor):
    answer = await visitor.get(STYLE, headers={"Host": HOST})
    assert "Content-Encoding" not in answer.headers
    assert await answer.get_data() == (STATIC / "volley.css").read_bytes()


async def test_a_page_comes_compressed_and_no_two_have_the_same_length_for_long(visitor):
    plain = await (await visitor.get("/campaigns/new")).get_data()
    lengths = set()
    for _ in range(10):
        answer = await visitor.get("/campaigns/new", headers={"Host": HOST, "Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        body = await answer.get_data()
        assert len(gzip.decompress(body)) == len(plain)
        lengths.add(len(body))
    assert len(lengths) > 3


async def test_each_page_hides_the_same_token_under_another_mask(visitor):
    await visitor.read("/campaigns/new")
    first = visitor.token
    await visitor.read("/campaigns/new")
    assert visitor.token != first
    for token in (first, visitor.token):
        answer = await visitor.post("/campaigns", {"csrf_token": token})
        assert answer.status_code == 422  # the form is read, and found empty
    for token in ("", "x", "00" * 64, first[:-2], first + "00", first[64:] + first[:64][::-1]):
        assert (await visitor.post("/campaigns", {"csrf_token": token})).status_code == 403


async def test_a_stream_comes_compressed_message_by_message(visitor):
    store(visitor.app.extensions["volley"].db, "ann@one.example")
    headers = {"Host": HOST, "Accept-Encoding": "gzip"}
    async with visitor.client.request("/campaigns/stream", headers=headers) as connection:
        await connection.send_complete()
        first = await connection.receive()
        assert b"event: beat" in zlib.decompressobj(31).decompress(first)
        assert connection.headers["Content-Encoding"] == "gzip"
        await connection.disconnect()
