"""How long a campaign may take is told by the last one, if that went by the same sender."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, update

from mailing.core.states import AttemptResult
from mailing.core.tables import campaigns, paces
from mailing.ledger.rates import SLOT_MS
from mailing.reports import estimates
from mailing.senders import store as senders
from mailing.senders.entries import Entry
from tests.support.web import campaign_in, deliver, store

if TYPE_CHECKING:
    from mailing.core.database import Database

SLOTS, IN_SLOT = 10, 20


def by(db: Database, campaign_id: int, *sender_ids: int) -> int:
    with db.write() as connection:
        own = update(campaigns).where(campaigns.c.id == campaign_id)
        connection.execute(own.values(senders=list(sender_ids)))
    return campaign_id


def sender(db: Database, name: str, host: str, port: int) -> int:
    with db.write() as connection:
        return senders.create(connection, Entry(name, host, port, tls="none"), "k" * 32)


def sent(db: Database, sender_id: int) -> None:
    """Let a campaign be over that left by a sender at mx:25, in ten whole slots."""
    campaign_id = by(db, store(db, "ann@x.example", send=True), sender_id)
    deliver(db, (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok"), campaign_id=campaign_id)
    with db.write() as connection:
        connection.execute(
            update(campaigns).where(campaigns.c.id == campaign_id).values(state="finished", finished_at=1)
        )
        slots = [
            {"campaign_id": campaign_id, "slot": slot, "result": "sent", "shard": 7, "n": IN_SLOT}
            for slot in range(1, SLOTS + 1)
        ]
        connection.execute(insert(paces), slots)


def test_it_goes_by_the_sender_that_the_campaign_has_chosen(db: Database):
    same, other = sender(db, "Club", "mx", 25), sender(db, "Bulk", "smtp.bulk.example", 587)
    sent(db, same)
    people = "\n".join(f"p{n}@x.example" for n in range(400))
    by_same, by_other = by(db, store(db, people), same, other), by(db, store(db, people), other, same)
    found = []
    with db.read() as connection:
        for campaign_id in (by_same, by_other):
            campaign = campaign_in(db, campaign_id)
            assert campaign is not None
            found.append(estimates.of(connection, campaign))
    assert found[0] is not None
    assert found[0].ms == 400 / IN_SLOT * SLOT_MS
    assert found[1] is None
