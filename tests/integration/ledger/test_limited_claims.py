"""Claims for receivers that a sender limits: as many as there are permits, and all others as ever."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.delivery import taking
from mailing.delivery.taking import Want
from mailing.ledger import lanes, rests
from mailing.senders.allowance import Allowance
from mailing.senders.limits import Limits
from tests.integration.ledger.test_lanes import ME, campaign, pass_time, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from mailing.core.database import Database
    from mailing.ledger.batches import Batch

__all__ = ("campaign",)  # the fixture: 70 at seven domains, two of them Gmail's

GMAIL = {"gmail": Limits(per_hour=5)}
EACH = {"*": Limits(per_hour=5)}
USED_UP = Reason("limit.receiver-hour", sender="club", most=5)


def take(
    connection: Connection,
    batch: Batch,
    permits: Mapping[str, int],
    *,
    limits: Mapping[str, Limits] = GMAIL,
    limit: int = 100,
    waits: Mapping[str, int] | None = None,
) -> taking.Taken:
    slow = lanes.current(connection, ME)
    want = Want(ME, batch, batch.first_id - 1, limit, waits=waits)
    allowance = Allowance(limits, permits)
    return taking.take(connection, 1, want, slow, slow.open(now_ms()), allowance=allowance)


def limited(taken: taking.Taken) -> Counter[str]:
    return Counter(claim.limited for claim in taken.claims)


def test_without_permits_all_others_are_claimed_and_it_is_known_who_waits(
    db: Database, campaign: Batch
) -> None:
    with db.write() as connection:
        taken = take(connection, campaign, {})
        assert limited(taken) == {"": 50}
        assert (taken.waits, taken.rests, taken.narrow) == ({"gmail": 20}, True, True)
        until = connection.execute(select(tables.batches.c.rests_until)).scalar_one()
        assert now_ms() < until <= now_ms() + taking.LINGERS_MS


def test_a_limited_receiver_is_claimed_for_as_far_as_there_are_permits(db: Database, campaign: Batch) -> None:
    with db.write() as connection:
        taken = take(connection, campaign, {"gmail": 7})
        assert limited(taken) == {"gmail": 7, "": 50}
        assert {claim.domain for claim in taken.claims if claim.limited} == {
            "domain0.example",
            "domain1.example",
        }
        assert taken.waits == {"gmail": 13}


def test_the_room_holds_for_both(db: Database, campaign: Batch) -> None:
    with db.write() as connection:
        taken = take(connection, campaign, {"gmail": 7}, limit=10)
        assert limited(taken) == {"gmail": 7, "": 3}


def test_a_limit_for_all_others_is_one_for_each(db: Database, campaign: Batch) -> None:
    with db.write() as connection:
        taken = take(connection, campaign, {"gmail": 2, "domain3.example": 1}, limits=EACH)
        assert limited(taken) == {"gmail": 2, "domain3.example": 1}
        assert taken.waits == {"gmail": 18, "domain3.example": 9} | {
            f"domain{n}.example": 10 for n in (2, 4, 5, 6)
        }
        assert (taken.cursor, taken.rests, taken.narrow) == (campaign.last_id, True, True)


def test_a_batch_ends_once_nobody_waits(db: Database, campaign: Batch) -> None:
    with db.write() as connection:
        taken = take(connection, campaign, {"gmail": 20})
        assert limited(taken) == {"gmail": 20, "": 50}
        assert (taken.waits, taken.rests, taken.narrow) == ({}, False, False)


def test_it_is_not_looked_at_again_who_waits_without_permits(db: Database, campaign: Batch) -> None:
    with db.write() as connection:
        assert take(connection, campaign, {"gmail": 0}, waits={"gmail": 20}).waits is None
        lingers = Want(ME, campaign, campaign.last_id, 1, waits={"gmail": 20})
        nothing = Allowance(GMAIL, {"gmail": 0})
        taken = taking.take(connection, 1, lingers, lanes.NONE, (), allowance=nothing)
        assert (taken.claims, taken.narrow) == ((), True)


def test_those_who_cannot_be_claimed_are_not_asked_for_again_and_again(db: Database, campaign: Batch) -> None:
    with db.write() as connection:
        connection.execute(update(tables.campaigns).values(state="paused"))
        taken = take(connection, campaign, {"gmail": 5})
        assert (taken.claims, taken.waits) == ([], {})


def test_a_lane_that_is_slow_and_limited_is_sent_what_both_allow(db: Database, campaign: Batch) -> None:
    refuse(db)
    with db.write() as connection:
        assert limited(take(connection, campaign, {"gmail": 7})) == {"": 50}
    pass_time(db)
    with db.write() as connection:
        assert not take(connection, campaign, {"gmail": 0}).claims, "no email is tried without a permit"
        assert limited(take(connection, campaign, {"gmail": 7})) == {"gmail": 1}, "one email is tried"


def test_a_limit_that_is_used_up_rests_its_lane_and_it_goes_on_at_once_when_that_is_over(
    db: Database, campaign: Batch
) -> None:
    with db.write() as connection:
        lanes.wait(connection, ME, "gmail", 3_600_000, USED_UP)
        taken = take(connection, campaign, {"gmail": 7})
        assert (limited(taken), taken.rests, taken.narrow) == ({"": 50}, True, False)
        assert lanes.current(connection, ME).slow["gmail"].by_limit
    pass_time(db)
    with db.write() as connection:
        assert limited(take(connection, campaign, {"gmail": 7})) == {"gmail": 7}
        assert not lanes.any_slow(connection)


def test_a_limit_that_is_changed_ends_the_rests_that_limits_began_and_no_others(
    db: Database, campaign: Batch
) -> None:
    refuse(db, "domain3.example")
    with db.write() as connection:
        lanes.wait(connection, ME, "gmail", 3_600_000, USED_UP)
        rests.end_own(connection, ME)
        assert lanes.slow(connection, ME).slow.keys() == {"domain3.example"}


def test_a_lane_that_is_slow_already_does_not_rest_for_a_limit(db: Database, campaign: Batch) -> None:
    refuse(db)
    with db.write() as connection:
        lanes.wait(connection, ME, "gmail", 3_600_000, USED_UP)
        assert not lanes.slow(connection, ME).slow["gmail"].by_limit
