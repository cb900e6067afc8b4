"""How mail is received is counted as it happens, under what it was sent by and to; and it adds up."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from mailing.bounces import received as counting
from mailing.bounces.tables import received_tallies as tallies
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, RecipientAction, RecipientState
from mailing.core.tables import campaigns, recipients
from mailing.delivery import sweeper
from mailing.internet.findings import Light
from mailing.ledger import claims, counters, leases, results
from mailing.recipients import decisions, received
from mailing.recipients.received import Cut, Received
from mailing.recipients.search import Choice
from mailing.suppression.leave_tokens import Leaver
from tasks.commands import suppression as commands
from tests.integration.bounces.test_recording import SENT, address_of, id_of, sent_campaign, take
from tests.support import bounces
from tests.support.undertakings import reachable as backend_of
from tests.support.web import deliver
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from mailing.core.database import Database

ANN, BOB = "ann@x.example", "bob@y.example"
LOST = (AttemptResult.UNKNOWN, None, "", "the connection was lost")
FULL = {"status": "5.2.2", "diagnostic": "552 5.2.2 Mailbox full"}


def by(db: Database, campaign_id: int, cut: Cut = Cut.RECEIVER) -> dict[int | str, Received]:
    with db.read() as connection:
        rows = received.of_campaign(connection, campaign_id, cut)
        whole = received.total(rows)
        assert whole.delivered + whole.bounced == whole.sent
        assert whole.sent == counters.counts(connection, campaign_id)[RecipientState.SENT]
        negative = select(func.sum(tallies.c.n)).group_by(
            *(it for it in tallies.primary_key.columns if it.name != "shard")
        )
        assert all(n >= 0 for n in connection.execute(negative).scalars())
    return {it.key: it for it in rows}


def bounce(db: Database, campaign_id: int, email: str = ANN, **how: str) -> None:
    take(db, bounces.dsn(email, **how), to=address_of(db, campaign_id, email))


def complain(db: Database, campaign_id: int, email: str = ANN) -> None:
    take(db, bounces.complaint(recipient=email), to=address_of(db, campaign_id, email))


def who(db: Database, campaign_id: int, email: str = ANN) -> Leaver:
    return Leaver(campaign_id, id_of(db, campaign_id, email), "", email)


def test_what_comes_back_is_counted_where_it_was_sent_to(db: Database) -> None:
    campaign_id = sent_campaign(db, ANN, "carl@x.example", BOB)
    bounce(db, campaign_id)
    complain(db, campaign_id, BOB)
    found = by(db, campaign_id)
    x, y = found["x.example"], found["y.example"]
    assert (x.sent, x.delivered, x.bounced, x.hard, x.complained) == (2, 1, 1, 1, 0)
    assert (y.sent, y.delivered, y.bounced, y.complained) == (1, 1, 0, 1)
    assert [it.sent for it in by(db, campaign_id, Cut.SENDER).values()] == [3]


def test_a_dead_mailbox_counts_instead_of_a_full_one(db: Database) -> None:
    campaign_id = sent_campaign(db)
    bounce(db, campaign_id, **FULL)
    bounce(db, campaign_id)
    it = by(db, campaign_id)["x.example"]
    assert (it.soft, it.hard, it.delivered) == (0, 1, 1)


def test_who_unsubscribes_is_counted_once_and_not_who_undoes_it(db: Database) -> None:
    campaign_id, backend = sent_campaign(db, ANN, BOB), backend_of(db)
    for email in (ANN, BOB):
        commands.leave(backend, who(db, campaign_id, email), "")
        commands.leave_together(backend, [(who(db, campaign_id, email), "")])
    assert received_sum(db, campaign_id).unsubscribed == 2
    commands.come_back(backend, who(db, campaign_id), [""])
    commands.come_back(backend, who(db, campaign_id), [""])
    assert received_sum(db, campaign_id).unsubscribed == 1
    commands.leave_together(backend, [(who(db, campaign_id), "")])
    assert received_sum(db, campaign_id).unsubscribed == 2


def test_a_link_of_another_recipient_with_the_same_id_counts_nobody(db: Database) -> None:
    campaign_id = sent_campaign(db, ANN)
    commands.leave(backend_of(db), who(db, campaign_id)._replace(email="other@x.example"), "")
    assert received_sum(db, campaign_id).unsubscribed == 0


def received_sum(db: Database, campaign_id: int) -> Received:
    return received.total(by(db, campaign_id).values())


@pytest.mark.parametrize("marked", [True, False], ids=["by a person", "by a late reply"])
def test_what_came_back_before_the_email_is_known_as_sent_is_counted_once_it_is(
    db: Database, marked: bool
) -> None:
    campaign_id = store_campaign(db, f"{ANN}\n{BOB}", send=True)
    with db.write() as connection:
        worker = leases.register(connection, "tester")
        found = claims.claim(connection, worker, campaign_id, after=0, last=2**31, limit=9)
        leases.end(connection, worker)
        sweeper.abandon(connection)
    bounce(db, campaign_id)
    complain(db, campaign_id)
    commands.leave(backend_of(db), who(db, campaign_id), "")
    assert received_sum(db, campaign_id) == Received("", "", others=True)
    with db.write() as connection:
        if marked:
            choice = Choice(RecipientState.UNKNOWN)
            decisions.decide(connection, campaign_id, RecipientAction.MARK_UNKNOWN_SENT, choice, after=0)
        else:
            late = [
                results.Result(it, AttemptResult.SENT, "s", 1, now_ms(), 250, "", "250 ok") for it in found
            ]
            results.settle(connection, late)
    it = received_sum(db, campaign_id)
    assert (it.sent, it.hard, it.complained, it.unsubscribed) == (2, 1, 1, 1)


def test_whatever_happens_in_whatever_order_it_adds_up(db: Database) -> None:
    chance = random.Random(7)
    people = [f"p{n}@{chance.choice('xyz')}.example" for n in range(24)]
    campaign_id = store_campaign(db, "\n".join(people), send=True)
    deliver(db, *[chance.choice((SENT, SENT, LOST)) for _ in people], campaign_id=campaign_id)
    backend = backend_of(db)
    acts = [
        lambda email: bounce(db, campaign_id, email),
        lambda email: bounce(db, campaign_id, email, **FULL),
        lambda email: complain(db, campaign_id, email),
        lambda email: commands.leave(backend, who(db, campaign_id, email), ""),
        lambda email: commands.come_back(backend, who(db, campaign_id, email), [""]),
    ]
    for turn in range(60):
        chance.choice(acts)(chance.choice(people))
        if turn == 30:
            with db.write() as connection:
                wanted = Choice(RecipientState.UNKNOWN)
                decisions.decide(connection, campaign_id, RecipientAction.MARK_UNKNOWN_SENT, wanted, after=0)
    it, columns = received_sum(db, campaign_id), recipients.c
    with db.read() as connection:
        mine = columns.campaign_id == campaign_id, columns.state == "sent"

        def n(*where: object) -> int:
            statement = select(func.count()).where(*mine, *where)  # type: ignore[arg-type]
            return int(connection.execute(statement).scalar_one())

        assert it.bounced == n(columns.bounced.is_not(None))
        assert it.complained == n(columns.complained_at.is_not(None))
        assert it.unsubscribed == n(columns.left_at.is_not(None))
    assert it.bounced
    assert it.unsubscribed


def test_days_campaigns_and_rehearsals_are_told_apart(db: Database) -> None:
    old, new, rehearsal = (sent_campaign(db) for _ in range(3))
    with db.write() as connection:
        mine = tallies.c.campaign_id == old
        connection.execute(update(tallies).where(mine).values(day=tallies.c.day - 40))
        its = campaigns.c.id == rehearsal
        connection.execute(update(campaigns).where(its).values(rehearses=new))
    with db.read() as connection:
        assert [it.key for it in received.over(connection, Cut.CAMPAIGN, 30)] == [new]
        assert [it.key for it in received.over(connection, Cut.CAMPAIGN, 90)] == [new, old]
        (row,) = received.over(connection, Cut.RECEIVER, 90)
        assert (row.key, row.sent) == ("x.example", 4)


def test_domains_that_are_not_counted_by_themselves_are_one_row(db: Database) -> None:
    campaign_id = sent_campaign(db, ANN)
    with db.write() as connection:
        connection.execute(update(tallies).values(domain=counting.OTHERS))
    bounce(db, campaign_id)
    (it,) = by(db, campaign_id).values()
    assert (it.others, it.sent, it.hard) == (True, 1, 1)


@pytest.mark.parametrize(
    ("n", "of", "expected"),
    [
        (2, 10, Light.GREEN),
        (3, 3_001, Light.GREEN),
        (3, 3_000, Light.AMBER),
        (3, 1_001, Light.AMBER),
        (3, 1_000, Light.RED),
        (0, 0, Light.GREEN),
        (3, 0, Light.RED),
    ],
)
def test_limits_warn_before_they_are_reached(n: int, of: int, expected: Light) -> None:
    assert received.light(n, of, received.COMPLAINTS_AT) is expected
