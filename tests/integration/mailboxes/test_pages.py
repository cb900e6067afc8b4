"""Mailboxes are added, changed, tested and removed: on pages, in the API and on the command line."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from mailing.accounts.roles import Role
from mailing.core.reasons import Reason
from mailing.credentials import consent, providers
from mailing.mailboxes import opening, store
from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.opening import Found
from tests.support import consents
from tests.support.web import Visitor, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings

API = "/api/v1/mailboxes"
NEW = {"host": "imap.example.org", "username": "bounces@example.org", "password": "herons"}
FORM = {
    "name": "Bounces",
    "protocol": "imap",
    "host": "imap.example.org",
    "port": "993",
    "tls": "tls",
    "verify": "1",
    "username": "b@example.org",
    "sign_in": "",
    "password": "herons",
    "folder": "INBOX",
}


def kept(db: Database) -> store.Mailbox:
    with db.read() as connection:
        (found,) = store.every(connection)
    return found


async def test_a_program_adds_changes_tests_and_removes_a_mailbox(
    client: TestClientProtocol, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await client.post(API, json=NEW)
    assert made.status_code == 201
    told = await made.get_json()
    assert (told["port"], told["name"], told["has_password"]) == (993, "imap.example.org", True)
    assert "herons" not in str(told)
    assert kept(db).password not in {"", "herons"}
    one = f"{API}/{told['id']}"
    changed = await client.patch(one, json={"removes": True, "revision": told["revision"]})
    assert (await changed.get_json())["removes"]
    stale = await client.patch(one, json={"removes": False, "revision": told["revision"]})
    assert stale.status_code == 409
    elsewhere = await client.patch(one, json={"host": "evil.example"})
    assert elsewhere.status_code == 422
    assert "password" in str(await elsewhere.get_json())

    def fails(*_: Any) -> Found:
        raise MailboxError(Reason("mailbox.silent", server="imap.example.org:993"))

    monkeypatch.setattr(opening, "test", lambda *_: Found(7, pushes=True))
    assert await (await client.post(f"{one}/test", json={})).get_json() == {
        "works": True,
        "messages": 7,
        "trouble": "",
        "trouble_code": None,
    }
    monkeypatch.setattr(opening, "test", fails)
    failed = await (await client.post(f"{one}/test", json={})).get_json()
    assert (failed["works"], failed["trouble_code"]) == (False, "mailbox.silent")
    assert len((await (await client.get(API)).get_json())["mailboxes"]) == 1
    assert (await client.delete(one)).status_code == 200
    assert (await client.get(one)).status_code == 404


async def test_what_is_wrong_with_an_entry_is_said_of_each_field(client: TestClientProtocol) -> None:
    refused = await client.post(API, json={"host": "not a host", "folder": ""})
    assert refused.status_code == 422
    told = str(await refused.get_json())
    assert all(name in told for name in ("host", "username", "folder"))


async def test_a_person_adds_a_mailbox_sees_its_trouble_and_removes_it(
    chosen: Settings, db: Database
) -> None:
    async with running(chosen) as visitor:
        visitor.enter(Role.OWNER)
        assert "No mailboxes yet." in await visitor.read("/mailboxes")
        page = await post(visitor, "/mailboxes", {**FORM, "port": "x"})
        assert "Write a port" in page
        await post(visitor, "/mailboxes", FORM)
        mailbox = kept(db)
        assert "No process watches the mailboxes" in await visitor.read("/mailboxes")
        with db.write() as connection:
            assert store.note_trouble(connection, mailbox, Reason("mailbox.silent", server=mailbox.server))
        assert "does not respond" in await visitor.read("/mailboxes")
        page = await visitor.read(f"/mailboxes/{mailbox.id}")
        assert "does not respond" in page
        assert "herons" not in page
        await post(
            visitor, f"/mailboxes/{mailbox.id}", {**FORM, "password": "", "name": "New", "revision": "1"}
        )
        changed = kept(db)
        assert (changed.name, changed.password, changed.trouble) == ("New", mailbox.password, "")
        await post(visitor, f"/mailboxes/{mailbox.id}/delete", {})
        assert "No mailboxes yet." in await visitor.read("/mailboxes")


async def post(visitor: Visitor, path: str, form: dict[str, str]) -> str:
    return (await (await visitor.post(path, form)).get_data()).decode()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[consents.Elsewhere]:
    """A provider whose accounts give their consent."""
    with consents.serving() as it:
        monkeypatch.setitem(providers.PROVIDERS, "google", it.provider)
        yield it


async def test_the_account_of_a_mailbox_gives_its_consent_in_the_browser(
    chosen: Settings, db: Database, elsewhere: consents.Elsewhere
) -> None:
    async with running(chosen) as visitor:
        visitor.enter(Role.OWNER)
        await visitor.read("/mailboxes/new")
        app = {"client_id": "volley", "client_secret": consents.SECRET, "password": ""}
        await post(visitor, "/mailboxes", {**FORM, **app, "sign_in": "google"})
        mailbox = kept(db)
        with pytest.raises(MailboxError) as refused:
            opening.open_mailbox(mailbox, chosen.secret_key, Event(), db)
        assert refused.value.reason.code == "mailbox.not-connected"
        left = await visitor.get(f"/mailboxes/{mailbox.id}/connect")
        back = elsewhere.consent(left.location)
        assert back.startswith("/mailboxes/connected?")
        assert (await visitor.get(back)).status_code == 303
        connected = kept(db)
        assert connected.refresh_token
        assert await asyncio.to_thread(opening._token, connected, consent_of(connected, chosen, db))
        elsewhere.good.clear()
        with pytest.raises(MailboxError) as withdrawn:
            await asyncio.to_thread(opening._token, connected, consent_of(connected, chosen, db, fresh=True))
        assert withdrawn.value.reason.code == "mailbox.no-consent"
        assert withdrawn.value.lasts


def consent_of(it: store.Mailbox, chosen: Settings, db: Database, *, fresh: bool = False) -> Any:
    """The consent of a mailbox; a ``fresh`` one has no access token in hand."""
    if fresh:
        consent._held.clear()
    return opening._consent(it, chosen.secret_key, db)
