"""Senders as their pages show them: added from a preset, changed, put in order, connected, tried, deleted."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mailing.accounts.roles import Role
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.credentials import consent, providers
from mailing.ledger import rests
from mailing.senders import opening, store, warming
from mailing.senders.limits import Limits
from mailing.senders.routes import Route
from tests.support import consents
from tests.support.smtp_server import EXTENSIONS, FakeServer
from tests.support.web import Visitor, campaign_in, running, settings_for
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mailing.core.database import Database
    from mailing.senders.store import Account
    from mailing.settings import Settings
    from tests.support.consents import Elsewhere

CLUB = {
    "name": "Club",
    "host": "smtp.example.org",
    "port": "587",
    "tls": "starttls",
    "verify": "1",
    "username": "club",
    "password": "hunter2",
    "per_day": "500",
}


@pytest.fixture
def chosen(tmp_path: Path, database_url: str) -> Settings:
    return settings_for(tmp_path, database_url, VOLLEY_URL="https://volley.example")


@pytest.fixture
async def visitor(db: Database, chosen: Settings) -> AsyncIterator[Visitor]:
    """The owner, at a Volley that others can reach."""
    async with running(chosen) as visitor:
        visitor.client.headers = {}
        yield visitor


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    with consents.serving() as provider:
        monkeypatch.setitem(providers.PROVIDERS, "google", provider.provider)
        monkeypatch.setattr(consent, "_held", type(consent._held)())
        yield provider


def senders(db: Database) -> list[Account]:
    with db.read() as connection:
        return list(store.every(connection))


async def add(visitor: Visitor, **more: str) -> str:
    """Add a sender; return the path of its page."""
    await visitor.read("/senders/new?preset=relay")
    answer = await visitor.post("/senders", CLUB | more)
    assert answer.status_code == 303, await answer.get_data(as_text=True)
    return urlsplit(answer.headers["Location"]).path


async def said(answer: Any, status: int) -> str:
    text = (await answer.get_data()).decode()
    assert answer.status_code == status, text
    return text.replace("&#39;", "'")


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


# Consent


GMAIL = CLUB | {"sign_in": "google", "client_id": "mine", "client_secret": consents.SECRET, "password": ""}


async def leave(visitor: Visitor, where: str) -> str:
    answer = await visitor.get(f"{where}/connect")
    assert answer.status_code == 303
    return answer.headers["Location"]


async def test_an_account_gives_its_consent_and_its_refresh_token_is_sealed(visitor, db, chosen, elsewhere):
    where = await add(visitor, **GMAIL)
    assert "is not connected yet" in await visitor.read(where)
    location = await leave(visitor, where)
    asked = {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}
    assert asked["redirect_uri"] == "https://volley.example/senders/connected"
    answer = await visitor.get(elsewhere.consent(location))
    assert answer.status_code == 303, await answer.get_data(as_text=True)
    page = await visitor.read(where)
    assert "club is connected" in page
    assert "refresh-0" not in page
    account = senders(db)[-1]
    assert store.open_secret(account, "refresh_token", chosen.secret_key) == "refresh-0"
    assert "refresh-0" not in account.refresh_token


async def test_consent_that_was_begun_elsewhere_or_twice_counts_nothing(visitor, db, elsewhere):
    where = await add(visitor, **GMAIL)
    path = elsewhere.consent(await leave(visitor, where))
    other = Visitor(visitor.app)
    other.enter(Role.MANAGER)
    assert "started in another browser" in await said(await other.get(path), 400)
    assert (await visitor.get(path.replace("state=", "state=x"))).status_code == 400
    assert (await visitor.get(path)).status_code == 303
    assert (await visitor.get(path)).status_code == 400
    assert senders(db)[-1].refresh_token


async def test_somebody_who_signs_in_anew_begins_anew(visitor, elsewhere):
    where = await add(visitor, **GMAIL)
    path = elsewhere.consent(await leave(visitor, where))
    visitor.enter(Role.OWNER)
    assert (await visitor.get(path)).status_code == 400


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("denied", (409, "was not given")),
        ("down", (503, "at the moment")),
        ("application", (409, "Check its client ID and secret")),
        ("passing", (409, "no lasting consent")),
    ],
)
async def test_consent_that_fails_says_what_to_do(visitor, db, elsewhere, fault, told):
    where = await add(visitor, **GMAIL)
    path = elsewhere.consent(await leave(visitor, where))
    if fault == "denied":
        path = path.replace("code=", "error=access_denied&x=")
    elsewhere.answers = {
        "down": [(503, b"")],
        "application": [(401, {"error": "invalid_client"})],
    }.get(fault, [])
    elsewhere.lasting = fault != "passing"
    page = await said(await visitor.get(path), told[0])
    assert told[1] in page
    assert "Club" in page
    assert not senders(db)[-1].refresh_token


@pytest.mark.parametrize("role", [Role.WRITER, Role.VIEWER])
async def test_who_may_not_change_senders_sees_them_and_no_more(db, chosen, role):
    async with running(chosen, role) as visitor:
        assert "Add a sender" not in await visitor.read("/senders")
        for path in ("/senders/new", "/senders/1", "/senders/1/connect"):
            assert (await visitor.get(path)).status_code == 403


# The form of a campaign


DRAFT = {
    "from": "a@example.org",
    "subject": "Hello",
    "text": "text",
    "writing": "plain",
    "recipients": "a@one.example",
    "route": "1",
}


async def test_a_draft_chooses_senders_in_order_and_its_own_limits(visitor, db):
    await add(visitor)
    await add(visitor, name="Second")
    _default, club, second = (account.id for account in senders(db))
    await visitor.read("/campaigns/new")
    chosen = {"sender_1": str(second), "sender_2": str(club), "limit_per_minute": "60"}
    answer = await visitor.post("/campaigns", DRAFT | chosen)
    assert answer.status_code == 303, await answer.get_data(as_text=True)
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.route == Route((second, club), Limits(per_minute=60))
    page = await visitor.read("/campaigns/1/edit")
    assert f'<option value="{second}" selected>Second</option>' in page
    assert re.search(r'name="limit_per_minute"[^>]* value="60"', page)
    answer = await visitor.post("/campaigns/1", DRAFT | {"sender_1": ""})
    assert answer.status_code == 303
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.route == Route()


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"sender_1": "99"}, "There is no sender 99"),
        ({"limit_per_hour": "0"}, "must be a whole number from 1"),
    ],
)
async def test_a_draft_is_not_stored_with_a_sender_or_limit_that_is_none(visitor, db, typed, text):
    await visitor.read("/campaigns/new")
    assert text in await said(await visitor.post("/campaigns", DRAFT | typed), 422)
    assert campaign_in(db, 1) is None


async def test_a_form_that_says_nothing_of_senders_keeps_them(visitor, db):
    await add(visitor)
    club = senders(db)[-1].id
    await visitor.read("/campaigns/new")
    await visitor.post("/campaigns", DRAFT | {"sender_1": str(club)})
    await visitor.read("/campaigns/1/edit")
    form = {name: value for name, value in DRAFT.items() if name != "route"}
    assert (await visitor.post("/campaigns/1", form)).status_code == 303
    campaign = campaign_in(db, 1)
    assert campaign
    assert campaign.senders == [club]


async def test_senders_and_limits_change_while_a_campaign_is_sent(visitor, db):
    await add(visitor)
    club = senders(db)[-1].id
    campaign_id = store_campaign(db, "a@one.example", send=True)
    assert "Senders and limits" in await visitor.read(f"/campaigns/{campaign_id}")
    await visitor.read(f"/campaigns/{campaign_id}/senders")
    form = {"route": "1", "sender_1": str(club), "limit_per_hour": "7"}
    page = await said(await visitor.post(f"/campaigns/{campaign_id}/senders", form | {"sender_1": "99"}), 422)
    assert "There is no sender 99" in page
    assert (await visitor.post(f"/campaigns/{campaign_id}/senders", form)).status_code == 303
    campaign = campaign_in(db, campaign_id)
    assert campaign
    assert campaign.route == Route((club,), Limits(per_hour=7))


async def test_a_test_send_goes_by_the_sender_that_the_campaign_names_first(visitor, db):
    async with FakeServer(extensions=(*EXTENSIONS, "AUTH PLAIN"), login=("club", "hunter2")) as server:
        await add(visitor, host="127.0.0.1", port=str(server.port), tls="none")
        club = senders(db)[-1].id
        await visitor.read("/campaigns/new")
        await visitor.post("/campaigns", DRAFT | {"sender_1": str(club)})
        await visitor.read("/campaigns/1/test")
        answer = await visitor.post("/campaigns/1/test", {"to": "me@one.example", "like": ""})
        assert answer.status_code == 303, await answer.get_data(as_text=True)
        name = answer.headers["Location"].rpartition("/")[2]
        run = visitor.app.extensions["trials"].get(name, "campaign:1")
        await asyncio.wait([run.task])
    assert [message.recipients for message in server.received] == [("me@one.example",)]


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
