"""What a form must prove before it is read, how much of it is read, and that nothing typed is lost."""

from __future__ import annotations

import asyncio
import dataclasses
import html
import re
import time

import pytest

from mailing.campaigns import queries as campaigns
from mailing.core.states import CampaignState
from tests.support.web import HOST, Untouched, running, settings_for, store
from webapp.http.forms import LONGEST, MOST_FIELDS, SHORT

OURS = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
TYPED = {
    "from": "Ann Lee <ann@example.org>",
    "subject": 'Tea & "cake" <b>',
    "text": "Dear {{ name }},\n</textarea><script>alert(1)</script>\n",
    "recipients": "Bà Lê <le@example.org>\nbob@example.org",
    "give_up_hours": "48",
}
COMPOSE = "/campaigns"


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def stored(db):
    with db.read() as connection:
        return len(campaigns.latest(connection, limit=9))


def multipart(fields, boundary="b0und"):
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return {
        "data": f"{parts}--{boundary}--\r\n".encode(),
        "headers": {"Host": HOST, "Content-Type": f"multipart/form-data; boundary={boundary}"} | OURS,
    }


async def longest_silence(work):
    """Run ``work``; return its result, and the CPU seconds for which the event loop did nothing else."""
    longest = 0.0

    async def watch():
        nonlocal longest
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - begun)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    result = await work
    watching.cancel()
    return result, longest


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:99999"},
        {"Origin": "http://ex\u00e4mple"},
        {"Origin": f"https://{HOST}"},
        {"Origin": f"http://{HOST}.evil.example"},
        {"Origin": f"http://{HOST}:5001"},
        {"Origin": f"http://{HOST}@evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "what-else"},
        {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "cross-site"},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [COMPOSE, "/preferences", "/workers/stop", "/campaigns/1"])
async def test_a_form_of_another_site_or_without_a_session_is_refused_before_it_is_read(
    visitor, db, monkeypatch, path, headers
):
    store(db, "a@b.example")
    if headers:
        await visitor.read("/campaigns/new")
    monkeypatch.setattr(visitor.app.request_class, "body_class", Untouched)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(LONGEST)}
    answer = await visitor.client.post(path, data=b"a&", headers={"Host": HOST} | form | headers)
    assert answer.status_code == 403, await answer.get_data()


@pytest.mark.parametrize("origin", [f"http://{HOST}", f"HTTP://{HOST}:80", f"http://{HOST}/"])
async def test_one_s_own_page_is_known_however_it_is_written(visitor, origin):
    await visitor.read("/")
    headers = {"Host": f"{HOST}:80", "Origin": origin, "Sec-Fetch-Site": "same-origin"}
    answer = await visitor.post("/preferences", {"theme": "dark"}, headers=headers)
    assert answer.status_code == 303


async def test_a_short_form_that_is_long_is_refused(visitor):
    await visitor.read("/")
    answer = await visitor.post("/preferences", {"theme": "dark", "more": "x" * SHORT}, headers=OURS)
    assert answer.status_code == 413
    assert f"at most {SHORT // 1024} KB" in (await answer.get_data()).decode()


@pytest.mark.parametrize("body", [b"a&", b"&", b"a=&a=", b"=&"])
async def test_a_form_of_millions_of_fields_costs_next_to_nothing(visitor, db, body):
    await visitor.read("/campaigns/new")
    headers = {"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"} | OURS
    body = body * (LONGEST // len(body))
    answer, silence = await longest_silence(visitor.client.post(COMPOSE, data=body, headers=headers))
    assert answer.status_code == 413
    assert f"more than {MOST_FIELDS} fields" in (await answer.get_data()).decode()
    assert silence < 0.5
    assert stored(db) == 0


async def test_a_form_of_too_many_parts_is_refused(visitor, db):
    await visitor.read("/campaigns/new")
    fields = {f"f{n}": "" for n in range(MOST_FIELDS + 1)}
    answer = await visitor.client.post(COMPOSE, **multipart({"csrf_token": visitor.token} | fields))
    assert answer.status_code == 413


async def test_a_part_with_a_head_of_megabytes_is_refused(visitor):
    await visitor.read("/campaigns/new")
    sent = multipart({"csrf_token": visitor.token, "x" * 5_000_000: ""})
    answer, silence = await longest_silence(visitor.client.post(COMPOSE, **sent))
    assert answer.status_code == 400
    assert silence < 0.3


@pytest.mark.parametrize("cut", [lambda data: data[:-8], lambda data: b"", lambda data: b"nothing"])
async def test_a_form_that_is_not_whole_is_refused_with_a_sentence(visitor, db, cut):
    await visitor.read("/campaigns/new")
    sent = multipart({"csrf_token": visitor.token} | TYPED)
    sent["data"] = cut(sent["data"])
    answer = await visitor.client.post(COMPOSE, **sent)
    assert answer.status_code == 400
    assert "be read. Reload" in (await answer.get_data()).decode()
    assert stored(db) == 0


@pytest.mark.parametrize("escape", ["%41", "%C3%A9", "+", "x"])
async def test_a_long_list_in_an_urlencoded_form_leaves_the_loop_alone(visitor, db, escape):
    await visitor.read("/campaigns/new")
    typed = f"csrf_token={visitor.token}&from=a%40b.example&subject=x&recipients=a%40b.example&text="
    typed += escape * (3_000_000 // len(escape))
    headers = {"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"} | OURS
    answer, silence = await longest_silence(
        visitor.client.post(COMPOSE, data=typed.encode(), headers=headers)
    )
    assert answer.status_code in {303, 422}
    assert silence < 0.5


@pytest.mark.parametrize("how", ["multipart", "urlencoded"])
@pytest.mark.parametrize("lost", ["cookie", "token"])
async def test_a_form_whose_session_ended_comes_back_with_all_that_was_typed(visitor, db, how, lost):
    await visitor.read("/campaigns/new")
    if lost == "token":
        visitor.token = "f" * len(visitor.token)
    else:
        visitor.client.cookie_jar.clear()
    await comes_back(visitor, db, how)


@pytest.mark.parametrize("how", ["multipart", "urlencoded"])
async def test_so_does_one_of_before_the_secret_key_was_changed(visitor, chosen, db, how):
    await visitor.read("/campaigns/new")
    async with running(dataclasses.replace(chosen, secret_key="k" * 40)) as later:
        later.client.cookie_jar, later.token = visitor.client.cookie_jar, visitor.token
        await comes_back(later, db, how)


async def comes_back(visitor, db, how):
    typed = {"csrf_token": visitor.token} | TYPED
    sent = multipart(typed) if how == "multipart" else {"form": typed, "headers": {"Host": HOST}}
    answer = await visitor.client.post(COMPOSE, **sent)
    text = (await answer.get_data()).decode()
    assert answer.status_code == 403
    assert "Your session had expired" in text
    assert "<script>alert" not in text
    shown = {
        name: html.unescape(value)
        for name, value, more in re.findall(r'name="(\w+)"[^>]* value="([^"]*)"([^>]*)', text)
        if name != "writing" or "checked" in more  # of the ways the one that is chosen
    }
    shown |= {
        name: html.unescape(value)
        for name, value in re.findall(r'<textarea id="(\w+)"[^>]*>\n([^<]*)</textarea>', text)
    }
    assert {name: shown[name] for name in TYPED} == TYPED
    assert stored(db) == 0
    assert shown["csrf_token"] != visitor.token
    answer = await visitor.client.post(COMPOSE, **multipart(shown))
    assert (answer.status_code, stored(db)) == (303, 1)


async def test_a_draft_whose_session_ended_while_it_was_changed_stays_as_it_was(visitor, db):
    store(db, "a@b.example")
    await visitor.read("/campaigns/1/edit")
    visitor.client.cookie_jar.clear()
    answer = await visitor.client.post("/campaigns/1", **multipart(TYPED))
    text = (await answer.get_data()).decode()
    assert (answer.status_code, 'action="/campaigns/1"' in text) == (403, True)
    assert html.escape(TYPED["subject"], quote=False)[:9] in text
    with db.read() as connection:
        campaign = campaigns.get(connection, 1)
    assert (campaign.subject, campaign.state) == ("Picnic, {{ name }}", CampaignState.DRAFT)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Referer": "http://evil.example/x"}, 403),
        ({"Referer": "http://["}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://a:b:c"}, 403),
        ({"Referer": f"http://{HOST}/campaigns/1"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
    ids=str,
)
async def test_a_call_of_the_api_tells_who_asked_or_nothing(visitor, db, headers, status):
    store(db, "a@b.example")
    answer = await visitor.client.post("/api/v1/campaigns/1/send", headers={"Host": HOST} | headers)
    assert answer.status_code == status


@pytest.mark.parametrize("verb", ["send", "retry"])
async def test_a_call_without_a_list_takes_little(visitor, db, verb):
    store(db, "a@b.example")
    headers = {"Host": HOST, "Content-Type": "application/json"}
    answer = await visitor.client.post(
        f"/api/v1/campaigns/1/{verb}", data=b" " * (SHORT + 1), headers=headers
    )
    assert answer.status_code == 413
    assert "64 KB" in (await answer.get_json())["detail"]


@pytest.mark.parametrize(
    "referer",
    [
        "http://[",
        "http://127.0.0.1:99999/",
        "http://[::1",
        "//",
        "\u0661",
        "http://127.0.0.1:x/",
        "http://xn--ø/",
    ],
)
@pytest.mark.parametrize("path", ["/preferences", "/campaigns/1/retry"])
async def test_a_page_before_that_cannot_be_read_is_none(visitor, db, path, referer):
    store(db, "a@b.example", send=True)
    await visitor.read("/campaigns/1")
    answer = await visitor.post(path, {"theme": "dark", "state": "failed"}, headers={"Referer": referer})
    assert answer.status_code == 303
    assert answer.location in {"/", "/campaigns/1"}
