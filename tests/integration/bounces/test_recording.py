"""What comes back finds its recipient, counts once beside the state, and has what follows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.bounces import following, store, tokens
from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.following import Rule
from mailing.bounces.reading import Kind
from mailing.bounces.store import Counts
from mailing.bounces.tables import report_texts, reports
from mailing.bounces.tokens import Returns
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, RecipientState
from mailing.core.tables import campaigns, installation, recipients
from mailing.ledger import counters
from mailing.messages import message_ids
from mailing.suppression import store as suppressions
from tasks.commands import bounces as commands
from tasks.commands.bounces import Message
from tests.support import bounces
from tests.support.undertakings import reachable as backend_of
from tests.support.web import deliver, register
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from mailing.bounces.recording import Recorded
    from mailing.core.database import Database

VOLLEY = Actor(ActorKind.VOLLEY)
SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 Ok")
DOMAIN = "bounces.example.com"
ANN = "ann@x.example"
FULL = {"status": "5.2.2", "diagnostic": "552 5.2.2 Mailbox full"}
BLOCKED = {"status": "5.7.1", "diagnostic": "554 5.7.1 Service unavailable; blocked using zen.spamhaus.org"}


def sent_campaign(db: Database, *people: str) -> int:
    people = people or (ANN, "bob@x.example")
    campaign_id = store_campaign(db, "\n".join(people), send=True)
    deliver(db, *[SENT] * len(people), campaign_id=campaign_id)
    return campaign_id


def id_of(db: Database, campaign_id: int, email: str = ANN) -> int:
    with db.read() as connection:
        own = recipients.c.campaign_id == campaign_id, recipients.c.email == email
        return int(connection.execute(select(recipients.c.id).where(*own)).scalar_one())


def token_of(db: Database, campaign_id: int) -> str:
    with db.read() as connection:
        own = select(campaigns.c.token).where(campaigns.c.id == campaign_id)
        return str(connection.execute(own).scalar_one())


def address_of(db: Database, campaign_id: int, email: str = ANN) -> str:
    with db.read() as connection:
        returns = Returns(DOMAIN, tokens.stored(connection))
    return returns.address(id_of(db, campaign_id, email), token_of(db, campaign_id))


def message_id_of(db: Database, campaign_id: int, email: str = ANN) -> str:
    with db.read() as connection:
        key = tokens.stored(connection).key
    token, recipient_id = token_of(db, campaign_id), id_of(db, campaign_id, email)
    return message_ids.make(key, token, recipient_id, "sender.example").decode()


def take(db: Database, *raw: bytes, to: str = "") -> list[Recorded]:
    return [*commands.take(backend_of(db), VOLLEY, [Message(it, to) for it in raw], "test")]


def counts(db: Database, campaign_id: int) -> Counts:
    with db.read() as connection:
        states = counters.counts(connection, campaign_id)
        total = connection.execute(
            select(campaigns.c.total).where(campaigns.c.id == campaign_id)
        ).scalar_one()
        assert sum(states.values()) == total
        assert states[RecipientState.SENT] == total
        return store.counts(connection, campaign_id)


def suppressed(db: Database) -> dict[str, tuple[str, str]]:
    with db.read() as connection:
        return {it.subject: (str(it.reason), it.source) for it in suppressions.find(connection)}


@pytest.mark.parametrize("where", ["envelope", "header", "returned"])
def test_a_token_finds_the_recipient_wherever_it_stands(db: Database, where: str) -> None:
    campaign_id = sent_campaign(db)
    address = address_of(db, campaign_id)
    to = address if where == "header" else "club@sender.example"
    raw = bounces.dsn("someone@forwarded.example", to=to)
    if where == "returned":
        raw = raw.replace(b"From: Club", f"Return-Path: <{address}>\r\nFrom: Club".encode())
    (it,) = take(db, raw, to=address if where == "envelope" else "")
    assert it.matched
    assert (it.matched.email, it.matched.by) == (ANN, "token")
    assert (it.kind, it.cause, it.counted, it.suppressed) == (Kind.BOUNCED, Cause.NO_MAILBOX, True, True)
    assert counts(db, campaign_id) == Counts(hard=1)
    assert suppressed(db) == {ANN: ("bounced", f"report {it.id}")}


def test_without_a_token_the_returned_message_id_and_the_address_find_them(db: Database) -> None:
    campaign_id = sent_campaign(db)
    (it,) = take(db, bounces.dsn(message_id=message_id_of(db, campaign_id), **FULL))
    assert it.matched
    assert (it.matched.email, it.matched.by, it.cause) == (ANN, "message-id", Cause.FULL)
    assert counts(db, campaign_id) == Counts(soft=1)
    assert not suppressed(db)


@pytest.mark.parametrize("named", [ANN, "redacted@isp.example", "[redacted]"])
def test_a_complaint_may_keep_the_address_to_itself(db: Database, named: str) -> None:
    campaign_id = sent_campaign(db)
    (it,) = take(db, bounces.complaint(message_id=message_id_of(db, campaign_id), recipient=named))
    assert it.matched
    assert (it.matched.email, it.kind, it.counted) == (ANN, Kind.COMPLAINED, True)
    assert suppressed(db) == {ANN: ("complained", f"report {it.id}")}


def test_a_complaint_of_somebody_to_whom_it_was_forwarded_is_not_of_the_recipient(db: Database) -> None:
    campaign_id = sent_campaign(db)
    (it,) = take(db, bounces.complaint(message_id=message_id_of(db, campaign_id), recipient="eve@x.example"))
    assert (it.matched, it.counted) == (None, False)
    assert not suppressed(db)


def test_what_is_forged_finds_nobody(db: Database) -> None:
    campaign_id = sent_campaign(db)
    real, own = address_of(db, campaign_id), token_of(db, campaign_id)
    bob = id_of(db, campaign_id, "bob@x.example")
    mark = message_id_of(db, campaign_id).partition("@")[0].rpartition(".")[2]  # Ann knows her own
    wrong = "a" if real[20] != "a" else "b"
    forged = [
        bounces.dsn(to=f"{real[:20]}{wrong}{real[21:]}", number="2"),
        bounces.dsn(to=real.replace("@", "x@"), number="3"),
        bounces.dsn(to=real[3:], number="4"),
        bounces.dsn(message_id=f"<{'0' * 32}.{bob}@sender.example>", recipient="bob@x.example", number="5"),
        bounces.dsn(message_id=f"<{own}.{bob}@sender.example>", number="6"),  # Ann knows it from her own
        bounces.dsn(message_id=f"<{own}.999999@sender.example>", number="7"),
        bounces.complaint(message_id=f"<{own}.{bob}@sender.example>"),
        bounces.dsn("bob@x.example", message_id=f"<{own}.{bob}.{mark}@sender.example>", number="8"),
        bounces.dsn("bob@x.example", message_id=f"<{own}.{bob}@sender.example>", number="9"),
    ]
    done = take(db, *forged)
    assert all(it.new and it.matched is None and not it.counted for it in done)
    assert counts(db, campaign_id) == Counts()
    assert not suppressed(db)


def test_the_same_report_counts_once_by_whatever_way_it_comes(db: Database) -> None:
    campaign_id = sent_campaign(db)
    raw = bounces.dsn(to=address_of(db, campaign_id))
    again = b"Received: by another.example; Fri, 27 Nov 2026 07:00:00 +0000\r\n" + raw.replace(b"\r\n", b"\n")
    first, second, third = take(db, raw, again, raw)
    assert (first.new, second.new, third.new) == (True, False, False)
    assert second.id == third.id == first.id
    assert counts(db, campaign_id) == Counts(hard=1)
    (other,) = take(db, bounces.dsn(to=address_of(db, campaign_id), number="9"))
    assert (other.new, other.counted) == (True, False)
    assert counts(db, campaign_id) == Counts(hard=1)


def test_reports_that_come_at_once_count_once(db: Database) -> None:
    campaign_id = sent_campaign(db)
    to = address_of(db, campaign_id)
    same = [bounces.dsn(to=to, number=str(n % 3)) for n in range(12)]
    threads = [threading.Thread(target=take, args=(db, raw)) for raw in same]
    for it in threads:
        it.start()
    for it in threads:
        it.join()
    assert counts(db, campaign_id) == Counts(hard=1)
    with db.read() as connection:
        assert len(store.find(connection)) == 3


def test_a_dead_mailbox_goes_before_a_full_one_and_not_the_other_way(db: Database) -> None:
    campaign_id = sent_campaign(db)
    to = address_of(db, campaign_id)
    take(db, bounces.dsn(to=to, **BLOCKED, number="1"))
    assert counts(db, campaign_id) == Counts(policy=1)
    assert not suppressed(db)
    take(db, bounces.dsn(to=to, **FULL, number="2"))
    assert counts(db, campaign_id) == Counts(soft=1)
    take(db, bounces.dsn(to=to, number="3"), bounces.dsn(to=to, **FULL, number="4"))
    assert counts(db, campaign_id) == Counts(hard=1)


def test_a_mailbox_that_is_full_in_three_campaigns_is_suppressed(db: Database) -> None:
    for n in range(3):
        campaign_id = sent_campaign(db, "ANN@x.example" if n == 1 else ANN)
        to = address_of(db, campaign_id, "ANN@x.example" if n == 1 else ANN)
        (it,) = take(db, bounces.dsn(to=to, **FULL, number=str(n)))
        assert it.suppressed == (n == 2)
    assert suppressed(db)[ANN][0] == "bounced"


def test_the_rules_are_data(db: Database) -> None:
    backend = backend_of(db)
    commands.change_rule(backend, VOLLEY, BounceClass.HARD, Rule(0, 30))
    commands.change_rule(backend, VOLLEY, BounceClass.SOFT, Rule(1, 7))
    with db.read() as connection:
        rules = following.rules(connection)
    assert (rules["hard"], rules["soft"], rules["complained"]) == (Rule(0, 30), Rule(1, 7), Rule(1, 30))
    campaign_id = sent_campaign(db)
    take(db, bounces.dsn(to=address_of(db, campaign_id)))
    assert not suppressed(db)
    bob = address_of(db, campaign_id, "bob@x.example")
    take(db, bounces.dsn("bob@x.example", to=bob, **FULL, number="2"))
    assert set(suppressed(db)) == {"bob@x.example"}
    with pytest.raises(ValueError, match="after 0 to 100 campaigns"):
        Rule(101, 30)


def test_a_complaint_is_suppressed_at_once_and_stands_beside_the_state(db: Database) -> None:
    campaign_id = sent_campaign(db)
    (it,) = take(db, bounces.complaint(original_from=address_of(db, campaign_id)))
    assert (it.kind, it.counted, it.suppressed) == (Kind.COMPLAINED, True, True)
    assert counts(db, campaign_id) == Counts(complained=1)
    assert suppressed(db) == {ANN: ("complained", f"report {it.id}")}
    (again,) = take(db, bounces.complaint(original_from=address_of(db, campaign_id), kind="fraud"))
    assert (again.new, again.counted) == (True, False)


@pytest.mark.parametrize(
    "raw",
    [
        bounces.VACATION,
        bounces.CHALLENGE,
        bounces.dsn(action="delayed", status="4.4.1"),
        bounces.complaint(kind="not-spam"),
    ],
)
def test_what_is_no_bounce_is_kept_and_changes_nothing(db: Database, raw: bytes) -> None:
    campaign_id = sent_campaign(db)
    (it,) = take(db, raw, to=address_of(db, campaign_id))
    assert it.new
    assert it.matched
    assert not it.counted
    assert counts(db, campaign_id) == Counts()
    assert not suppressed(db)


def test_nobody_who_was_not_mailed_bounces(db: Database) -> None:
    campaign_id = store_campaign(db, ANN, send=True)
    (it,) = take(db, bounces.dsn(to=address_of(db, campaign_id)))
    assert it.matched
    assert not it.counted
    assert not suppressed(db)


def test_tokens_outlive_a_new_secret_key_and_another_installation_reads_none(db: Database) -> None:
    campaign_id = sent_campaign(db)
    to = address_of(db, campaign_id)
    with db.write() as connection:
        connection.execute(update(installation).values(bounce_key="ab" * 32))
    (it,) = take(db, bounces.dsn(to=to))
    assert it.matched is None


def test_texts_are_kept_for_some_days_and_reports_about_nobody_too(db: Database) -> None:
    campaign_id = sent_campaign(db)
    raw = bounces.dsn(to=address_of(db, campaign_id)) + b"x" * 100_000
    mine, nobody = take(db, raw, bounces.QMAIL)
    with db.read() as connection:
        kept = store.text(connection, mine.id)
    assert kept
    assert raw.startswith(kept)
    assert len(kept) == 64 * 1024
    with db.write() as connection:
        assert store.forget(connection, 30, 100) == 0
        connection.execute(update(reports).values(received_at=1))
        connection.execute(update(report_texts).values(received_at=1))
        assert store.forget(connection, 30, 1) == 1
        assert store.forget(connection, 30, 100) == 2
        assert store.text(connection, mine.id) is None
        assert store.get(connection, nobody.id) is None
        assert [it.id for it in store.of_recipient(connection, id_of(db, campaign_id))] == [mine.id]


def test_a_report_about_nobody_is_known_again_for_two_days_whatever_the_setting(db: Database) -> None:
    (it,) = take(db, bounces.QMAIL)
    with db.write() as connection:
        connection.execute(update(reports).values(received_at=now_ms() - following.DAY_MS))
        store.forget(connection, 0, 100)
        assert store.get(connection, it.id)
        connection.execute(update(reports).values(received_at=now_ms() - 3 * following.DAY_MS))
        store.forget(connection, 0, 100)
        assert store.get(connection, it.id) is None


def test_a_draft_that_is_deleted_takes_its_reports_along(db: Database) -> None:
    campaign_id = sent_campaign(db)
    to = address_of(db, campaign_id)
    take(db, bounces.dsn(to=to))
    register(db)
    with db.write() as connection:
        connection.execute(recipients.delete().where(recipients.c.campaign_id == campaign_id))
        assert not store.find(connection)
    (late,) = take(db, bounces.dsn(to=to, number="2"))
    assert late.matched is None
