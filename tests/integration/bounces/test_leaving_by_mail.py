"""An email to the address in List-Unsubscribe unsubscribes; one that was made up does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select, update

from mailing.accounts.tables import audit
from mailing.bounces import store as reports
from mailing.bounces.reading import Kind
from mailing.bounces.store import Sort
from mailing.core.clock import now_ms
from mailing.core.tables import campaigns, recipients
from mailing.recipients import received
from mailing.recipients.received import Cut
from mailing.suppression import leave_addresses, leaving, store
from tests.integration.bounces.test_recording import ANN, DOMAIN, id_of, sent_campaign, take
from tests.support import bounces

if TYPE_CHECKING:
    from mailing.core.database import Database

YEAR_MS = 366 * 86_400_000


def address(db: Database, campaign_id: int, email: str = ANN) -> str:
    with db.read() as connection:
        key = leaving.key(connection)
    local = leave_addresses.make(key, campaign_id, id_of(db, campaign_id, email), email)
    return f"{local}@{DOMAIN}"


def letter(to: str, sender: str = f"Ann Lee <{ANN}>", number: int = 1) -> bytes:
    lines = (f"From: {sender}", f"To: <{to}>", f"Message-ID: <{number}@x.example>", "Subject: unsubscribe")
    return "\r\n".join((*lines, "", "")).encode()


def left(db: Database) -> dict[str, tuple[str, str]]:
    with db.read() as connection:
        return {it.subject: (str(it.reason), it.scope) for it in store.find(connection)}


@pytest.mark.parametrize("envelope", [True, False])
def test_an_email_unsubscribes_its_recipient_whoever_sends_it(db: Database, envelope: bool) -> None:
    campaign_id = sent_campaign(db)
    with db.write() as connection:
        its = campaigns.c.id == campaign_id
        connection.execute(update(campaigns).where(its).values(topic="Events"))
    to = address(db, campaign_id)
    raw = letter("someone@else.example" if envelope else to, "Forwarded <other@y.example>")
    for _ in range(2):
        (it,) = take(db, raw, to=to.upper() if envelope else "")
        assert it.left
    assert left(db) == {ANN: ("unsubscribed", "events")}
    with db.read() as connection:
        told = select(audit.c.action).where(audit.c.action == "unsubscribe")
        assert len(connection.execute(told).all()) == 1
        (row,) = received.of_campaign(connection, campaign_id, Cut.RECEIVER)
    assert (row.sent, row.unsubscribed) == (2, 1)


def test_it_stands_among_the_bounces_at_the_person_who_unsubscribed(db: Database) -> None:
    campaign_id = sent_campaign(db)
    to = address(db, campaign_id)
    (it,) = take(db, letter(to), to=to)
    with db.read() as connection:
        (kept,) = reports.find(connection)
    assert (it.kind, kept.kind, kept.matched_by) == (Kind.UNSUBSCRIBED, Kind.UNSUBSCRIBED, "token")
    assert (kept.email, kept.campaign_id) == (ANN, campaign_id)
    with db.read() as connection:
        assert reports.count(connection, Sort.UNMATCHED) == 0
        assert reports.count(connection, Sort.UNSUBSCRIBED) == 1


def test_one_that_was_made_up_or_is_quoted_in_a_bounce_does_nothing(db: Database) -> None:
    campaign_id = sent_campaign(db)
    real = address(db, campaign_id)
    forged = real.replace(real[20:24], "aaaa" if real[20:24] != "aaaa" else "bbbb")
    quoted = bounces.dsn().replace(b"From: Club", f"List-Unsubscribe: <mailto:{real}>\r\nFrom: Club".encode())
    for raw, to in (
        (letter(forged), forged),
        (letter(forged), ""),
        (quoted, ""),
        (letter(real), "abuse@b.example"),
    ):
        (it,) = take(db, raw, to=to)
        assert not it.left
    assert not left(db)


def test_it_works_a_year_later_when_the_campaign_is_gone_and_for_nobody_else(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = sent_campaign(db)
    to = address(db, campaign_id)
    with db.write() as connection:
        connection.execute(delete(campaigns).where(campaigns.c.id == campaign_id))
    monkeypatch.setattr("mailing.core.clock.now_ms", lambda: now_ms() + YEAR_MS)
    (it,) = take(db, letter(to, "Bob <bob@x.example>"), to=to)
    assert not it.left
    (it,) = take(db, letter(to, f"Ann <{ANN.upper()}>", 2), to=to)
    assert it.left
    assert left(db) == {ANN: ("unsubscribed", "")}


def test_the_id_of_a_later_recipient_leaves_the_later_one_alone(db: Database) -> None:
    campaign_id = sent_campaign(db)
    to, own = address(db, campaign_id), id_of(db, campaign_id)
    with db.write() as connection:
        its = recipients.c.id == own
        connection.execute(update(recipients).where(its).values(email="later@x.example"))
    (it,) = take(db, letter(to, "Later <later@x.example>"), to=to)
    assert not it.left
    assert not left(db)
