"""The receipt of a campaign, read from a real database: whole, of one instant, and in nobody's way."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import orjson
import pytest
from sqlalchemy import text, update

from mailing.campaigns import lifecycle
from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult, CampaignAction, RecipientAction, RecipientState
from mailing.core.tables import recipients
from mailing.delivery import sweeper
from mailing.ledger import results
from mailing.receipts import document, keys
from mailing.receipts.document import NotOverError
from mailing.receipts.verifying import SpoiledError, verify
from mailing.recipients import decisions
from mailing.recipients.search import Choice
from tests.integration.ledger.test_ledger import claim, result, store, worker

if TYPE_CHECKING:
    from mailing.core.database import Database
    from mailing.ledger.results import Result
    from mailing.receipts.keys import ReceiptKey

SECRET, ANOTHER = "a secret key of 32 characters...", "another secret key of 32 chars.."
SENT, FAILED, UNKNOWN = AttemptResult.SENT, AttemptResult.FAILED, AttemptResult.UNKNOWN


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "CHUNK", 3)


def key(db: Database, secret: str = SECRET) -> ReceiptKey:
    with db.write() as connection:
        return keys.make(connection, secret)


def settle(db: Database, *ended: Result) -> None:
    with db.write() as connection:
        results.settle(connection, ended)


def finished(db: Database, *endings: AttemptResult) -> int:
    """A campaign to as many recipients, each of which was tried once with its ending."""
    campaign_id = store(db, len(endings))
    claims = claim(db, worker(db), campaign_id, len(endings))
    settle(db, *(result(it, ending) for it, ending in zip(claims, endings, strict=True)))
    finish(db, campaign_id)
    return campaign_id


def finish(db: Database, campaign_id: int) -> None:
    with db.write() as connection:
        assert lifecycle.finish(connection, campaign_id)


def written(db: Database, campaign_id: int) -> bytes:
    made = key(db)
    with db.snapshot() as connection:
        return b"".join(document.blocks(connection, campaign_id, made))


def people(data: bytes) -> list[dict]:
    return [orjson.loads(line)["recipient"] for line in data.splitlines()[1:-1]]


def test_it_says_of_everybody_what_the_ledger_says(db: Database) -> None:
    endings = [SENT, FAILED, SENT, UNKNOWN, SENT, SENT, SENT]
    campaign_id = finished(db, *endings)
    data = written(db, campaign_id)
    found = verify(io.BytesIO(data), key(db).public)
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    assert found.ledger == campaign.counts
    assert (found.recipients, found.attempts) == (7, 7)
    assert found.campaign["subject"] == campaign.subject
    assert found.campaign["state"] == "finished"
    assert [it["state"] for it in people(data)] == [str(ending) for ending in endings]


def test_each_attempt_is_in_it_with_its_reply_and_what_a_person_decided(db: Database) -> None:
    campaign_id = store(db, 2)
    first, second = claim(db, worker(db), campaign_id, 2)
    lost = result(second, UNKNOWN)._replace(code=None, enhanced="", reply=Reason("attempt.lease-ended"))
    settle(db, result(first, AttemptResult.DEFERRED, now_ms() - 1), lost)
    with db.write() as connection:
        assert sweeper.wake_deferred(connection) == {campaign_id}
    (again,) = claim(db, worker(db), campaign_id, 1)
    settle(db, result(again, SENT)._replace(code=250, enhanced="2.0.0", reply="250 2.0.0 Ok: 4711 é\n\x7f"))
    with db.write() as connection:
        decisions.decide(
            connection, campaign_id, RecipientAction.MARK_UNKNOWN_SENT, Choice(), after=0, rows=10
        )
    finish(db, campaign_id)
    one, two = people(written(db, campaign_id))
    assert [it["result"] for it in one["attempts"]] == ["deferred", "sent"]
    assert one["attempts"][1]["reply"] == "250 2.0.0 Ok: 4711 é\n\x7f"
    assert one["attempts"][1]["number"] == 2
    assert one["attempts"][1]["ended_at"].endswith("Z")
    assert [(it["result"], it["worker"] is None) for it in two["attempts"]] == [
        ("unknown", False),
        ("sent", True),
    ]
    assert two["attempts"][0]["reason_code"] == "attempt.lease-ended"


def test_others_whose_numbers_lie_between_are_not_in_it(db: Database) -> None:
    campaign_id, other = finished(db, *[SENT] * 7), finished(db, *[FAILED] * 7)
    with db.write() as connection:  # as if both had been stored at the same time
        mine, theirs = (
            connection.execute(
                text("SELECT min(id) FROM recipients WHERE campaign_id = :id"), {"id": id_}
            ).scalar_one()
            for id_ in (campaign_id, other)
        )
        for one, campaign in ((mine + 2, other), (theirs + 2, campaign_id)):
            moved = {"campaign_id": campaign, "email": f"moved{one}@b.example"}
            connection.execute(update(recipients).where(recipients.c.id == one).values(moved))
            connection.execute(
                text("UPDATE attempts SET campaign_id = :c WHERE recipient_id = :r"),
                {"c": campaign, "r": one},
            )
            connection.execute(
                text("UPDATE recipients SET state = :s WHERE id = :r"),
                {"s": "sent" if campaign == campaign_id else "failed", "r": one},
            )
    for id_ in (campaign_id, other):
        assert verify(io.BytesIO(written(db, id_))).recipients == 7


def test_it_is_of_one_instant_and_nobody_waits_for_it(db: Database) -> None:
    campaign_id = finished(db, *[FAILED] * 10)
    with db.snapshot() as connection:
        reading = document.blocks(connection, campaign_id, key(db))
        data = [next(reading), next(reading)]
        with db.write() as other:  # everybody is retried, while it is being written
            decisions.decide(other, campaign_id, RecipientAction.RETRY, Choice(), after=0, rows=100)
        (claimed,) = claim(db, worker(db), campaign_id, 1)
        settle(db, result(claimed, SENT))
        data += reading
    found = verify(io.BytesIO(b"".join(data)))
    assert found.ledger[RecipientState.FAILED] == 10
    with pytest.raises(NotOverError):
        written(db, campaign_id)


def test_a_ledger_that_is_wrong_is_not_signed(db: Database) -> None:
    campaign_id = finished(db, *[SENT] * 4)
    with db.write() as connection:
        connection.execute(
            text("UPDATE recipients SET state = 'failed' WHERE id = (SELECT max(id) FROM recipients)")
        )
    made, data = key(db), list[bytes]()
    with pytest.raises(AssertionError), db.snapshot() as connection:
        data.extend(document.blocks(connection, campaign_id, made))
    with pytest.raises(SpoiledError) as caught:
        verify(io.BytesIO(b"".join(data)))
    assert caught.value.reason.code == "receipt.cut"


@pytest.mark.parametrize("state", ["draft", "sending", "paused", "canceling"])
def test_there_is_none_while_anything_may_still_be_sent(db: Database, state: str) -> None:
    campaign_id = store(db, 2)
    held = claim(db, worker(db), campaign_id, 1)
    with db.write() as connection:
        if state == "paused":
            lifecycle.act(connection, campaign_id, CampaignAction.PAUSE)
        elif state == "canceling":
            lifecycle.act(connection, campaign_id, CampaignAction.CANCEL)
        elif state == "draft":
            connection.execute(text("UPDATE campaigns SET state = 'draft'"))
    with pytest.raises(NotOverError, match="no receipt yet"):
        written(db, campaign_id)
    assert held


def test_a_campaign_that_does_not_exist_has_none(db: Database) -> None:
    with pytest.raises(NotOverError, match="does not exist"):
        written(db, 4711)


def test_the_key_is_made_once_however_many_ask_for_it_at_once(db: Database) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(key(db).public)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    with db.read() as connection:
        assert keys.public_keys(connection) == [found[0]]
        (sealed,) = connection.execute(text("SELECT private_key FROM receipt_keys")).scalars()
    assert key(db).key.private_bytes_raw().hex() not in sealed


def test_another_secret_key_has_a_key_of_its_own_and_the_old_receipts_stay_known(db: Database) -> None:
    first, second = key(db), key(db, ANOTHER)
    assert first.public != second.public
    assert key(db) == first or key(db).public == first.public
    with db.read() as connection:
        assert keys.public_keys(connection) == [second.public, first.public]
        assert keys.current(connection, "a third one of 32 characters....") is None
