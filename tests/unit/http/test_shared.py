"""Texts that are compressed once for many streams, and what is each viewer's own in their gaps."""

from __future__ import annotations

import gzip
import re
import zlib

from hypothesis import given
from hypothesis import strategies as st

from webapp.http import compression
from webapp.http.compression import Shared

GAP = b"<!--gap-->"
PARTS = [b"", GAP, b"<p>Ann</p>" * 9, b"abc", b"\0" * 40, b"x" * 70_000]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=8)
OWN = st.one_of(st.just(b""), st.binary(min_size=1, max_size=300), st.just(b"abc" * 30))


async def told(*messages):
    for message in messages:
        yield message


async def stream(messages, own):
    return [part async for part in compression._squeezed(told(*messages), own)]


@given(st.lists(TEXTS, max_size=5), OWN, OWN)
async def test_two_viewers_of_the_same_texts_read_each_their_own_in_the_gaps(drawn, mine, yours):
    messages = [[Shared(b"".join(parts), GAP), Shared(b"beat")] for parts in drawn]
    plain = b"".join(b"".join(parts) + b"beat" for parts in drawn).replace(b"\0", b"")
    for own in (mine, yours, mine):
        assert gzip.decompress(b"".join(await stream(messages, own))) == plain.replace(GAP, own)


async def test_each_message_can_be_read_as_soon_as_it_has_come():
    first, second, _end = await stream([[Shared(b"one" + GAP, GAP)], [Shared(b"two")]], b"!")
    reader = zlib.decompressobj(31)
    assert [reader.decompress(first), reader.decompress(second)] == [b"one!", b"two"]


async def test_a_text_is_compressed_once_for_all_who_read_it(monkeypatch):
    made, honest = [], zlib.compressobj
    monkeypatch.setattr(zlib, "compressobj", lambda **how: made.append(how) or honest(**how))
    text = Shared(b"<p>Ann</p>" * 100 + GAP, GAP)
    for viewer in range(20):
        await stream([[text]], b"token %02d" % viewer)
    assert len(made) == 1


async def test_what_is_a_viewer_s_own_is_never_compressed():
    """Or the length of a stream would tell how alike a form's token and the words beside it are."""
    token = b"0123456789abcdef" * 4
    text = Shared(token + GAP + token, GAP)
    sizes = {len(b"".join(await stream([[text]], own))) for own in (token, b"\xff" * 64, b"z" * 64)}
    assert len(sizes) == 1
    assert re.search(token, b"".join(await stream([[text]], token)))
