"""Each page is in the reader's language and theme, chosen by the browser or by the reader."""

from __future__ import annotations

import pytest

from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from tests.support.web import HOST, deliver, running, settings_for, store
from tests.unit.i18n.test_languages import in_vietnamese
from webapp.i18n.domain_texts import say


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


async def read(visitor, path, **headers):
    return (await (await visitor.get(path, headers=headers)).get_data()).decode()


@pytest.mark.parametrize(
    ("wish", "language"),
    [
        ("", "en"),
        ("vi", "vi"),
        ("vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("en-GB,en;q=0.9,vi;q=0.5", "en"),
        ("fr-FR,vi;q=0.5", "vi"),
        ("fr", "en"),
        ("nonsense;;q=x", "en"),
    ],
)
async def test_the_browser_s_language_is_spoken_if_it_is_known(visitor, wish, language):
    text = await read(visitor, "/", **{"Accept-Language": wish})
    assert f'<html lang="{language}"' in text
    assert ("Chiến dịch mới" if language == "vi" else "New campaign") in text


async def test_a_choice_beats_the_browser_and_leads_back_to_its_page(visitor):
    await visitor.read("/history")
    came_from = {"Referer": f"http://{HOST}/history?q=a"}
    done = await visitor.post("/preferences", {"language": "vi"}, headers=came_from)
    assert (done.status_code, done.location) == (303, "/history?q=a")
    assert '<html lang="vi"' in await read(visitor, "/history", **{"Accept-Language": "en"})
    for elsewhere in ("http://evil.example/", f"http://{HOST}//evil.example/", f"http://{HOST}/preferences"):
        done = await visitor.post("/preferences", {"theme": "dark"}, headers={"Referer": elsewhere})
        assert done.location == "/"
    assert 'data-theme="dark">' in await read(visitor, "/")
    assert (await visitor.post("/preferences", {"theme": "pink"})).status_code == 400


async def test_a_whole_campaign_page_is_in_vietnamese_but_the_server_s_words(visitor, db):
    store(db, "a@b.example c@d.example e@f.example", send=True)
    deliver(
        db,
        (AttemptResult.SENT, 250, "", "250 ok"),
        (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user"),
        (AttemptResult.UNKNOWN, None, "", Reason("attempt.lease-ended")),
    )
    text = await read(visitor, "/campaigns/1", **{"Accept-Language": "vi"})
    assert "The worker ended" not in text
    assert text.count(in_vietnamese(lambda: say(Reason("attempt.lease-ended")))) >= 2
    for words in (
        "Thất bại",
        "Hộp thư này không tồn tại",
        "33,3%",
        "550 5.1.1 no such user",
        "Vấn đề khi gửi",
    ):
        assert words in text


async def test_an_error_page_speaks_too_and_a_program_is_answered_in_english(visitor):
    vietnamese = {"Accept-Language": "vi"}
    assert "Chiến dịch 9 không tồn tại." in await read(visitor, "/campaigns/9", **vietnamese)
    assert "Không tìm thấy trang" in await read(visitor, "/nowhere", **vietnamese)
    assert "Campaign 9 does not exist" in await read(visitor, "/api/v1/campaigns/9", **vietnamese)
    assert (
        "Biểu mẫu này đã hết hạn"
        in (
            await (await visitor.client.post("/campaigns", headers={"Host": HOST} | vietnamese)).get_data()
        ).decode()
    )


async def test_a_stream_speaks_the_language_of_its_page(visitor, db):
    store(db, "a@b.example", send=True)
    headers = {"Host": HOST, "Accept-Language": "vi"}
    async with visitor.client.request("/campaigns/1/stream?rows=1", headers=headers) as connection:
        await connection.send_complete()
        assert "Chờ gửi" in (await connection.receive()).decode()
        await connection.disconnect()
