"""The check before Send, as its page shows it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mailing.accounts.roles import Role
from mailing.internet import names
from tests.support.web import DRAFT, running, settings_for, store

HTML = (
    '<p>Dear {{ name }}</p><img src="x.png"><a href="http://127.0.0.1:9/x">the park</a><script>x()</script>'
)


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def group(page: str, light: str) -> str:
    found = re.search(rf'<section [^>]*id="{light}".*?</section>', page, re.DOTALL)
    return found[0] if found else ""


async def test_the_gravest_comes_first_each_with_what_to_do(visitor, db):
    store(db, "Ben <ben@x.example>\ncy@x.example", replace(DRAFT, html=HTML))
    page = await visitor.read("/campaigns/1/preflight")
    lights = re.findall(r'<section [^>]*id="(\w+)"', page)
    assert lights == ["red", "amber", "unknown", "green"]
    assert "&lt;script&gt;" in group(page, "red")
    assert "Describe each one in its alt attribute." in group(page, "amber")
    assert "Recipients without a value for {{ name }}, who will see a blank: 1." in group(page, "amber")
    assert "Images without alternative text: 1." in group(page, "amber")
    assert "example.org isn&#39;t a domain on the internet" not in page, "example.org is one"
    assert "The duration is unknown" in group(page, "unknown")


async def test_a_reserved_domain_is_told_without_asking_anybody(visitor, db, monkeypatch):
    async def ask(*_: object) -> tuple[str, ...]:
        raise AssertionError

    monkeypatch.setattr(names.Dns, "texts", ask)
    store(db, "ben@x.example", replace(DRAFT, sender_from="ann@localhost"))
    assert "localhost isn&#39;t a domain on the internet" in await visitor.read("/campaigns/1/preflight")


async def test_links_are_opened_only_when_somebody_asks_for_it(visitor, db, monkeypatch):
    monkeypatch.setattr(names.Dns, "texts", _none)
    store(db, "Ben <ben@x.example>", replace(DRAFT, html=HTML))
    page = await visitor.read("/campaigns/1/preflight")
    assert "opens the 1\N{NO-BREAK SPACE}link" in page
    assert "private network" not in page
    answer = await visitor.post("/campaigns/1/preflight")
    page = (await answer.get_data()).decode()
    assert "leads into a private network" in group(page, "amber")
    assert "Check the links" not in page


async def test_a_message_that_cannot_be_composed_says_that_and_what_is_known_all_the_same(
    visitor, db, monkeypatch
):
    monkeypatch.setattr(names.Dns, "texts", _none)
    store(db, "ben@x.example", replace(DRAFT, text="{{ city }}"))
    page = await visitor.read("/campaigns/1/preflight")
    assert "city" in group(page, "red")
    assert "has no SPF record" in group(page, "amber")
    await visitor.read("/campaigns/9/preflight", 404)


async def test_who_may_only_read_sees_the_check_and_opens_no_links(tmp_path, db, database_url, monkeypatch):
    monkeypatch.setattr(names.Dns, "texts", _none)
    async with running(
        settings_for(tmp_path, database_url, VOLLEY_HOSTS="volley.example"), Role.VIEWER
    ) as it:
        store(db, "ben@x.example", replace(DRAFT, html=HTML))
        assert "Check the links" not in await it.read("/campaigns/1/preflight")
        assert (await it.post("/campaigns/1/preflight")).status_code == 403


async def _none(*_: object) -> tuple[str, ...]:
    return ()
