"""A lane that is refused slows or rests by itself, comes back email by email, and its recipients wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, RecipientState
from mailing.delivery import sweeper, taking
from mailing.delivery.taking import Want
from mailing.ledger import batches, claims, domain_tallies, lanes, leases, receivers, rests
from mailing.ledger.batches import Batch
from mailing.ledger.lanes import NONE, STEP, Lanes, grown
from mailing.ledger.results import Result
from mailing.ledger.tables import domain_tallies as table
from mailing.smtp.rulebook import Follows, Ruling, Scope
from tests.integration.ledger.test_ledger import store

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from mailing.core.database import Database
    from mailing.ledger.claims import Claim

ME = "user@mx.example:587"
REST = Ruling(Scope.LANE, Follows.REST, 600)
SLOWER = Ruling(Scope.LANE, Follows.WAIT, 300)
HOSTED = "domain1.example"  # which Gmail takes mail for


@pytest.fixture
def campaign(db: Database) -> Batch:
    """Seventy people at seven domains in one batch, two of them Gmail's; a worker with ten connections."""
    campaign_id = store(db, 70)
    with db.write() as connection:
        worker = leases.register(connection, "host:1")
        connection.execute(update(tables.workers).values(connections=10))
        assert worker == 1
        ids = (
            connection.execute(select(tables.recipients.c.id).order_by(tables.recipients.c.id))
            .scalars()
            .all()
        )
        for n, id_ in enumerate(ids):
            here = tables.recipients.c.id == id_
            connection.execute(update(tables.recipients).where(here).values(domain=f"domain{n % 7}.example"))
        receivers.note(connection, {"domain0.example", HOSTED, "domain2.example"})
        receivers.keep(connection, {"domain0.example": "gmail", HOSTED: "gmail"})
        first = connection.execute(select(tables.batches).order_by(tables.batches.c.id)).first()
        assert first
        everybody = {"first_id": ids[0], "last_id": ids[-1]}
        connection.execute(update(tables.batches).where(tables.batches.c.id == first.id).values(everybody))
        connection.execute(tables.batches.delete().where(tables.batches.c.id != first.id))
    return Batch(first.id, campaign_id, ids[0], ids[-1])


def result(claim: Claim, ruling: Ruling | None, *, started_at: int | None = None) -> Result:
    kind = AttemptResult.DEFERRED if ruling else AttemptResult.SENT
    now = now_ms() if started_at is None else started_at
    said = "421 4.7.28 unusual rate" if ruling else "250 ok"
    return Result(claim, kind, "mx:25", now, now, 421, "", said, ruling=ruling, account=ME)


def refuse(db: Database, domain: str = HOSTED, ruling: Ruling = REST, *, started_at: int = 2**60) -> Lanes:
    """Have an email to a domain refused; return the lanes that are slow then."""
    claim = claims.Claim(1, 1, 0, 1, 1, f"a@{domain}", domain, "", None, 0)
    with db.write() as connection:
        lanes.heed(connection, [result(claim, ruling, started_at=started_at)], {})
        return lanes.slow(connection, ME)


def accept(db: Database, n: int, domain: str = HOSTED) -> Lanes:
    """Have ``n`` emails to a domain accepted; return the lanes that are slow then."""
    with db.write() as connection:
        seen = {ME: lanes.slow(connection, ME)}
        claim = claims.Claim(1, 1, 0, 1, 1, f"a@{domain}", domain, "", None, 0)
        lanes.heed(connection, [result(claim, None) for _ in range(n)], seen)
        return lanes.slow(connection, ME)


def pass_time(db: Database) -> None:
    with db.write() as connection:
        connection.execute(update(tables.rests).values(until=now_ms() - 1))


def take(connection: Connection, batch: Batch, limit: int = 100, after: int | None = None) -> taking.Taken:
    slow = lanes.slow(connection, ME)
    start = batch.first_id - 1 if after is None else after
    return taking.take(connection, 1, Want(ME, batch, start, limit), slow, slow.open(now_ms()))


def domains(taken: taking.Taken) -> Collection[str]:
    return {claim.domain for claim in taken.claims}


def test_a_receiver_that_wants_rest_gets_it_for_all_its_domains_and_nobody_else_waits(
    db: Database, campaign: Batch
) -> None:
    slow = refuse(db)
    assert slow.holds(HOSTED, now_ms())
    assert slow.holds("domain0.example", now_ms()), "Gmail takes in its mail, too"
    assert not slow.holds("domain2.example", now_ms())
    assert 590_000 < slow.slow["gmail"].rest.until - now_ms() <= 600_000
    with db.write() as connection:
        taken = take(connection, campaign)
        assert domains(taken) == {f"domain{n}.example" for n in range(2, 7)}
        assert (len(taken.claims), taken.rests, taken.narrow) == (50, True, False)
        until = connection.execute(select(tables.batches.c.rests_until)).scalar_one()
        assert now_ms() + 100_000 < until <= now_ms() + taking.RESTS_MS


def test_a_domain_of_which_nothing_is_known_is_a_lane_of_its_own(db: Database, campaign: Batch) -> None:
    refuse(db, "domain3.example")
    with db.write() as connection:
        assert "domain3.example" not in domains(taken := take(connection, campaign))
        assert len(taken.claims) == 60


def test_another_sender_does_not_wait_for_a_lane(db: Database, campaign: Batch) -> None:
    refuse(db)
    with db.write() as connection:
        assert not lanes.slow(connection, "other")
        want = Want("other", campaign, campaign.first_id - 1, 100)
        assert len(taking.take(connection, 1, want, NONE, ()).claims) == 70


def test_after_its_rest_one_email_is_tried_then_as_many_as_the_lane_is_wide(
    db: Database, campaign: Batch
) -> None:
    refuse(db)
    pass_time(db)
    with db.write() as connection:
        first = take(connection, campaign)
        assert sum(claim.domain in {HOSTED, "domain0.example"} for claim in first.claims) == 1
        assert (len(first.claims), first.rests, first.narrow) == (51, True, True)
        assert not take(connection, campaign, after=campaign.last_id).claims, "it is being tried"
    accept(db, 1)
    with db.write() as connection:
        assert not take(connection, campaign, after=campaign.last_id).claims, "that one is under way"
        claims.release(connection, first.claims)
        again = take(connection, campaign, after=campaign.last_id)
        assert len(again.claims) == 1
    accept(db, STEP)
    with db.write() as connection:
        assert len(take(connection, campaign, after=campaign.last_id).claims) == 1, "two may be under way now"


def test_a_lane_comes_before_what_is_free_and_the_limit_holds_for_both(db: Database, campaign: Batch) -> None:
    refuse(db)
    pass_time(db)
    with db.write() as connection:
        taken = take(connection, campaign, limit=3)
    assert [claim.domain for claim in taken.claims] == [
        "domain0.example",
        "domain2.example",
        "domain3.example",
    ]
    assert taken.cursor == taken.claims[-1].recipient_id


def test_a_try_for_which_nobody_waits_is_given_back(db: Database, campaign: Batch) -> None:
    refuse(db, "nobody.example")
    pass_time(db)
    with db.write() as connection:
        taken = take(connection, campaign)
        assert (len(taken.claims), taken.rests) == (70, False)
        assert lanes.room(connection, ME, "nobody.example") == 1


def test_a_try_that_is_refused_again_doubles_the_rest(db: Database, campaign: Batch) -> None:
    refuse(db)
    pass_time(db)
    slow = refuse(db, started_at=now_ms())
    assert (slow.slow["gmail"].rest.times, slow.slow["gmail"].width) == (2, 0)
    assert slow.slow["gmail"].rest.until - now_ms() > 1_100_000


def test_a_lane_that_is_refused_again_after_some_were_accepted_rests_as_long_as_at_first(
    db: Database, campaign: Batch
) -> None:
    refuse(db)
    pass_time(db)
    accept(db, 3)
    slow = refuse(db, started_at=now_ms())
    assert (slow.slow["gmail"].rest.times, slow.slow["gmail"].width) == (1, 0)
    assert 590_000 < slow.slow["gmail"].rest.until - now_ms() <= 600_000


def test_a_lane_as_wide_as_all_connections_is_as_any_other(db: Database, campaign: Batch) -> None:
    refuse(db)
    pass_time(db)
    seen = []
    while slow := accept(db, 1):
        seen.append(slow.slow["gmail"].width)
        assert len(seen) < 200
    assert (seen[0], seen[-1], sorted(seen)) == (1, 10, seen)
    with db.read() as connection:
        assert not lanes.any_slow(connection)


def test_what_was_under_way_when_the_rest_began_changes_nothing(db: Database, campaign: Batch) -> None:
    before = refuse(db)
    assert refuse(db, started_at=before.slow["gmail"].rest.until - 1) == before
    assert accept(db, 3) == before


def test_a_receiver_that_only_wants_less_has_its_lane_halved_and_does_not_rest(
    db: Database, campaign: Batch
) -> None:
    with db.write() as connection:
        taken = take(connection, campaign, limit=60)
    theirs = sum(claim.domain in {HOSTED, "domain0.example"} for claim in taken.claims)
    slow = refuse(db, ruling=SLOWER)
    assert slow.slow["gmail"].width == theirs // 2
    assert not slow.holds(HOSTED, now_ms())
    with db.write() as connection:
        assert lanes.room(connection, ME, "gmail") == 0, "more than that are under way still"
    widths = []
    for _ in range(5):
        slow = refuse(db, ruling=SLOWER)
        widths.append(slow.slow["gmail"].width)
    assert widths[:4] == [theirs // 4, theirs // 8, theirs // 16, 0]
    assert slow.holds(HOSTED, now_ms()), "less than one at once is a rest"


@pytest.mark.parametrize(
    ("width", "good", "n", "after"),
    [
        (0, 0, 0, (0, 0)),
        (0, 0, 1, (1, 0)),
        (1, 0, STEP - 1, (1, STEP - 1)),
        (1, STEP - 1, 1, (2, 0)),
        (1, 0, 3 * STEP, (4, 0)),
        (10, 0, 9, (10, 9)),
        (10, 9, 1, (11, 0)),
    ],
)
def test_a_lane_grows_by_one_for_as_many_as_it_is_wide(
    width: int, good: int, n: int, after: tuple[int, int]
) -> None:
    assert grown(width, good, n) == after


def test_the_sweep_leaves_batches_alone_in_which_only_lanes_at_rest_wait(
    db: Database, campaign: Batch
) -> None:
    refuse(db)
    with db.write() as connection:
        take(connection, campaign)
        connection.execute(update(tables.batches).values(woken_at=0))
        assert not sweeper.vanished_batches(connection, queue_empty=True)
        connection.execute(update(tables.batches).values(rests_until=now_ms()))
        (errand,) = sweeper.vanished_batches(connection, queue_empty=True)
        assert errand.batch_id == campaign.id
        assert not sweeper.vanished_batches(connection, queue_empty=True), "it is given out"


def test_somebody_who_is_due_again_is_not_forgotten_in_a_batch_that_rests(
    db: Database, campaign: Batch
) -> None:
    refuse(db)
    with db.write() as connection:
        taken = take(connection, campaign)
        claims.release(connection, taken.claims[:1])
        batches.lose_those_of(connection, campaign.campaign_id, [taken.claims[0].recipient_id])
        assert sweeper.vanished_batches(connection, queue_empty=True)


def test_few_batches_are_given_out_at_once_while_a_lane_is_narrow(db: Database, campaign: Batch) -> None:
    store(db, 2_000)
    with db.write() as connection:
        connection.execute(update(tables.batches).values(rests_until=now_ms()))
        n = connection.execute(select(func.count()).select_from(tables.batches)).scalar_one()
        assert n > sweeper.RESTED_AT_ONCE
    refuse(db)
    with db.write() as connection:
        assert len(sweeper.vanished_batches(connection, queue_empty=True)) == sweeper.RESTED_AT_ONCE
        connection.execute(update(tables.rests).values(ended_at=now_ms()))
        assert len(sweeper.vanished_batches(connection, queue_empty=True)) == n - sweeper.RESTED_AT_ONCE


def test_a_lane_that_had_no_mail_for_long_is_as_any_other(db: Database, campaign: Batch) -> None:
    refuse(db)
    with db.write() as connection:
        lanes.forget(connection)
        assert lanes.slow(connection, ME)
        connection.execute(update(tables.rests).values(until=now_ms() - lanes.STALE_MS - 1))
        lanes.forget(connection)
        assert not lanes.slow(connection, ME)


def test_the_rest_of_a_lane_is_not_the_senders(db: Database, campaign: Batch) -> None:
    refuse(db)
    with db.read() as connection:
        assert rests.of(connection, ME) is None
        assert not rests.lasting(connection).rests


def test_all_that_is_left_is_counted_by_domain_as_people_move(db: Database, campaign: Batch) -> None:
    sent, deferred = RecipientState.SENT, RecipientState.DEFERRED
    with db.write() as connection:
        moves = [
            (HOSTED, RecipientState.SENDING, sent),
            ("unknown.example", RecipientState.SENDING, deferred),
        ]
        domain_tallies.move(connection, campaign.campaign_id, 3, [*moves, *moves])
        domain_tallies.move(
            connection, campaign.campaign_id, 5, [("unknown.example", deferred, RecipientState.QUEUED)]
        )
        rows = connection.execute(
            select(table.c.domain, table.c.state, func.sum(table.c.n)).group_by(table.c.domain, table.c.state)
        )
        assert {tuple(row) for row in rows} == {(HOSTED, "sent", 2), ("", "deferred", 1)}
