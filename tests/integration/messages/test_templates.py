"""Messages are saved as templates, in versions that never change, and campaigns start from them."""

from __future__ import annotations

import html
import re
import threading
from typing import TYPE_CHECKING

import pytest

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.accounts.roles import Role
from mailing.campaigns.drafts import Draft
from mailing.library import templates
from mailing.library.templates import NAME_MAX, TemplateError
from mailing.writing import starters
from mailing.writing.written import Writing, Written
from tests.support.web import running, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailing.core.database import Database
    from mailing.settings import Settings
    from tests.support.web import Visitor

HTML = '<p>Dear {{ name|default("friend") }}</p><script>alert(1)</script>'
DRAFT = Draft("ann@example.org", "Picnic", "Hello", HTML, preheader="Soon", writing=Writing.SOURCE)


@pytest.fixture
async def visitor(db: Database, chosen: Settings) -> AsyncIterator[Visitor]:
    store(db, "bob@one.example", DRAFT)
    async with running(chosen) as visitor:
        yield visitor


def save(db: Database, name: str, subject: str = "Picnic", template_id: int | None = None) -> int:
    with db.write() as connection:
        return templates.save(
            connection, name, Written(sender_from="", subject=subject, html="<p>Hi"), "ann", template_id
        )


async def test_a_campaigns_message_is_saved_looked_at_and_started_from(visitor: Visitor):
    assert "Save as template…" in await visitor.read("/campaigns/1")
    answer = await visitor.post("/campaigns/1/template", {"name": "  Summer   picnic "})
    assert answer.location == "/templates/1"
    assert "Summer picnic" in await visitor.read("/templates/1")
    assert "Summer picnic" in await visitor.read("/templates")
    form = await visitor.read("/campaigns/new?template=1&version=1")
    assert HTML in html.unescape(form)
    assert 'name="subject" required autocomplete="off" value="Picnic"' in form
    assert 'value="Soon"' in form
    assert re.search(r'value="source" checked', form)
    assert "bob@one.example" not in form


async def test_its_html_is_shown_harmlessly(visitor: Visitor):
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/template", {"name": "Picnic"})
    answer = await visitor.get("/templates/1/html")
    text = (await answer.get_data()).decode()
    assert "friend" in text
    assert "<script" not in text
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


async def test_the_name_of_a_template_gets_its_next_version_and_the_former_stays(
    visitor: Visitor, db: Database
):
    save(db, "Picnic", "First")
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/template", {"name": "PICNIC"})
    with db.read() as connection:
        kept = [(it.number, it.written.subject, it.name) for it in templates.versions(connection, 1)]
    assert kept == [(2, "Picnic", "PICNIC"), (1, "First", "PICNIC")]
    assert "First" in await visitor.read("/templates/1?version=1")
    assert 'value="First"' in await visitor.read("/campaigns/new?template=1&version=1")


@pytest.mark.parametrize("key", starters.KEYS)
async def test_a_campaign_starts_from_each_one_that_comes_with_volley(visitor: Visitor, key: str):
    it = starters.starter(key, "en")
    assert it
    assert it.name in html.unescape(await visitor.read("/templates"))
    await visitor.read(f"/templates/built-in/{key}")
    assert (await visitor.get(f"/templates/built-in/{key}/html")).status_code == 200
    form = html.unescape(await visitor.read(f"/campaigns/new?starter={key}"))
    assert it.written.html in form


@pytest.mark.parametrize(
    "path", ["/templates/7", "/templates/7/html", "/templates/built-in/x", "/campaigns/new?starter=x"]
)
async def test_what_is_not_there_is_not_found(visitor: Visitor, path: str):
    assert (await visitor.get(path)).status_code == 404


async def test_it_is_deleted_with_its_versions_and_the_log_tells(visitor: Visitor, db: Database):
    save(db, "Picnic")
    await visitor.read("/templates/1")
    assert (await visitor.post("/templates/1/delete")).location == "/templates"
    assert (await visitor.post("/templates/1/delete")).status_code == 404
    with db.read() as connection:
        assert templates.versions(connection, 1) == []
        assert audit.page(connection, Asked(subject="template:1"))[0].action == "delete template"


async def test_whoever_only_looks_on_saves_and_deletes_nothing(visitor: Visitor, db: Database):
    save(db, "Picnic")
    visitor.enter(Role.VIEWER)
    assert "Start a campaign" not in await visitor.read("/templates/1")
    assert (await visitor.post("/templates/1/delete")).status_code == 403
    assert (await visitor.post("/campaigns/1/template", {"name": "x"})).status_code == 403


@pytest.mark.parametrize("name", ["", "  ", "x" * (NAME_MAX + 1)])
def test_a_name_that_is_none_is_refused(db: Database, name: str):
    with pytest.raises(TemplateError):
        save(db, name)


def test_two_templates_never_have_one_name(db: Database):
    one, other = save(db, "One"), save(db, "Other")
    with pytest.raises(TemplateError):
        save(db, "one", template_id=other)
    assert save(db, "Uno", template_id=one) == one


def test_those_who_save_at_one_moment_make_one_template_with_all_their_versions(db: Database):
    threads = [threading.Thread(target=save, args=(db, "Picnic", f"S{n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as connection:
        (only,) = templates.latest(connection)
        found = templates.versions(connection, only.id)
    assert [it.number for it in found] == [4, 3, 2, 1]
    assert {it.written.subject for it in found} == {"S0", "S1", "S2", "S3"}


def test_only_so_many_versions_are_kept(db: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(templates, "KEPT", 2)
    for n in range(4):
        save(db, "Picnic", f"S{n}")
    with db.read() as connection:
        assert [it.number for it in templates.versions(connection, 1)] == [4, 3]
