"""Campaigns with very many recipients in one state, and what is done with them piece by piece."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, literal, select, union_all

from mailing.campaigns import lifecycle
from mailing.campaigns import queries as campaigns
from mailing.core import tables
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.states import (
    CampaignAction,
    CampaignState,
    RecipientAction,
    RecipientState,
)
from mailing.core.tables import recipients
from mailing.ledger import counters
from mailing.recipients import undertakings
from mailing.recipients.search import EVERYBODY, Choice
from tasks.commands.backend import Backend

if TYPE_CHECKING:
    from mailing.core.database import Database

PERSON = Actor(ActorKind.PERSON)
MANY = 20_000
BATCH = 500
RETRY, RESEND, MARK = RecipientAction.RETRY, RecipientAction.RESEND_UNKNOWN, RecipientAction.MARK_UNKNOWN_SENT
BULK = [(RETRY, RecipientState.FAILED), (RESEND, RecipientState.UNKNOWN), (MARK, RecipientState.UNKNOWN)]


def store(db: Database, n: int, state: RecipientState, campaign: CampaignState, batch: int = BATCH) -> int:
    """Store a campaign in which ``n`` recipients are in ``state``."""
    values = {"sender_from": "a@b.example", "subject": "s", "text": "t", "token": secrets.token_hex(8)}
    due = now_ms() - 1 if state is RecipientState.DEFERRED else None
    with db.write() as connection:
        campaign_id = connection.execute(
            insert(tables.campaigns)
            .values(**values, total=n, state=campaign, started_at=1)
            .returning(tables.campaigns.c.id)
        ).scalar_one()
        people = [
            {
                "campaign_id": campaign_id,
                "email": f"u{i}@d{i % 7}.example",
                "domain": f"d{i % 7}.example",
                "state": state,
                "due_at": due,
            }
            for i in range(n)
        ]
        for start in range(0, n, 5_000):
            connection.execute(insert(recipients), people[start : start + 5_000])
        ids = (
            connection.execute(
                select(recipients.c.id)
                .where(recipients.c.campaign_id == campaign_id)
                .order_by(recipients.c.id)
            )
            .scalars()
            .all()
        )
        ranges = [ids[start : start + batch] for start in range(0, n, batch)]
        connection.execute(
            insert(tables.batches),
            [{"campaign_id": campaign_id, "first_id": part[0], "last_id": part[-1]} for part in ranges],
        )
        counters.add(connection, campaign_id, state, n)
    return int(campaign_id)


def counts(db: Database, campaign_id: int) -> dict[RecipientState, int]:
    """The ledger, which must be what the table holds: both are read in one statement, at one moment."""
    told, found = tables.tallies.c, recipients.c
    statement = union_all(
        select(literal("told"), told.state, func.sum(told.n))
        .where(told.campaign_id == campaign_id)
        .group_by(told.state),
        select(literal("found"), found.state, func.count())
        .where(found.campaign_id == campaign_id)
        .group_by(found.state),
    )
    with db.read() as connection:
        rows = connection.execute(statement).all()
    ledger_says, table_holds = (
        {RecipientState(state): int(n) for who, state, n in rows if who == kind and n}
        for kind in ("told", "found")
    )
    assert ledger_says == table_holds
    return {state: ledger_says.get(state, 0) for state in RecipientState}


def state_of(db: Database, campaign_id: int) -> CampaignState:
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    return campaign.state


def act(db: Database, campaign_id: int, action: CampaignAction) -> None:
    with db.write() as connection:
        lifecycle.act(connection, campaign_id, action)


def begin(
    db: Database, campaign_id: int, action: RecipientAction, choice: Choice = EVERYBODY, rows: int = 10
) -> undertakings.Undertaking:
    with db.write() as connection:
        return undertakings.begin(connection, campaign_id, action, choice, rows)[0]


def go_on(db: Database, rows: int = 10) -> undertakings.Undertaking | None:
    with db.write() as connection:
        return undertakings.go_on(connection, rows)


class Nobody:
    """Stands for a Redis that takes everything."""

    prefix = ""

    def pipeline(self, **_: object) -> Nobody:
        return self

    def publish(self, *_: object) -> None:
        pass

    def execute(self) -> None:
        pass


def reachable(db: Database) -> Backend:
    """Where changes go, with a Redis that takes everything."""
    return Backend(db, Nobody())  # type: ignore[arg-type]
