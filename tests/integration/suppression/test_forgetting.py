"""A person who is forgotten is in no list, no campaign and nothing that quotes; the counts stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError

from mailing.accounts.tables import audit, audit_redactions
from mailing.bounces import tokens
from mailing.bounces.tokens import Returns
from mailing.contacts import contacts, lists
from mailing.contacts.contacts import Written
from mailing.contacts.tables import import_notes, imports
from mailing.core import reasons
from mailing.core.actors import Actor, ActorKind
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult, CampaignState, RecipientState
from mailing.core.tables import attempts, campaigns, decisions, metadata, recipients, refusals
from mailing.ledger import claims, counters, leases, results
from mailing.ledger.tables import dialogues
from mailing.recipients import forgetting
from mailing.redis import events
from mailing.suppression import store
from mailing.suppression.tables import SuppressionReason
from tasks.commands import bounces as bounce_commands
from tasks.commands import suppression as commands
from tasks.commands.backend import Backend
from tasks.commands.bounces import Message
from tests.support import bounces
from tests.support.web import deliver
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.core.database import Database

ME = Actor(ActorKind.CLI)
REFUSED = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 <Ann@x.example>: no mailbox ann@x.example here")


@pytest.fixture
def backend(db: Database) -> Iterator[Backend]:
    client = events.connect("redis://127.0.0.1:1/0", str(db.url))
    yield Backend(db, client)
    client.close()


def test_the_address_is_nowhere_and_the_counts_are_as_before(backend: Backend, db: Database) -> None:
    over = store_campaign(db, "Ann Lee <Ann@x.example>\nbob@x.example", send=True)
    deliver(db, REFUSED, (AttemptResult.SENT, 250, "2.0.0", "250 ok"))
    going = store_campaign(db, "ann@x.example")
    with db.write() as connection:
        connection.execute(
            update(campaigns).where(campaigns.c.id == over).values(state=CampaignState.FINISHED)
        )
        kept = lists.create(connection, "Parents")
        contacts.save(connection, kept, Written("ann@x.example", "Ann"))
        before = counters.counts(connection, over)
    commands.forget(backend, ME, "ANN@x.example")
    with db.read() as connection:
        rows = connection.execute(select(recipients).where(recipients.c.campaign_id == over)).all()
        (ann,) = [row for row in rows if row.email != "bob@x.example"]
        assert (ann.email.partition(".")[0], ann.name, ann.fields) == ("forgotten", "", None)
        replies = "".join(connection.execute(select(attempts.c.reply)).scalars())
        assert "ann@" not in replies.lower().replace(ann.email, "")
        assert counters.counts(connection, over) == before
        assert not contacts.find(connection, kept).rows
        assert connection.execute(text("SELECT total FROM lists")).scalar_one() == 0
        assert len(store.why(connection, "ann@x.example")) == 1
        mine = recipients.c.campaign_id == going
        assert connection.execute(select(recipients.c.email).where(mine)).scalar_one() == ann.email.lower()


def quoting(db: Database, email: str = "ann@x.example") -> set[str]:
    """Return each column of each table that quotes an address, in any letters."""
    found: set[str] = set()
    with db.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                for name, value in row.items():
                    text = value.decode("latin1") if isinstance(value, bytes) else str(value)
                    if email in text.lower():
                        found.add(f"{table.name}.{name}")
    return found


def everywhere(db: Database, backend: Backend) -> int:
    """Have an address in as many places as there are; return a campaign that is being sent."""
    going = store_campaign(db, "Ann Lee <Ann@x.example>\nbob@x.example\nbroken ann@x.example@\n", send=True)
    deliver(db, REFUSED, (AttemptResult.SENT, 250, "2.0.0", "250 ok"))
    later = store_campaign(db, "ann@x.example\nbob@x.example", send=True)
    gone = store_campaign(db, "ann@x.example", send=True)
    deliver(db, (AttemptResult.SENT, 250, "2.0.0", "250 ok"), campaign_id=gone)
    pasted = "ann@x.example\nAnn@x.example bob@"
    commands.add(db, ME, pasted, SuppressionReason.MANUAL, None)
    with db.write() as connection:
        lists.create(connection, "Parents")
        (listed,) = store.find(connection, "ann@x.example")
        about = Reason("paused.reply", n=1, reply="550 <ann@x.example> no")
        own = campaigns.c.id == gone
        told = {"paused_reason": str(about), "reason_code": reasons.dump(about)}
        connection.execute(update(campaigns).where(own).values(told))
        quoted = {"campaign_id": going, "threshold": "x", "code": 550, "reply": "no ann@x.example", "at": 1}
        ids = select(recipients.c.id).where(recipients.c.campaign_id == going)
        for recipient_id in connection.execute(ids).scalars():
            connection.execute(insert(refusals).values(quoted | {"recipient_id": recipient_id}))
        holds = imports.insert().values(file_name="ann@x.example.csv", plan={}, state="failed", reason="")
        import_id = connection.execute(holds).inserted_primary_key[0]
        note = {"kind": "refused", "line": 1, "text": "ann@x.example,", "reason": "no", "suggestion": ""}
        connection.execute(import_notes.insert().values(note | {"import_id": import_id, "number": 1}))
        said = {
            "recipient_id": 1,
            "number": 1,
            "result": "failed",
            "ended_at": 5,
            "lines": "550 ann@x.example",
        }
        connection.execute(dialogues.insert().values(said))
    commands.lift(backend, ME, listed.id)
    raw = bounces.dsn("Ann@x.example")
    returned = [Message(raw), Message(bounces.dsn("ann@x.example", to=bounce_address(db, gone), number="2"))]
    bounce_commands.take(backend, ME, returned, "test")
    choice = {"q": "ann@x.example"}
    with db.write() as connection:
        made = {"campaign_id": going, "action": "retry", "choice": choice, "after": 0, "moved": 0}
        connection.execute(decisions.insert().values(made | {"campaign": "sending", "finished_at": 1}))
    return later


def bounce_address(db: Database, campaign_id: int) -> str:
    with db.read() as connection:
        own = select(recipients.c.id, campaigns.c.token).where(recipients.c.campaign_id == campaign_id)
        row = connection.execute(own.join(campaigns, campaigns.c.id == recipients.c.campaign_id)).one()
        return Returns("b.example", tokens.stored(connection)).address(row.id, row.token)


def test_after_forgetting_no_table_holds_the_address(backend: Backend, db: Database) -> None:
    later = everywhere(db, backend)
    places = quoting(db)
    assert {it.partition(".")[0] for it in places} >= {
        *("recipients", "attempts", "refusals", "reply_groups", "list_notes", "import_notes", "imports"),
        *("dialogues", "reports", "report_texts", "audit", "suppressions", "campaigns", "decisions"),
    }
    commands.forget(backend, ME, "ann@x.example")
    assert quoting(db) == set()
    commands.forget(backend, ME, "ann@x.example")
    with db.write() as connection:  # who is still queued is suppressed once a worker comes
        worker = leases.register(connection, "here:1")
        told: list[claims.Withheld] = []
        held = claims.claim(connection, worker, later, after=0, last=10**9, limit=9, withheld=told)
        assert [it.email for it in held] == ["bob@x.example"]
        assert [it.reason for it in told] == ["manual"]
        assert counters.counts(connection, later)[RecipientState.SUPPRESSED] == 1
    raw = bounces.dsn("ann@x.example", to="club@sender.example", number="3")
    late = Message(raw, bounce_address(db, later + 1))
    (recorded,) = bounce_commands.take(backend, ME, [late], "test")
    assert recorded.matched
    assert quoting(db) == set()


def test_who_is_being_sent_to_is_forgotten_once_that_has_ended(backend: Backend, db: Database) -> None:
    campaign_id = store_campaign(db, "Ann@x.example", send=True)
    with db.write() as connection:
        worker = leases.register(connection, "here:1")
        (claim,) = claims.claim(connection, worker, campaign_id, after=0, last=10**9, limit=9)
    commands.forget(backend, ME, "ann@x.example")
    assert forgetting.go_on(db) == 0
    with db.write() as connection:
        result = AttemptResult.DEFERRED
        reply = "450 4.2.0 <Ann@x.example> later"
        ended = results.Result(claim, result, "mx:25", 1, 2, 450, "4.2.0", reply, due_at=5)
        results.settle(connection, [ended])
    assert quoting(db)
    assert forgetting.go_on(db) == 1
    assert quoting(db) == set()
    assert forgetting.go_on(db) == 0


def test_the_audit_log_is_closed_but_for_what_was_forgotten(backend: Backend, db: Database) -> None:
    commands.add(db, ME, "ann@x.example", SuppressionReason.MANUAL, None)
    with db.read() as connection:
        (listed,) = store.find(connection)
    commands.lift(backend, ME, listed.id)
    commands.forget(backend, ME, "ann@x.example")
    with db.read() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.id)).all()
        redacted = connection.execute(select(audit_redactions.c.audit_id)).scalars().all()
    assert [row.action for row in rows] == ["suppress", "lift suppression", "forget person"]
    assert redacted == [rows[1].id]
    assert rows[1].details["of"].startswith("forgotten.")
    for id_, values in ((rows[0].id, {"details": {}}), (rows[1].id, {"action": "x"})):
        with pytest.raises(DBAPIError), db.write() as connection:
            connection.execute(update(audit).where(audit.c.id == id_).values(values))
