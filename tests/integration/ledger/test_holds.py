"""A receiver that misses a record of our domain has its lane held, until the record is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignState
from mailing.core.tables import batches, rests
from mailing.ledger import evidence, lanes
from mailing.ledger.evidence import LOOK_MS, RECORD
from tasks import receivers
from tests.integration.ledger.test_evidence import (
    NO_DKIM,
    at_domains,
    commit,
    refuse_here_and_there,
    refused,
    state,
)
from tests.integration.ledger.test_ledger import claim, result, store, worker

if TYPE_CHECKING:
    from mailing.core.database import Database
    from mailing.ledger.evidence import Held

NO_SPF = (550, "5.7.27 This email has been blocked because SPF did not pass")
LANE = "x.example"
MINE = "v=spf1 ip4:192.0.2.1 -all"


class Names:
    """The records that the servers of names have."""

    def __init__(self, **texts: str) -> None:
        self.has = {name.replace("_", "."): (text,) for name, text in texts.items()}

    async def texts(self, name: str) -> tuple[str, ...]:
        return self.has.get(name, ())


def row(db: Database):
    with db.read() as connection:
        return connection.execute(select(rests).where(rests.c.lane != "")).one_or_none()


def hold(db: Database, answer: tuple[int, str] = NO_SPF) -> int:
    campaign_id = store(db, 101)
    refuse_here_and_there(db, campaign_id, answer)
    return campaign_id


def due(db: Database) -> list[Held]:
    """Take what is to be looked at, once it is time."""
    with db.write() as connection:
        connection.execute(update(rests).values(looked_at=rests.c.looked_at - LOOK_MS - 1))
        return list(evidence.take_due(connection))


def test_enough_refusals_of_one_receiver_hold_its_lane_and_the_campaign_goes_on(db: Database) -> None:
    campaign_id = hold(db)
    assert state(db, campaign_id)[0] is CampaignState.SENDING
    it = row(db)
    assert (it.lane, it.width, it.ended_at) == (LANE, 0, None)
    assert it.until > now_ms() + 3_000_000
    assert it.reason.startswith(
        "Rejected because of the SPF record of the From domain. Publish a TXT record at "
    )
    assert "include:YOUR-PROVIDER ~all" in it.reason
    assert it.reason.endswith(
        "The server replied: 550 5.7.27 This email has been blocked because SPF did not pass"
    )
    assert reasons.in_row(it._asdict(), "reason")["reason"].code == RECORD
    with db.read() as connection:
        assert lanes.slow(connection, "").holds(LANE, now_ms())


def test_two_refusals_hold_nothing(db: Database) -> None:
    campaign_id = store(db, 2)
    commit(db, [refused(it, *NO_SPF) for it in claim(db, worker(db), campaign_id, 2)])
    assert row(db) is None


def test_a_receiver_that_has_all_the_recipients_is_held_too(db: Database) -> None:
    campaign_id = store(db, 3)
    commit(db, [refused(it, *NO_SPF) for it in claim(db, worker(db), campaign_id, 3)])
    assert state(db, campaign_id)[0] is CampaignState.SENDING
    assert row(db).lane == LANE


def test_most_receivers_together_pause_the_campaign(db: Database) -> None:
    campaign_id = store(db, 6)
    claims = at_domains(db, campaign_id, claim(db, worker(db), campaign_id, 6))
    sent = [result(it, AttemptResult.SENT) for it in claims[:2]]
    commit(db, [*sent, *(refused(it, *NO_DKIM) for it in claims[2:])])
    assert state(db, campaign_id)[0] is CampaignState.PAUSED
    assert row(db) is None


def test_a_refusal_of_the_one_email_that_is_tried_holds_the_lane_twice_as_long(db: Database) -> None:
    campaign_id = hold(db)
    with db.write() as connection:
        evidence.forget(connection, campaign_id)  # one alone would mean nothing
        connection.execute(update(rests).values(until=now_ms() - 1))
    again = claim(db, worker(db), campaign_id, 10)[0]
    commit(db, [refused(again, *NO_SPF)._replace(started_at=now_ms())])
    assert row(db).times == 2
    assert row(db).until > now_ms() + 7_000_000


def test_as_long_as_the_record_is_missing_no_email_is_tried_and_the_page_says_what_dns_says(
    db: Database,
) -> None:
    hold(db)
    with db.write() as connection:
        connection.execute(update(rests).values(until=now_ms() + 1_000))
    held = due(db)
    receivers.look_at(db, held, Names())
    it = row(db)
    assert it.until > now_ms() + LOOK_MS
    assert "Volley checks DNS" not in it.reason
    assert f"{held[0].asked[1]} has no SPF record" in it.reason


def test_once_the_record_is_there_an_email_is_tried_at_once(db: Database) -> None:
    hold(db)
    first = due(db)
    domain = first[0].asked[1]
    receivers.look_at(db, first, Names())
    with db.write() as connection:
        connection.execute(update(batches).values(rests_until=now_ms() + 300_000))
    mended = Names()
    mended.has[domain] = (MINE,)
    receivers.look_at(db, due(db), mended)
    it = row(db)
    assert it.until <= now_ms()
    assert (it.probed_at, it.ended_at) == (None, None)
    with db.write() as connection:
        assert lanes.room(connection, "", LANE) == 1  # and one alone
        assert lanes.room(connection, "", LANE) == 0
        assert max(connection.execute(select(batches.c.rests_until)).scalars()) <= now_ms()


def test_a_record_that_was_there_all_the_time_tells_nothing_until_it_changes(db: Database) -> None:
    hold(db)
    names = Names()
    first = due(db)
    names.has[first[0].asked[1]] = (MINE,)
    for held in (first, due(db)):
        until = row(db).until
        receivers.look_at(db, held, names)
        assert row(db).until == until
    names.has[first[0].asked[1]] = (MINE.replace("-all", "include:_spf.example.net -all"),)
    names.has["_spf.example.net"] = (MINE,)
    receivers.look_at(db, due(db), names)
    assert row(db).until <= now_ms()


def test_where_nobody_can_be_asked_the_rest_is_as_it_was(db: Database) -> None:
    hold(db)
    until = row(db).until
    receivers.look_at(db, due(db))  # names under .example are nobody's
    assert row(db).until == until
    assert row(db).records is None
    assert "cannot tell from DNS" in row(db).reason


def test_a_lane_is_looked_at_by_one_process_and_not_more_often_than_every_few_minutes(db: Database) -> None:
    hold(db)
    with db.write() as connection:
        assert len(evidence.take_due(connection)) == 1
    with db.write() as connection:
        assert not evidence.take_due(connection)


def test_a_lane_that_somebody_let_go_on_meanwhile_stays_so(db: Database) -> None:
    hold(db)
    held = due(db)
    with db.write() as connection:
        assert lanes.order(connection, "", LANE, lanes.Order.RESUME)
    before = row(db)
    receivers.look_at(db, held, Names())
    assert row(db) == before
