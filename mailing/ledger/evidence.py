"""Evidence: refusals that may mean more than their recipient, and the pause once they do.

A worker keeps each such refusal in the transaction that records it, behind the lock of its campaign: so of
two workers that count at the same moment the second sees what the first saw, and one of them pauses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.core.tables import attempts, campaigns, refusals
from mailing.smtp.replies import ReplyCode
from mailing.smtp.rulebook import THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection

    from mailing.ledger.results import Result
    from mailing.smtp.rulebook import Ruling


MOST_LOOKED_AT = max(threshold.window for threshold in THRESHOLDS.values())


class Outcome(NamedTuple):
    """How an attempt of a campaign ended, as far as a threshold asks."""

    recipient_id: int
    accepted: bool
    refused_so: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """How many recipients got the same kind of refusal since the campaign was last started, and one reply."""

    n: int
    reply: ReplyCode
    text: str


def lock(connection: Connection, campaign_ids: Iterable[int]) -> None:
    """Let nobody else count in these campaigns before this transaction ends; in one order everywhere."""
    for id_ in sorted(campaign_ids):
        own = select(campaigns.c.id).where(campaigns.c.id == id_)
        connection.execute(own.with_for_update(key_share=True))


def weigh(connection: Connection, result: Result, ruling: Ruling) -> Reason | None:
    """Keep a refusal; return why its campaign, which is locked, must pause, if it must by now."""
    claim = result.claim
    keep(connection, result, ruling)
    started_at = select(campaigns.c.started_at).where(campaigns.c.id == claim.campaign_id).scalar_subquery()
    here = (attempts.c.campaign_id == claim.campaign_id, attempts.c.ended_at >= func.coalesce(started_at, 0))
    n = _passed(connection, ruling.threshold, claim.campaign_id, *here) or _passed(
        connection,
        ruling.threshold,
        claim.campaign_id,
        *here,
        attempts.c.domain == claim.domain,
        at_one_domain=True,
    )
    if not n:
        return None
    check = Reason(f"check.{ruling.check}")
    return Reason("paused.many-refused", n=n, check=check, reply=result.reply)


def of(connection: Connection, campaign_id: int) -> Evidence | None:
    """Return the reply that most of them got, and how many did; None if there was no such refusal."""
    n = func.count().label("n")
    statement = (
        select(refusals.c.code, refusals.c.enhanced, n, func.min(refusals.c.reply))
        .where(refusals.c.campaign_id == campaign_id)
        .group_by(refusals.c.code, refusals.c.enhanced)
        .order_by(n.desc(), refusals.c.code, refusals.c.enhanced)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return Evidence(int(row[2]), ReplyCode(row[0], row[1]), row[3]) if row else None


def forget(connection: Connection, campaign_id: int) -> None:
    """Start counting again: a person says that the cause is fixed."""
    connection.execute(delete(refusals).where(refusals.c.campaign_id == campaign_id))


def keep(connection: Connection, result: Result, ruling: Ruling) -> None:
    """Keep a refusal, so that a person can decide about all that were refused so."""
    values = {
        "threshold": ruling.threshold,
        "code": result.code or 0,
        "enhanced": result.enhanced,
        "reply": str(result.reply),
        "at": result.ended_at,
    }
    key = {"campaign_id": result.claim.campaign_id, "recipient_id": result.claim.recipient_id}
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        insert(refusals)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=[refusals.c.campaign_id, refusals.c.recipient_id], set_=values)
    )


def everybodys(name: str, outcomes: Iterable[Outcome], *, at_one_domain: bool) -> int:
    """Return how many recipients got the same kind of refusal, if that passes the threshold; else 0.

    ``outcomes`` are the latest of the campaign, or those at one domain, the last one first.
    """
    threshold = THRESHOLDS[name]
    if at_one_domain and threshold.unbroken:
        return 0
    refused = set()
    for at, outcome in enumerate(outcomes):
        if at >= threshold.window or (threshold.unbroken and outcome.accepted):
            break
        if outcome.refused_so:
            refused.add(outcome.recipient_id)
    return len(refused) if len(refused) >= threshold.recipients else 0


def _passed(
    connection: Connection,
    threshold: str,
    campaign_id: int,
    *where: ColumnElement[bool],
    at_one_domain: bool = False,
) -> int:
    """Return how many of the latest outcomes are such refusals, if that is enough to pause; else 0."""
    refused = (
        select(refusals.c.recipient_id)
        .where(refusals.c.campaign_id == campaign_id, refusals.c.threshold == threshold)
        .where(refusals.c.recipient_id == attempts.c.recipient_id, refusals.c.at == attempts.c.ended_at)
        .exists()
    )
    statement = (
        select(attempts.c.recipient_id, attempts.c.result, refused)
        .where(*where)
        .order_by(attempts.c.ended_at.desc(), attempts.c.id.desc())
        .limit(MOST_LOOKED_AT)
    )
    outcomes = (
        Outcome(row[0], row[1] == AttemptResult.SENT, row[2]) for row in connection.execute(statement)
    )
    return everybodys(threshold, outcomes, at_one_domain=at_one_domain)
