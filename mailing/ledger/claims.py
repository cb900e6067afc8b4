"""Claims: a recipient that one worker alone may mail now, made durable before the dot.

All functions take an open write transaction, so that a worker commits many results and its next claims
together (group commit). Every change is a conditional UPDATE: to repeat it, or to do it in two processes at
once, is harmless.
"""

from __future__ import annotations

from enum import StrEnum
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import orjson
from sqlalchemy import select

from mailing.core.clock import now_ms
from mailing.core.statements import run
from mailing.core.states import RecipientState
from mailing.core.tables import recipients
from mailing.ledger import counters, domain_tallies
from mailing.suppression import claims as suppressed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from mailing.messages.values import Value
    from mailing.suppression.tables import SuppressionReason

_RECEIVER = "coalesce((SELECT receiver FROM receivers WHERE domain = recipients.domain), recipients.domain)"


class Among(StrEnum):
    """Whom a claim may be for, by the lanes of its sender."""

    ALL = ""
    LANE = f" AND {_RECEIVER} = ?"  # those of one receiver
    FREE = (  # those of no receiver whose lane is slow
        f" AND NOT EXISTS (SELECT 1 FROM rests WHERE sender = ? AND lane = {_RECEIVER} AND ended_at IS NULL)"  # noqa: S608 - no value is formatted in
    )
    UNNAMED = f"{FREE} AND {_RECEIVER} NOT IN (*)"  # the same, but for some receivers
    THESE = f"{FREE} AND id IN (*)"  # the same, of some recipients


# Without the fence around the sub-select PostgreSQL may run it again, and update more than the limit.
_CLAIM, _CLAIM_SKIPPING = (
    {
        among: "WITH picked AS MATERIALIZED ("  # noqa: S608 - no value is formatted in
        "SELECT id FROM recipients WHERE campaign_id = ? AND id > ? AND id <= ? AND state = 'queued' "
        "AND EXISTS (SELECT 1 FROM campaigns "
        f"WHERE id = ? AND state = 'sending' AND (canary_until IS NOT NULL) = ?){among} "
        f"ORDER BY id LIMIT ? {lock}) "
        "UPDATE recipients SET state = 'sending', worker_id = ?, claimed_at = ?, "
        "changed_at = ?, attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, ?), "
        "version = (SELECT version FROM campaigns WHERE id = ?) "
        "WHERE id IN (SELECT id FROM picked) AND state = 'queued' "
        "RETURNING id, attempts, email, domain, name, fields, first_tried_at, version"
        for among in Among
    }
    for lock in ("", "FOR UPDATE SKIP LOCKED")
)
_RELEASE = {
    RecipientState.SENDING: "UPDATE recipients SET state = 'queued', changed_at = ?, worker_id = NULL, "
    "first_tried_at = CASE attempts WHEN 1 THEN NULL ELSE first_tried_at END, "
    "attempts = attempts - 1 "  # there was no attempt
    "WHERE id = ? AND worker_id = ? AND attempts = ? AND state = 'sending'",
    RecipientState.UNKNOWN: "UPDATE recipients SET state = 'queued', changed_at = ?, worker_id = NULL "
    "WHERE id = ? AND worker_id = ? AND attempts = ? AND state = 'unknown'",
}
_WITHHOLD = (
    "UPDATE recipients SET state = 'suppressed', suppressed = ?, worker_id = NULL, claimed_at = NULL, "
    "first_tried_at = CASE attempts WHEN 1 THEN NULL ELSE first_tried_at END, "
    "attempts = attempts - 1 "  # there was no attempt
    "WHERE id = ? AND worker_id = ? AND attempts = ? AND state = 'sending'"
)
_FORGIVE = "UPDATE recipients SET first_tried_at = NULL WHERE id = ? AND attempts = ? AND state = 'queued'"
_CLAIMED = (RecipientState.QUEUED, RecipientState.SENDING)
_WITHHELD = (RecipientState.QUEUED, RecipientState.SUPPRESSED)
_ID = itemgetter(0)


class Claim(NamedTuple):
    """One recipient that one worker alone may mail now. ``worker_id`` with ``attempt`` is its fence."""

    worker_id: int
    campaign_id: int
    claimed_at: int  # ms since 1970
    recipient_id: int
    attempt: int  # its number, from 1
    email: str
    domain: str  # of the address, as it is stored
    name: str  # empty where the list gave none
    fields: Mapping[str, Value] | None  # the merge fields
    first_tried_at: int  # ms since 1970; the hours until it is given up count from here
    version: int = 1  # of the campaign's message
    account: str = ""  # of the sender by which it goes
    limited: str = ""  # the receiver for which a permit of that sender is held


class Withheld(NamedTuple):
    """A recipient that must not be mailed, found out as it was claimed."""

    campaign_id: int
    recipient_id: int
    attempts: int  # made before
    email: str
    reason: SuppressionReason


def claim(
    connection: Connection,
    worker_id: int,
    campaign_id: int,
    *,
    after: int,
    last: int,
    limit: int,
    canary: bool = False,
    among: tuple[Among, *tuple[str | int, ...]] = (Among.ALL,),
    account: str = "",
    withheld: list[Withheld] | None = None,
) -> list[Claim]:
    """Claim up to ``limit`` queued recipients with ``after`` < id <= ``last``, in the order of their ids.

    ``among`` says which, with the receiver of a lane, or the sender whose slow lanes are left out and then,
    one or more, the receivers or recipients that are meant. The rows are ``sending`` from the commit on: the
    intent is durable before any dot. Fewer than ``limit`` means that the range holds no more of these, or
    that the campaign is not sending.

    Whoever must not be mailed is ``suppressed`` instead, and told by ``withheld``.
    """
    now = now_ms()
    postgres = connection.dialect.name == "postgresql"
    which, *whose = among
    statement = (_CLAIM_SKIPPING if postgres else _CLAIM)[which]
    statement = statement.replace("(*)", f"({', '.join('?' * (len(whose) - 1))})")
    claims: list[Claim] = []
    while True:
        left = limit - len(claims)
        what = (campaign_id, after, last, campaign_id, canary, *whose, left)
        rows = run(connection, statement, (*what, worker_id, now, now, now, campaign_id)).all()
        found = [
            Claim._make((worker_id, campaign_id, now, *row, account, ""))
            for row in sorted(map(tuple, rows), key=_ID)
        ]
        if not postgres:
            found = [it._replace(fields=orjson.loads(it.fields)) if it.fields else it for it in found]  # type: ignore[arg-type]
        barred = suppressed.withheld(connection, campaign_id, {it.recipient_id: it.email for it in found})
        for it in found:
            if reason := barred.get(it.recipient_id):
                run(connection, _WITHHOLD, (reason, it.recipient_id, worker_id, it.attempt))
                told = Withheld(campaign_id, it.recipient_id, it.attempt - 1, it.email, reason)
                (withheld if withheld is not None else []).append(told)
        claims += (it for it in found if it.recipient_id not in barred)
        moved = {_CLAIMED: len(found) - len(barred), _WITHHELD: len(barred)}
        counters.move(connection, campaign_id, worker_id, moved)
        domains = [(it.domain, *_WITHHELD) for it in found if it.recipient_id in barred]
        domain_tallies.move(connection, campaign_id, worker_id, domains)
        if not barred or len(found) < left:
            return claims


def release(connection: Connection, claims: Iterable[Claim]) -> set[int]:
    """Hand back claims whose dot certainly never left. They wait again.

    Where the lease has ended in the meantime, ``unknown`` becomes ``queued``: nothing is in doubt any more.
    Returns the campaigns in which it did, for ``reopen``.
    """
    doubtful = set()
    for claim in claims:
        values = (now_ms(), claim.recipient_id, claim.worker_id, claim.attempt)
        for before, statement in _RELEASE.items():
            if run(connection, statement, values).rowcount:
                moved = {(before, RecipientState.QUEUED): 1}
                counters.move(connection, claim.campaign_id, claim.worker_id, moved)
                moves = [(claim.domain, before, RecipientState.QUEUED)]
                domain_tallies.move(connection, claim.campaign_id, claim.worker_id, moves)
                if before is RecipientState.UNKNOWN:
                    doubtful.add(claim.campaign_id)
    return doubtful


def release_strays(connection: Connection, worker_id: int, held: Iterable[int]) -> int:
    """Hand back what this worker owns in the database but does not hold; return how many.

    Such claims come from a commit that succeeded although its acknowledgement was lost.
    """
    statement = select(
        recipients.c.id, recipients.c.campaign_id, recipients.c.attempts, recipients.c.claimed_at
    ).where(recipients.c.worker_id == worker_id, recipients.c.state == RecipientState.SENDING)
    known = set(held)
    strays = [
        Claim(
            worker_id, row.campaign_id, row.claimed_at, row.id, row.attempts, "", "", "", None, row.claimed_at
        )
        for row in connection.execute(statement)
        if row.id not in known
    ]
    release(connection, strays)
    return len(strays)


def forgive(connection: Connection, claim: Claim) -> None:
    """Restart the hours for which a recipient is retried: the attempt failed by the sender's fault."""
    run(connection, _FORGIVE, (claim.recipient_id, claim.attempt))
