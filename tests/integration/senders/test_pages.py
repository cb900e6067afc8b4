"""Senders as their pages show them: added from a preset, changed, put in order, connected, tried, deleted."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urlsplit

import pytest

from mailing.accounts.roles import Role
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.ledger import rests
from mailing.senders import opening, store, warming
from tests.integration.senders.adding import CLUB, add, said, senders
from tests.support.smtp_server import EXTENSIONS, FakeServer
from tests.support.web import running, settings_for


async def test_a_sender_is_added_and_its_password_is_never_shown(visitor, db, chosen):
    where = await add(visitor, receiver_limits="gmail 100/hour 5/second\n* 9/minute")
    page = await visitor.read(where)
    assert "hunter2" not in page
    assert "A password is saved" in page
    assert "gmail 5/second 100/hour" in page
    account = senders(db)[-1]
    assert opening.usable(account, chosen.secret_key, chosen.sender).password == "hunter2"
    assert {name: str(each) for name, each in account.receiver_limits.items()}.keys() == {"gmail", "*"}
    listed = await visitor.read("/senders")
    assert "Club" in listed
    assert "500 per calendar day" in listed
    assert "from VOLLEY_SMTP_URL" in listed
    assert "gmail: 5 per second, 100 per hour" in listed


async def test_the_list_says_which_sender_waits_until_when_and_what_a_warm_up_allows(visitor, db):
    await add(visitor)
    account = senders(db)[-1]
    with db.write() as connection:
        warming.keep(connection, account.id, 50, 100, None)
    with db.write() as connection:
        warming.advance(connection)
        why = Reason("limit.warmup", sender="Club", most=50)
        rests.begin(connection, account.account, 3600, why, tried_at=now_ms())
    listed = await visitor.read("/senders")
    assert "50 per calendar day" in listed
    assert "500 per calendar day" not in listed
    assert "Warm-up" in listed
    assert "Club has sent the 50 emails that its warm-up allows today." in listed
    assert "Sending resumes at" in listed


async def test_a_preset_fills_the_form_in(visitor):
    assert "Microsoft 365" in await visitor.read("/senders/new")
    page = await visitor.read("/senders/new?preset=microsoft")
    assert 'value="smtp.office365.com"' in page
    assert 'name="per_24h" type="text" inputmode="numeric"' in page
    assert 'value="10000"' in page
    assert "https://volley.example/senders/connected" in page


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"host": "a b"}, "without the port"),
        ({"port": "x"}, "from 1 to 65535"),
        ({"per_day": "0"}, "must be a whole number from 1"),
        ({"per_second": "lots"}, "must be a whole number from 1"),
        ({"receiver_limits": "gmail 5/fortnight"}, "no limit named fortnight"),
        ({"time_zone": "Mars"}, "Unknown time zone"),
        ({"sign_in": "google"}, "client ID"),
        ({"connections": "1000"}, "from 1 to 100"),
        ({"ca": "x"}, "BEGIN CERTIFICATE"),
    ],
)
async def test_what_cannot_be_used_is_told_and_nothing_that_was_typed_is_lost(visitor, db, typed, text):
    await visitor.read("/senders/new?preset=relay")
    page = await said(await visitor.post("/senders", CLUB | typed), 422)
    assert text in page
    assert 'value="Club"' in page
    assert "hunter2" not in page
    assert not [account for account in senders(db) if not account.from_settings]


async def test_a_change_keeps_the_password_and_another_server_asks_for_it(visitor, db, chosen):
    where = await add(visitor)
    await visitor.read(where)
    answer = await visitor.post(where, CLUB | {"password": "", "name": "Renamed"})
    assert answer.status_code == 303
    assert opening.usable(senders(db)[-1], chosen.secret_key, chosen.sender).password == "hunter2"
    await visitor.read(where)
    page = await said(await visitor.post(where, CLUB | {"password": "", "host": "evil.example"}), 422)
    assert "Enter the password again" in page
    page = await said(await visitor.post(where, CLUB | {"revision": "1"}), 409)
    assert "has changed since the page was loaded" in page


async def test_of_the_sender_of_the_settings_only_limits_and_name_are_asked(visitor, db):
    await visitor.read("/senders")
    [account] = senders(db)
    page = await visitor.read(f"/senders/{account.id}")
    assert 'name="host"' not in page
    assert 'name="password"' not in page
    answer = await visitor.post(f"/senders/{account.id}", {"name": "Relay", "per_hour": "50", "host": "evil"})
    assert answer.status_code == 303
    [account] = senders(db)
    assert (account.name, account.host, account.limits.per_hour) == ("Relay", "127.0.0.1", 50)


async def test_senders_are_put_in_order_and_deleted(visitor, db):
    where = await add(visitor)
    await visitor.read("/senders")
    await visitor.post(f"{where}/move", {"to": "up"})
    assert senders(db)[0].name == "Club"
    await visitor.post(f"{where}/move", {"to": "up"})
    await visitor.post(f"{where}/move", {"to": "down"})
    assert senders(db)[1].name == "Club"
    assert (await visitor.post(f"{where}/delete")).status_code == 303
    assert [account.from_settings for account in senders(db)] == [True]
    assert (await visitor.get(where)).status_code == 404


async def test_what_keeps_a_sender_from_sending_is_on_its_pages(visitor, db):
    where = await add(visitor)
    with db.write() as connection:
        store.note_trouble(connection, senders(db)[-1].id, Reason("sender.unreadable-secret", name="Club"))
    for page in ("/senders", where):
        assert "the secret key has changed" in await visitor.read(page)


async def test_with_another_secret_key_the_pages_ask_for_the_password_again(
    visitor, db, tmp_path, database_url
):
    where = await add(visitor)
    changed = settings_for(
        tmp_path, database_url, VOLLEY_URL="https://volley.example", VOLLEY_SECRET_KEY="another key " * 4
    )
    async with running(changed) as other:
        for page in ("/senders", where):
            assert "the secret key has changed" in await other.read(page)
        await other.read(where)
        assert (await other.post(where, CLUB)).status_code == 303
        assert "the secret key has changed" not in await other.read(where)


async def test_a_test_shows_the_dialogue_without_scripts(visitor):
    async with FakeServer(extensions=(*EXTENSIONS, "AUTH PLAIN"), login=("club", "hunter2")) as server:
        where = await add(visitor, host="127.0.0.1", port=str(server.port), tls="none")
        await visitor.read(where)
        answer = await visitor.post(f"{where}/test", {"mail_from": "club@example.org"})
        assert answer.status_code == 303
        path = urlsplit(answer.headers["Location"]).path
        run = visitor.app.extensions["trials"].get(path.rpartition("/")[2], "sender:2")
        await asyncio.wait([run.task])
        page = await visitor.read(path)
    assert "It works" in page
    assert "AUTH PLAIN" in page
    assert "hunter2" not in page
    assert not server.received
    assert (await visitor.get("/senders/1/test/unknown")).status_code == 404


async def test_a_test_that_cannot_begin_says_why(visitor):
    where = await add(visitor)
    await visitor.read(where)
    page = await said(await visitor.post(f"{where}/test", {"mail_from": "nobody"}), 422)
    assert "Missing" in page


@pytest.mark.parametrize("role", [Role.WRITER, Role.VIEWER])
async def test_who_may_not_change_senders_sees_them_and_no_more(db, chosen, role):
    async with running(chosen, role) as visitor:
        assert "Add a sender" not in await visitor.read("/senders")
        for path in ("/senders/new", "/senders/1", "/senders/1/connect"):
            assert (await visitor.get(path)).status_code == 403


async def test_a_warmup_is_begun_shown_as_a_calendar_and_ended(visitor, db):
    where = await add(visitor)
    refusal = await visitor.post(f"{where}/warmup", {"first": "0", "growth": "100", "target": ""})
    assert "Write a whole number of emails for the first day" in await said(refusal, 422)
    saved = await visitor.post(f"{where}/warmup", {"first": "50", "growth": "100", "target": ""})
    assert saved.status_code == 303
    page = await visitor.read(where)
    caps = re.findall(r'<td class="num">([\d,]*)</td><td class="num">([\d,]+)</td>', page)
    assert caps == [("0", "50"), ("", "100"), ("", "200"), ("", "400"), ("", "500")]
    await visitor.post(f"{where}/warmup", {"act": "end"})
    assert senders(db)[-1].warmup is None
