"""A person who is forgotten is in no list and no campaign that is over, and is counted all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text, update

from mailing.contacts import contacts, lists
from mailing.contacts.contacts import Written
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import AttemptResult, CampaignState
from mailing.core.tables import attempts, campaigns, recipients
from mailing.ledger import counters
from mailing.redis import events
from mailing.suppression import store
from tasks.commands import suppression as commands
from tasks.commands.campaigns import Backend
from tests.support.web import deliver
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.core.database import Database

ME = Actor(ActorKind.CLI)
REFUSED = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 <Ann@x.example>: no mailbox ann@x.example here")


@pytest.fixture
def backend(db: Database) -> Iterator[Backend]:
    client = events.connect("redis://127.0.0.1:1/0", str(db.url))
    yield Backend(db, client)
    client.close()


def test_the_address_is_nowhere_and_the_counts_are_as_before(backend: Backend, db: Database) -> None:
    over = store_campaign(db, "Ann Lee <Ann@x.example>\nbob@x.example", send=True)
    deliver(db, REFUSED, (AttemptResult.SENT, 250, "2.0.0", "250 ok"))
    going = store_campaign(db, "ann@x.example")
    with db.write() as connection:
        connection.execute(
            update(campaigns).where(campaigns.c.id == over).values(state=CampaignState.FINISHED)
        )
        kept = lists.create(connection, "Parents")
        contacts.save(connection, kept, Written("ann@x.example", "Ann"))
        before = counters.counts(connection, over)
    commands.forget(backend, ME, "ANN@x.example")
    with db.read() as connection:
        rows = connection.execute(select(recipients).where(recipients.c.campaign_id == over)).all()
        (ann,) = [row for row in rows if row.email != "bob@x.example"]
        assert (ann.email.partition(".")[0], ann.name, ann.fields) == ("forgotten", "", None)
        replies = "".join(connection.execute(select(attempts.c.reply)).scalars())
        assert "ann@" not in replies.lower().replace(ann.email, "")
        assert counters.counts(connection, over) == before
        assert not contacts.find(connection, kept).rows
        assert connection.execute(text("SELECT total FROM lists")).scalar_one() == 0
        assert len(store.why(connection, "ann@x.example")) == 1
        mine = recipients.c.campaign_id == going
        assert connection.execute(select(recipients.c.email).where(mine)).scalar_one() == "ann@x.example"
