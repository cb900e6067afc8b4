"""Commands about who must not be mailed. Each writes into the audit log in its transaction; all block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.addresses import mailbox
from mailing.core.strides import Stride
from mailing.suppression import reading, store
from mailing.suppression.store import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.addresses.findings import Refusal
    from mailing.core.actors import Actor
    from mailing.core.database import Database
    from mailing.suppression.store import Suppression
    from mailing.suppression.tables import SuppressionReason
    from tasks.commands.campaigns import Backend


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a list: how many suppressions are new, how many were there, and what was refused."""

    new: int
    known: int
    refused: Sequence[Refusal]


def add(db: Database, actor: Actor, text: str, reason: SuppressionReason, expires_at: int | None) -> Added:
    """Suppress the addresses and domains in a list, until a time (ms since 1970), or for ever.

    A long list takes many transactions: what is there already when a process dies stays there.
    """
    listed = reading.read(text)
    source = actor.name or actor.kind
    entries = [Entry(subject, reason, source, expires_at=expires_at) for subject in listed.subjects]
    stride, new, done = Stride(), 0, 0
    while done < len(entries):
        some = entries[done : done + stride.rows]
        with stride.write(db) as connection:
            new += store.keep(connection, some)
        done += len(some)
    if entries:
        with db.write() as connection:
            audit.record(connection, actor, "suppress", "", n=len(entries), new=new, reason=reason)
    return Added(new, len(entries) - new, listed.refused)


def lift(backend: Backend, actor: Actor, suppression_id: int) -> Suppression | None:
    """Lift a suppression; return it, or None if it is not there any more."""
    with backend.db.write() as connection:
        found = store.get(connection, suppression_id)
        if found is None or not store.lift(connection, suppression_id):
            return None
        audit.record(connection, actor, "lift suppression", "", of=found.subject, reason=found.reason)
    return found


def forget(backend: Backend, actor: Actor, email: str) -> None:
    """Forget a person, who is never mailed again. Raises ``UnfitError`` if it is no address.

    What was done stays in the audit log, the address does not.
    """
    address = mailbox.judge(email)
    with backend.db.write() as connection:
        store.forget(connection, address)
        audit.record(connection, actor, "forget person")
