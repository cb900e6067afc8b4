"""Access tokens of accounts elsewhere: asked for once, kept until they expire; every fault is a sentence."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from mailing.credentials import consent, providers
from mailing.credentials.consent import Consent
from mailing.senders import opening, store
from mailing.senders.entries import Entry
from mailing.smtp.account import Sender, TokenError
from tests.support import consents
from tests.support.smtp_server import EXTENSIONS, FakeServer
from tests.support.smtp_sessions import PATIENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.core.database import Database
    from mailing.senders.store import Account
    from tests.support.consents import Elsewhere

KEY = "k" * 32
ENTRY = Entry(
    "Gmail club",
    "127.0.0.1",
    587,
    username="club@example.org",
    auth="xoauth2",
    provider="google",
    client_id="mine",
    client_secret=consents.SECRET,
)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    with consents.serving() as provider:
        monkeypatch.setitem(providers.PROVIDERS, "google", provider.provider)
        monkeypatch.setattr(consent, "_held", type(consent._held)())
        yield provider


@pytest.fixture
def account(db: Database) -> Account:
    with db.write() as connection:
        sender_id = store.create(connection, ENTRY, KEY)
        seen = store.get(connection, sender_id)
        assert seen
        store.keep_consent(connection, seen, "refresh-0", KEY)
        found = store.get(connection, sender_id)
    assert found
    return found


def tokens(account: Account, db: Database | None = None) -> Consent:
    sender = opening.usable(account, KEY, Sender("default", 25), db)
    assert isinstance(sender.tokens, Consent)
    return sender.tokens


async def fault(held: Consent) -> TokenError:
    with pytest.raises(TokenError) as refused:
        await held.get()
    return refused.value


async def test_many_connections_ask_once_and_a_new_sender_record_not_again(account, elsewhere):
    held = tokens(account)
    assert set(await asyncio.gather(*(held.get() for _ in range(20)))) == {"access-1"}
    assert await tokens(account).get() == "access-1"
    [asked] = elsewhere.asked
    assert asked["grant_type"] == "refresh_token"
    assert (asked["client_id"], asked["client_secret"]) == ("mine", consents.SECRET)


async def test_a_token_about_to_expire_is_replaced(account, elsewhere, monkeypatch):
    held = tokens(account)
    assert await held.get() == "access-1"
    later = consent.monotonic() + 3600 - consent.EARLY_S + 1
    monkeypatch.setattr(consent, "monotonic", lambda: later)
    assert await held.get() == "access-2"


async def test_a_fresh_token_that_is_refused_is_not_asked_for_again(account, elsewhere, monkeypatch):
    held = tokens(account)
    token = await held.get()
    assert await held.get(instead_of=token) == token
    later = consent.monotonic() + consent.FRESH_S + 1
    monkeypatch.setattr(consent, "monotonic", lambda: later)
    assert await held.get(instead_of=token) == "access-2"


async def test_the_successor_of_a_refresh_token_is_kept(account, elsewhere, db, monkeypatch):
    elsewhere.rotates = True
    held = tokens(account, db)
    now = consent.monotonic()
    for times in range(3):
        monkeypatch.setattr(consent, "monotonic", lambda later=now + times * 3600: later)
        await held.get()
    with db.read() as connection:
        kept = store.get(connection, account.id)
    assert kept
    assert store.open_secret(kept, "refresh_token", KEY) == "refresh-0+++"
    assert kept.revision == account.revision


async def test_a_successor_does_not_replace_another_consent(account, elsewhere, db):
    elsewhere.rotates = True
    held = tokens(account, db)
    with db.write() as connection:
        store.keep_consent(connection, account, "of another consent", KEY)
    await held.get()
    with db.read() as connection:
        kept = store.get(connection, account.id)
    assert kept
    assert store.open_secret(kept, "refresh_token", KEY) == "of another consent"


@pytest.mark.parametrize(
    ("answer", "code", "lasts"),
    [
        ((400, {"error": "invalid_grant"}), "oauth.withdrawn", True),
        ((400, {"error": "interaction_required"}), "oauth.withdrawn", True),
        ((401, {"error": "invalid_client"}), "oauth.application", True),
        ((400, {"error": "invalid_scope"}), "oauth.refused", True),
        ((403, b"<html>no"), "oauth.refused", True),
        ((200, {"access_token": 5}), "oauth.refused", True),
        ((200, {"access_token": "a\r\nb"}), "oauth.refused", True),
        ((200, b"[]"), "oauth.refused", True),
        ((500, b""), "oauth.unreachable", False),
        ((429, {}), "oauth.unreachable", False),
        ((400, {"error": "temporarily_unavailable"}), "oauth.unreachable", False),
        ((200, b"x" * (consent.LONGEST + 1)), "oauth.unreachable", False),
    ],
)
async def test_each_fault_names_the_sender_and_whether_it_lasts(account, elsewhere, answer, code, lasts):
    elsewhere.answers = [answer]
    trouble = await fault(tokens(account))
    assert (trouble.reason.code, trouble.lasts) == (code, lasts)
    assert "Gmail club" in str(trouble)


async def test_a_token_endpoint_that_is_down_is_asked_again_later_and_not_by_each_connection(
    account, elsewhere, monkeypatch
):
    elsewhere.answers = [(503, b"")]
    held = tokens(account)
    for _ in range(5):
        assert (await fault(held)).reason.code == "oauth.unreachable"
    assert len(elsewhere.asked) == 1
    later = consent.monotonic() + consent.QUIET_S + 1
    monkeypatch.setattr(consent, "monotonic", lambda: later)
    assert await held.get() == "access-1"


async def test_nothing_listens_at_the_token_endpoint(account, monkeypatch):
    with consents.serving() as provider:
        gone = provider.provider
    monkeypatch.setitem(providers.PROVIDERS, "google", gone)
    monkeypatch.setattr(consent, "_held", type(consent._held)())
    assert (await fault(tokens(account))).reason.code == "oauth.unreachable"


async def test_what_a_provider_says_is_cut_and_no_token_is_logged(account, elsewhere):
    elsewhere.answers = [(400, {"error": "x" * 10_000})]
    with capture_logs() as logged:
        trouble = await fault(tokens(account))
    assert len(str(trouble)) < 400
    assert "refresh-0" not in str(logged)
    assert consents.SECRET not in str(logged)


async def test_consent_that_is_withdrawn_stops_the_connection_with_the_sentence(account, elsewhere):
    elsewhere.good.clear()
    async with FakeServer(extensions=(*EXTENSIONS, "AUTH XOAUTH2")) as server:
        sender = opening.usable(account, KEY, Sender("default", 25))
        sender = replace(sender, host="127.0.0.1", port=server.port, tls="none")
        from mailing.smtp.session import Session, SmtpError  # noqa: PLC0415

        with pytest.raises(SmtpError, match="no longer accepts the consent for Gmail club") as error:
            await Session.open(sender, PATIENT)
    assert error.value.verdict.sender_fault


async def test_the_same_consent_needs_no_new_connections_and_another_one_does(account, elsewhere, db):
    def now():
        with db.read() as connection:
            found = store.get(connection, account.id)
        return opening.usable(found, KEY, Sender("default", 25))

    assert now() == now()
    before = now()
    with db.write() as connection:
        store.keep_consent(connection, account, "refresh-1", KEY)
    assert now() != before
