"""The pages of the demo inbox show whatever arrived, and count it right."""

from __future__ import annotations

import html
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from mailing.demo_inbox_file import FILE, KEPT, RAW_LIMIT, Store
from tests.support.odd_mail import ODD
from tests.support.web import running, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.web import Visitor


@pytest.fixture
async def visitor(tmp_path: Path, migrated: Path) -> AsyncIterator[Visitor]:
    file = shutil.copyfile(migrated, tmp_path / "volley.sqlite")
    async with running(settings_for(tmp_path, f"sqlite:///{file}")) as visitor:
        yield visitor


def receive(folder: Path, *contents: bytes, to: str = "bob@x.example") -> None:
    store = Store(folder / FILE)
    for content in contents:
        store.add("list@s.example", [to], content)
    store.close()


async def test_every_odd_message_has_its_pages(visitor, tmp_path):
    receive(tmp_path, *(odd.raw for odd in ODD.values()))
    for number, (name, odd) in enumerate(ODD.items(), 1):
        for path in (f"/inbox/{number}", f"/inbox/{number}/html", f"/inbox/{number}.eml"):
            response = await visitor.get(path)
            assert response.status_code == 200, (name, path)
        assert await response.get_data() == odd.raw[:RAW_LIMIT], name
        assert response.headers["Content-Disposition"] == f'attachment; filename="inbox-{number}.eml"'
        assert response.headers["Content-Type"] == "message/rfc822"
    for before in ("", f"?before={len(ODD) - 40}"):
        assert "/inbox/" in await visitor.read(f"/inbox{before}")


@pytest.mark.parametrize(("language", "said"), [("en", "is not supported"), ("vi", "Không hỗ trợ bảng mã")])
async def test_what_could_not_be_read_is_said_and_shown_as_it_came(visitor, tmp_path, language, said):
    receive(tmp_path, b"From: <\r\nContent-Type: text/plain; charset=x-klingon\r\n\r\nqapla' <b>")
    visitor.client.set_cookie("localhost", "language", language)
    response = await visitor.get("/inbox/1", headers={"Cookie": f"language={language}"})
    text = (await response.get_data()).decode()
    assert said in text
    assert "<dd>&lt;</dd>" in text
    assert "qapla&#39; &lt;b&gt;" in text


async def test_files_are_listed_with_name_and_size(visitor, tmp_path):
    receive(tmp_path, ODD["a name in pieces"].raw, ODD["a delivery report"].raw)
    assert "café.pdf" in await visitor.read("/inbox/1")
    assert "message/delivery-status" in await visitor.read("/inbox/2")


async def test_a_message_that_was_cut_says_so(visitor, tmp_path):
    receive(tmp_path, b"Subject: long\r\n\r\n" + b"x" * RAW_LIMIT)
    assert "keeps only the first 262,144 bytes" in await visitor.read("/inbox/1")


async def test_a_plain_message_has_no_notice(visitor, tmp_path):
    receive(tmp_path, b"From: a@b.example\r\nSubject: plain\r\n\r\nhello\r\n")
    assert "Not all of this message" not in await visitor.read("/inbox/1")


async def test_total_and_list_are_of_one_moment(visitor, tmp_path):
    receive(tmp_path, *[b"Subject: s\r\n\r\n"] * (KEPT + 3))
    text = await visitor.read("/inbox")
    assert f"{KEPT + 3:,}\N{NO-BREAK SPACE}messages arrived" in text
    numbers = [int(part.partition('"')[0]) for part in text.split('href="/inbox/')[1:]]
    assert numbers == list(range(KEPT + 3, KEPT + 3 - 50, -1))


def listed(text: str) -> list[int]:
    """The numbers of the messages in the list, from the top."""
    return [int(number) for number in re.findall(r'<li><a href="/inbox/(\d+)', text)]


async def test_the_list_tells_how_the_text_of_each_message_starts(visitor, tmp_path):
    receive(
        tmp_path, b"Subject: a\r\n\r\n Dear <Ann>,\r\n\r\nhello\r\n", b"Subject: b\r\n\r\n" + b"x " * 9000
    )
    text = await visitor.read("/inbox")
    assert "Dear &lt;Ann&gt;, hello</span>" in text
    assert "x " * 79 + "x" in text
    assert "x " * 81 not in text


async def test_words_are_found_in_address_and_subject_and_kept_from_page_to_page(visitor, tmp_path):
    receive(tmp_path, *[b"Subject: =?utf-8?q?Caf=C3=A9?= news\r\n\r\n"] * 60, to="Ann@one.example")
    receive(tmp_path, b"Subject: news\r\n\r\n")
    assert listed(await visitor.read("/inbox?q=bob")) == [61]
    first = await visitor.read("/inbox?q=CAF%C3%89+ann@")
    assert listed(first) == list(range(60, 10, -1))
    assert '/inbox/60?q=CAF%C3%89+ann%40"' in first
    older = await visitor.read("/inbox?q=CAF%C3%89&before=11")
    assert listed(older) == list(range(10, 0, -1))
    assert "hx-sse:connect" not in older
    nothing = await visitor.read("/inbox?q=100%")
    assert listed(nothing) == []
    assert "No matches." in nothing


async def test_a_message_is_read_beside_the_list_that_led_to_it(visitor, tmp_path):
    receive(tmp_path, b"Subject: one\r\n\r\nfirst", b"Subject: two\r\n\r\nsecond", b"Subject: tow\r\n\r\n")
    text = await visitor.read("/inbox/2?q=two")
    assert listed(text) == [2]
    assert '<a href="/inbox/2?q=two" aria-current="true">' in text
    assert '<pre class="body">second</pre>' in text


async def test_what_arrives_is_told_to_open_pages(visitor, tmp_path):
    receive(tmp_path, b"Subject: one\r\n\r\n")
    text = await visitor.read("/inbox/1?q=o")
    stream = html.unescape(re.findall(r'hx-sse:connect="([^"]+)"', text)[0])
    receive(tmp_path, b"Subject: other\r\n\r\n", b"Subject: ham\r\n\r\n", to="ann@x.example")
    told = (await (await visitor.get(stream, headers={"Volley-Once": "1"})).get_data()).decode()
    assert listed(told) == [2, 1]
    assert '<a href="/inbox/1?q=o" aria-current="true">' in told
    assert "3\N{NO-BREAK SPACE}messages arrived" in told
