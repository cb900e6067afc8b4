"""Warm-ups are kept with their senders, and go on once a day by what was sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, update

from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.core.reasons import EntryError, Reason
from mailing.ledger import leases
from mailing.senders import store, warming, warmup
from mailing.senders.entries import Entry
from mailing.senders.limits import Limits
from mailing.senders.store import SenderError
from mailing.senders.tables import sender_usage
from mailing.senders.tables import senders as table
from tests.integration.ledger.test_ledger import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.database import Database
    from mailing.senders.store import Account

DAY_MS = 86_400_000
LIMITS = Limits(per_day=500)


def warm(db: Database, limits: Limits = LIMITS, **plan: int) -> int:
    with db.write() as connection:
        sender_id = store.create(connection, Entry("Club", "smtp.example.org", 587, limits=limits), "k" * 32)
        warming.keep(
            connection, sender_id, plan.get("first", 50), plan.get("growth", 100), plan.get("target")
        )
    advance(db)
    return sender_id


def advance(db: Database) -> Sequence[int]:
    with db.write() as connection:
        return warming.advance(connection)


def got(db: Database, sender_id: int) -> Account:
    with db.read() as connection:
        found = store.get(connection, sender_id)
    assert found
    assert found.warmup
    return found


def a_day_passes(db: Database, sender_id: int, sent: int) -> None:
    """Have the plan's day be yesterday, and so much sent then."""
    now = now_ms()
    yesterday = warmup.the_day(now - DAY_MS, LIMITS)
    with db.write() as connection:
        plan = warmup.dump(got(db, sender_id).warmup) | {"day": yesterday}  # type: ignore[operator]
        connection.execute(update(table).where(table.c.id == sender_id).values(warmup=plan))
        slot = (now - now % DAY_MS) // 60_000 - 600
        if sent:
            values = {"sender_id": sender_id, "slot": slot, "shard": 0, "n": sent}
            connection.execute(insert(sender_usage).values(values))


def refused(db: Database, sender_id: int, n: int, result: str, reply: str) -> None:
    """Note refusals of yesterday."""
    campaign_id = store_campaign(db, n)
    at = now_ms() // DAY_MS * DAY_MS - 3_600_000
    with db.write() as connection:
        worker = leases.register(connection, "w")
        ids = connection.execute(
            tables.recipients.select().where(tables.recipients.c.campaign_id == campaign_id)
        ).all()
        rows = [
            {"campaign_id": campaign_id, "recipient_id": row.id, "number": 1, "domain": row.domain}
            | {"worker_id": worker, "sender_id": sender_id, "server": "", "started_at": at, "ended_at": at}
            | {"result": result, "code": int(reply[:3]), "enhanced": reply.split()[1], "reply": reply}
            for row in ids
        ]
        connection.execute(insert(tables.attempts), rows)


def test_the_plan_goes_on_after_a_day_with_mail_and_workers_see_it(db: Database) -> None:
    sender_id = warm(db)
    assert got(db, sender_id).limits_today == Limits(per_day=50)
    with db.read() as connection:
        before = store.revision(connection)
    a_day_passes(db, sender_id, 50)
    assert advance(db) == [sender_id]
    assert got(db, sender_id).limits_today == Limits(per_day=100)
    with db.read() as connection:
        assert store.revision(connection) != before
    assert advance(db) == []


def test_of_two_sweeps_at_once_one_advances(db: Database) -> None:
    sender_id = warm(db)
    a_day_passes(db, sender_id, 50)
    with ThreadPoolExecutor(4) as pool:
        done = [*pool.map(advance, [db] * 4)]
    assert sorted(map(len, done)) == [0, 0, 0, 1]
    assert got(db, sender_id).limits_today == Limits(per_day=100)


def test_a_day_without_mail_does_not_advance(db: Database) -> None:
    sender_id = warm(db)
    a_day_passes(db, sender_id, 0)
    advance(db)
    assert got(db, sender_id).limits_today == Limits(per_day=50)


def test_receivers_that_put_mail_off_stop_the_growth_until_somebody_resumes_it(db: Database) -> None:
    sender_id = warm(db)
    a_day_passes(db, sender_id, 50)
    said = "421 4.7.28 Our system has detected an unusual rate of unsolicited mail."
    refused(db, sender_id, 4, "deferred", said)
    advance(db)
    account = got(db, sender_id)
    assert account.warmup
    assert account.warmup.stopped == Reason("warmup.bad-signs", total=50, failed=0, held=4)
    assert account.limits_today == Limits(per_day=50)
    with db.write() as connection:
        warming.keep(connection, sender_id, 50, 100, None)
    a_day_passes(db, sender_id, 0)
    assert not got(db, sender_id).warmup.stopped  # type: ignore[union-attr]


def test_a_recipient_that_is_put_off_is_no_bad_sign(db: Database) -> None:
    sender_id = warm(db)
    a_day_passes(db, sender_id, 50)
    refused(db, sender_id, 4, "deferred", "452 4.2.2 The mailbox is full")
    advance(db)
    assert got(db, sender_id).limits_today == Limits(per_day=100)


def test_the_calendar_shows_what_was_sent_and_what_may_be(db: Database) -> None:
    sender_id = warm(db)
    a_day_passes(db, sender_id, 48)
    advance(db)
    with db.read() as connection:
        rows = warming.calendar(connection, got(db, sender_id))
    assert [(row.sent, row.cap) for row in rows] == [
        (48, 50),
        (0, 100),
        (None, 200),
        (None, 400),
        (None, 500),
    ]
    assert [row.day for row in rows] == [warmup.the_day(now_ms() + n * DAY_MS, LIMITS) for n in range(-1, 4)]


def test_a_plan_needs_a_full_volume(db: Database) -> None:
    with pytest.raises(EntryError) as refusal:
        warm(db, Limits(per_minute=5))
    assert refusal.value.faults == {"target": Reason("warmup.no-target", name="Club")}


def test_all_that_is_wrong_with_a_plan_is_said_at_once(db: Database) -> None:
    sender_id = warm(db)
    with db.write() as connection, pytest.raises(EntryError) as refusal:
        warming.keep(connection, sender_id, 0, "quick", -1)  # type: ignore[arg-type]
    assert set(refusal.value.faults) == {"first", "growth", "target"}


def test_a_change_of_the_sender_leaves_its_warmup_and_its_end_too(db: Database) -> None:
    sender_id = warm(db)
    account = got(db, sender_id)
    with db.write() as connection:
        store.revise(connection, sender_id, store.as_entered(account, name="Choir"), "k" * 32)
    assert got(db, sender_id).warmup == account.warmup
    with db.write() as connection:
        warming.end(connection, sender_id)
        found = store.get(connection, sender_id)
    assert found
    assert found.limits_today == LIMITS
    with db.write() as connection, pytest.raises(SenderError):
        warming.end(connection, sender_id + 1)
