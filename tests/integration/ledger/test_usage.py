"""What left already, as the database knows: for windows that Redis has lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select

from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult
from mailing.ledger import claims, leases, receivers, results, usage
from mailing.ledger.results import Result, Trace
from mailing.senders import store as senders
from mailing.senders.limits import Limits
from mailing.senders.tables import sender_usage
from mailing.smtp.account import Sender
from tests.integration.ledger.test_ledger import store

if TYPE_CHECKING:
    from mailing.core.database import Database

LIMITS = Limits(per_second=5, per_hour=100, per_day=1_000, per_24h=2_000)


@pytest.fixture
def sent(db: Database) -> tuple[int, int]:
    """A sender, and a campaign by it in which three were sent to, one not reached and one handed back."""
    campaign_id = store(db, 5)
    with db.write() as connection:
        sender_id = senders.keep_default(connection, Sender("mx.example", 25))
        worker_id = leases.register(connection, "worker")
        made = claims.claim(connection, worker_id, campaign_id, after=0, last=10**9, limit=5)
        outcomes = [
            *[(AttemptResult.SENT, Trace(1))] * 3,
            (AttemptResult.DEFERRED, Trace()),
            (AttemptResult.RETURNED, Trace(1)),
        ]
        now = now_ms()
        results.settle(
            connection,
            [
                Result(
                    claim, how, "mx.example:25", now - 9, now, None, "", "ok", due, trace, sender_id=sender_id
                )
                for claim, (how, trace) in zip(made, outcomes, strict=True)
                for due in [now + 1000 if how is AttemptResult.DEFERRED else None]
            ],
        )
    return sender_id, campaign_id


def told(db: Database, kind: str, id_: int, receiver: str = "") -> dict[str, int]:
    """Return how many left in each window."""
    found: dict[str, int] = {}
    scope = usage.scope(kind, id_, LIMITS, now_ms(), receiver)
    with db.read() as connection:
        for window, ago_ms, n in usage.spent(connection, scope, now_ms()):
            assert 0 <= ago_ms <= 60_000
            found[window] = found.get(window, 0) + n
    return found


def test_what_was_sent_to_the_server_counts_in_each_window_and_nothing_else(
    db: Database, sent: tuple[int, int]
) -> None:
    sender_id, campaign_id = sent
    assert told(db, "sender", sender_id) == {"second": 3, "hour": 3, "24h": 3, "day": 3}
    assert told(db, "sender", sender_id + 1) == {}
    of_campaign = told(db, "campaign", campaign_id)
    assert (of_campaign["hour"], of_campaign["second"]) == (3, 3)
    assert 3 <= of_campaign["24h"] <= 4  # one that was not reached counts: an error on the safe side


def test_what_left_to_a_receiver_counts_for_all_its_domains_and_no_others(
    db: Database, sent: tuple[int, int]
) -> None:
    sender_id, _ = sent
    itself = told(db, "sender", sender_id, "x.example")
    assert itself == {"second": 3, "hour": 3, "24h": 3, "day": 3}
    with db.write() as connection:
        receivers.note(connection, {"x.example"})
        receivers.keep(connection, {"x.example": "mx:hoster.example"})
    assert told(db, "sender", sender_id, "mx:hoster.example") == itself
    assert told(db, "sender", sender_id, "gmail") == {}


def test_other_limits_of_the_same_sender_have_another_name(db: Database) -> None:
    names = {usage.scope("sender", 1, Limits(per_day=n), now_ms()).name for n in (1, 2)}
    assert len(names) == 2
    assert usage.scope("sender", 1, Limits(per_day=1), 0).name in names


def test_minutes_that_no_window_reaches_are_forgotten_some_at_a_time(db: Database) -> None:
    this = now_ms() // 60_000
    old = this - usage.KEPT_DAYS * 24 * 60 - 1
    with db.write() as connection:
        sender_id = senders.keep_default(connection, Sender("mx.example", 25))
        rows = [(old - 1, 0), (old - 1, 1), (old, 0), (this, 0)]
        for slot, shard in rows:
            connection.execute(insert(sender_usage).values(sender_id=sender_id, slot=slot, shard=shard, n=1))
        assert usage.forget(connection, 1) >= 1
        while usage.forget(connection, 1):
            pass
        assert connection.execute(select(sender_usage.c.slot)).scalars().all() == [this]
