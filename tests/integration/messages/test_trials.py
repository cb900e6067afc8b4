"""A test is sent at once, outside the ledger, and its dialogue is shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from mailing.accounts.roles import Role
from mailing.accounts.tables import audit
from mailing.core.tables import attempts, recipients
from mailing.foreign.mail import read
from tests.support.smtp_server import HANG, FakeServer
from tests.support.web import DRAFT, running, settings_for, store
from webapp.live import trials

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.web import Visitor

LIST = "Ann Lee <ann@x.example>\nBen Ng <ben@x.example>"
FORM = {"to": "me@y.example", "like": "ben@x.example"}


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer() as server:
        yield server


@pytest.fixture
async def visitor(tmp_path, db, database_url, server) -> AsyncIterator[Visitor]:
    url = f"smtp://127.0.0.1:{server.port}"
    async with running(settings_for(tmp_path, database_url, VOLLEY_SMTP_URL=url)) as visitor:
        store(db, LIST)
        await visitor.read("/campaigns/1/test")
        yield visitor


async def text_of(response) -> str:
    return (await response.get_data()).decode()


async def sent(visitor: Visitor, **form: str) -> str:
    """Send a test, wait until it has ended, and return the address of its page."""
    answer = await visitor.post("/campaigns/1/test", FORM | form)
    assert answer.status_code == 303, await text_of(answer)
    kept = visitor.app.extensions["trials"]
    await kept.get(answer.location.rpartition("/")[2], trials.about(1)).task
    return answer.location


def told(db) -> list[tuple[str, dict[str, str]]]:
    with db.read() as connection:
        rows = connection.execute(select(audit.c.action, audit.c.details).order_by(audit.c.id))
        return [(action, details) for action, details in rows if action == "test send"]


async def test_a_test_goes_to_any_address_with_the_data_of_a_recipient(visitor, server):
    page = await visitor.read(await sent(visitor))
    assert "Accepted by 127.0.0.1" in page
    assert "MAIL FROM:&lt;ann@example.org&gt;" in page
    (received,) = server.accepted
    assert received.recipients == ("me@y.example",)
    assert b"To: Ben Ng <me@y.example>" in received.data
    assert read(received.data).text.startswith("Dear Ben Ng,")


async def test_its_message_id_is_of_its_own_or_the_real_one_would_not_be_shown(visitor, server):
    await sent(visitor)
    await sent(visitor)
    real = await (await visitor.get("/campaigns/1/preview.eml?to=2")).get_data()
    found = {
        re.search(rb"Message-ID: (\S+)", data)[1] for data in (real, *(it.data for it in server.accepted))
    }
    assert len(found) == 3


async def test_the_ledger_knows_nothing_of_it_and_the_audit_log_does(visitor, db):
    await sent(visitor)
    with db.read() as connection:
        assert connection.execute(select(func.count()).select_from(attempts)).scalar() == 0
        assert connection.execute(select(func.sum(recipients.c.attempts))).scalar() == 0
    assert told(db) == [("test send", {"to": "me@y.example", "recipient": "ben@x.example"})]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"to": "nobody"}, "Enter the address to send the test to."),
        ({"to": ""}, "Enter the address to send the test to."),
        ({"like": "zoe@x.example"}, "zoe@x.example is not in the list."),
        ({"like": "nobody"}, "nobody is not in the list."),
    ],
)
async def test_a_form_with_a_fault_comes_back_as_it_was_and_nothing_is_sent(visitor, db, server, form, words):
    answer = await visitor.post("/campaigns/1/test", FORM | form)
    page = await text_of(answer)
    assert answer.status_code == 422
    assert words in page
    assert all(f'value="{value}"' in page for value in (FORM | form).values())
    assert (told(db), server.connections) == ([], 0)


async def test_a_message_that_cannot_be_filled_is_not_sent(visitor, db):
    store(db, LIST, replace(DRAFT, text="{{ city }}"))
    answer = await visitor.post("/campaigns/2/test", FORM)
    assert answer.status_code == 422
    assert "city" in await text_of(answer)


async def test_nobody_sends_more_than_a_few_in_a_minute(visitor, server):
    for _ in range(5):
        await sent(visitor)
    answer = await visitor.post("/campaigns/1/test", FORM)
    assert answer.status_code == 429
    assert re.search(r"Wait \d+ seconds", await text_of(answer))
    assert len(server.accepted) == 5


async def test_a_server_that_refuses_is_shown_in_its_own_words(visitor, server):
    server.answers["rcpt"] = b"550 5.1.1 <me@y.example> is unknown here\r\n"
    page = await visitor.read(await sent(visitor))
    assert "Not sent" in page
    assert "550 5.1.1 &lt;me@y.example&gt; is unknown here" in page


async def test_while_it_is_sent_its_page_says_so_and_only_so_many_are_sent_at_a_time(
    visitor, server, monkeypatch
):
    monkeypatch.setattr(trials, "AT_ONCE", 1)
    server.answers["greeting"] = HANG
    answer = await visitor.post("/campaigns/1/test", FORM)
    page = await visitor.read(answer.location)
    assert "Talking to 127.0.0.1" in page
    assert '<meta http-equiv="refresh"' in page
    assert (await visitor.post("/campaigns/1/test", FORM)).status_code == 503


async def test_a_test_is_found_at_its_campaign_only_and_forgotten_after_many(visitor, db, monkeypatch):
    monkeypatch.setattr(trials, "KEPT", 1)
    store(db, LIST)
    first = await sent(visitor)
    await visitor.read(first)
    await visitor.read(first.replace("/1/", "/2/"), 404)
    await sent(visitor)
    await visitor.read(first, 404)


async def test_who_may_only_read_sends_none(tmp_path, db, database_url):
    chosen = settings_for(tmp_path, database_url, VOLLEY_HOSTS="volley.example")
    async with running(chosen, Role.VIEWER) as viewer:
        store(db, LIST)
        await viewer.read("/campaigns/1")
        assert (await viewer.get("/campaigns/1/test")).status_code == 403
        assert (await viewer.post("/campaigns/1/test", FORM)).status_code == 403
