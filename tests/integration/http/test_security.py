"""What a request must prove, and what every answer forbids the browser."""

from __future__ import annotations

from contextlib import closing

import pytest

from mailing.campaigns import queries as campaigns
from mailing.core.states import CampaignState
from mailing.demo_inbox_file import FILE, Store
from tests.support.web import HOST, running, settings_for, store
from webapp.http.security import HEADERS


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def state(db):
    with db.read() as connection:
        return campaigns.get(connection, 1).state


@pytest.mark.parametrize(
    "path", ["/", "/campaigns/new", "/history", "/inbox", "/nowhere", "/static/favicon.svg"]
)
async def test_every_answer_forbids_what_it_does_not_need(visitor, path):
    headers = (await visitor.get(path)).headers
    assert {name: headers[name] for name in HEADERS} == dict(HEADERS)


@pytest.mark.parametrize("path", ["/static/volley.css", "/static/live.js", "/static/news-source.js"])
async def test_a_script_or_style_loads_from_here_alone_and_is_shown_in_no_frame(visitor, path):
    headers = (await visitor.get(path)).headers
    assert headers["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_pages_hold_no_inline_script_or_style(visitor, db):
    store(db, "a@b.example")
    store(db, "a@b.example", send=True)
    for path in ("/", "/campaigns/new", "/campaigns/1", "/campaigns/2", "/history", "/inbox"):
        text = await visitor.read(path)
        assert text.count("<script") == text.count("<script src=")
        assert "<style" not in text
        assert " style=" not in text
        assert "hx-on" not in text
        assert "javascript:" not in text


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
async def test_a_form_without_the_session_s_token_changes_nothing(visitor, db, token):
    store(db, "a@b.example")
    await visitor.read("/campaigns/1")
    response = await visitor.post("/campaigns/1/send", {"csrf_token": token})
    assert response.status_code == 403
    assert "This form has expired" in (await response.get_data()).decode()
    assert state(db) is CampaignState.DRAFT


async def test_a_token_of_another_session_changes_nothing(visitor, db, tmp_path, database_url):
    store(db, "a@b.example")
    await visitor.read("/campaigns/1")
    async with running(settings_for(tmp_path, database_url)) as other:
        await other.read("/campaigns/1")
        assert (await other.post("/campaigns/1/send", {"csrf_token": visitor.token})).status_code == 403
    assert state(db) is CampaignState.DRAFT


async def test_the_session_cookie_cannot_be_read_by_scripts_or_sent_along_by_other_sites(visitor):
    cookie = (await visitor.get("/campaigns/new")).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:5000", "127.0.0.1.evil.example", "10.0.0.7", ""]
)
async def test_a_name_that_is_not_this_machine_s_is_refused(visitor, host):
    response = await visitor.get("/", headers={"Host": host})
    assert response.status_code == 421
    assert "answer to the host name" in (await response.get_data()).decode()


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1", "[::1]:5000", "LOCALHOST", "localhost."])
async def test_the_names_of_this_machine_are_answered(visitor, host):
    assert (await visitor.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
async def test_the_api_needs_no_token_but_refuses_other_sites_pages(visitor, db, headers, status):
    store(db, "a@b.example")
    response = await visitor.client.post("/api/v1/campaigns/1/send", headers={"Host": HOST} | headers)
    assert response.status_code == status, await response.get_data()
    assert state(db) is (CampaignState.SENDING if status == 200 else CampaignState.DRAFT)


async def test_the_api_takes_no_form(visitor):
    response = await visitor.client.post("/api/v1/campaigns", form={"subject": "x"}, headers={"Host": HOST})
    assert response.status_code == 415


async def test_received_html_has_no_rights(visitor, tmp_path):
    raw = b"Content-Type: text/html\r\n\r\n<script>alert(1)</script>"
    with closing(Store(tmp_path / FILE).rows) as rows, rows:
        rows.execute("INSERT INTO mail VALUES (1, 0, 'a@b.example', 'c@d.example', ?)", (raw,))
    text = await visitor.read("/inbox/1")
    assert "<iframe sandbox src=" in text
    assert "<script>alert" not in text
    response = await visitor.get("/inbox/1/html")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox;")
    assert "default-src 'none'" in policy
    assert "allow-" not in policy
