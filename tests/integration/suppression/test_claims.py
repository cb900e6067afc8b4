"""Whoever must not be mailed is not, from the next claim on, and the ledger says why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.core.clock import now_ms
from mailing.core.states import RecipientState
from mailing.core.tables import recipients
from mailing.ledger import claims, counters, leases
from mailing.suppression import claims as claims_of
from mailing.suppression import store, subjects
from mailing.suppression.purposes import Purpose
from mailing.suppression.store import Entry
from mailing.suppression.tables import SuppressionReason
from tests.support.web import DRAFT
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.database import Database
    from mailing.ledger.claims import Claim, Withheld

LEFT = SuppressionReason.UNSUBSCRIBED
PEOPLE = [f"p{n}@{'one' if n % 2 else 'two'}.example" for n in range(10)]


def suppress(db: Database, *whom: str, **more: object) -> None:
    with db.write() as connection:
        store.keep(connection, [Entry(subjects.read(it), LEFT, **more) for it in whom])  # type: ignore[arg-type]


def claim(db: Database, campaign_id: int, limit: int = 100) -> tuple[Sequence[Claim], list[Withheld]]:
    told: list[Withheld] = []
    with db.write() as connection:
        worker = leases.register(connection, "here:1")
        made = claims.claim(connection, worker, campaign_id, after=0, last=10**9, limit=limit, withheld=told)
    return made, told


def states(db: Database, campaign_id: int) -> dict[str, int]:
    """How many are in which state, by the rows; the counters must agree."""
    with db.read() as connection:
        rows = connection.execute(
            select(recipients.c.state).where(recipients.c.campaign_id == campaign_id)
        ).scalars()
        found: dict[str, int] = {}
        for state in rows:
            found[state] = found.get(state, 0) + 1
        counted = counters.counts(connection, campaign_id)
    assert {state: n for state, n in counted.items() if n} == found
    return found


def test_who_left_in_mid_campaign_is_not_claimed_and_all_others_are(db: Database) -> None:
    campaign_id = store_campaign(db, "\n".join(PEOPLE), send=True)
    made, _ = claim(db, campaign_id, 3)
    assert [it.email for it in made] == PEOPLE[:3]
    suppress(db, "P4@TWO.example", "p5@one.example", "somebody@else.example")
    made, told = claim(db, campaign_id)
    assert [it.email for it in made] == [it for it in PEOPLE[3:] if it not in {PEOPLE[4], PEOPLE[5]}]
    assert [(it.email, it.reason, it.attempts) for it in told] == [(PEOPLE[4], LEFT, 0), (PEOPLE[5], LEFT, 0)]
    assert states(db, campaign_id) == {"sending": 8, "suppressed": 2}
    with db.read() as connection:
        row = connection.execute(select(recipients).where(recipients.c.email == PEOPLE[4])).one()
    assert (row.suppressed, row.attempts, row.worker_id, row.first_tried_at) == (
        "unsubscribed",
        0,
        None,
        None,
    )


def test_a_suppressed_domain_covers_its_addresses_and_no_others(db: Database) -> None:
    campaign_id = store_campaign(db, "\n".join([*PEOPLE, "q@sub.two.example"]), send=True)
    suppress(db, "@two.example")
    made, _ = claim(db, campaign_id)
    assert [it.email for it in made] == [*PEOPLE[1::2], "q@sub.two.example"]


def test_many_in_a_row_do_not_look_like_the_end_of_the_list(db: Database) -> None:
    campaign_id = store_campaign(db, "\n".join(PEOPLE), send=True)
    suppress(db, *PEOPLE[:8])
    made, told = claim(db, campaign_id, 2)
    assert [it.email for it in made] == PEOPLE[8:]
    assert len(told) == 8


@pytest.mark.parametrize(("by_ms", "claimed"), [(-1, True), (60_000, False)], ids=["over", "not yet over"])
def test_a_break_ends_by_itself(db: Database, by_ms: int, claimed: bool) -> None:
    campaign_id = store_campaign(db, "ann@x.example", send=True)
    suppress(db, "ann@x.example", expires_at=now_ms() + 60_000)
    with db.write() as connection:
        table = store.table
        connection.execute(update(table).values(created_at=1, expires_at=now_ms() + by_ms))
    assert bool(claim(db, campaign_id)[0]) is claimed


def test_a_campaign_to_nobody_but_those_who_left_ends(db: Database) -> None:
    campaign_id = store_campaign(db, "\n".join(PEOPLE), send=True)
    suppress(db, *PEOPLE)
    assert claim(db, campaign_id, 4)[0] == []
    assert states(db, campaign_id) == {RecipientState.SUPPRESSED: 10}


def test_a_topic_that_somebody_left_bars_its_campaigns_and_no_others(db: Database) -> None:
    news = store_campaign(db, "\n".join(PEOPLE), replace(DRAFT, purpose=Purpose("News")), send=True)
    other = store_campaign(db, "\n".join(PEOPLE), replace(DRAFT, purpose=Purpose("Events")), send=True)
    none = store_campaign(db, "\n".join(PEOPLE), send=True)
    suppress(db, PEOPLE[0], scope="news")
    assert [len(claim(db, it)[0]) for it in (news, other, none)] == [9, 10, 10]


def test_transactional_mail_goes_to_who_unsubscribed_and_not_to_a_dead_mailbox(db: Database) -> None:
    draft = replace(DRAFT, purpose=Purpose(transactional=True))
    campaign_id = store_campaign(db, "\n".join(PEOPLE), draft, send=True)
    suppress(db, PEOPLE[0])
    with db.write() as connection:
        others = [it for it in SuppressionReason if it is not LEFT]
        store.keep(connection, [Entry(PEOPLE[n], it) for n, it in enumerate(others, 1)])
        store.keep(connection, [Entry(PEOPLE[0], LEFT, scope="news")])
        assert claims_of.foretell(connection, campaign_id, draft.purpose) == len(others)
        assert claims_of.foretell(connection, campaign_id, Purpose("News")) == len(others) + 1
    made, told = claim(db, campaign_id)
    assert {it.email for it in made} == {PEOPLE[0], *PEOPLE[5:]}
    assert {it.reason for it in told} == set(others)
