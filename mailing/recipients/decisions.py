"""Decisions: what a person does with recipients that were not sent, or may not have been.

Retried, sent again although they may have it, or taken as sent. Like a worker's, each change is a
conditional UPDATE: of two people who press at once one moves a recipient, and nobody takes one that a
worker holds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, false, insert, null, or_, select, union_all, update

from mailing.bounces import received
from mailing.bounces.received import Sent
from mailing.campaigns import lifecycle
from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import (
    DECISIONS,
    ENDED,
    AttemptResult,
    CampaignState,
    RecipientAction,
    RecipientState,
)
from mailing.core.tables import attempts, recipients
from mailing.ledger import batches, counters, domain_tallies
from mailing.recipients import reply_groups, search

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from mailing.core.states import Decision
    from mailing.ledger.batches import Errand
    from mailing.recipients.search import Choice

CHUNK = 2_000
MARKED = Reason("attempt.marked-sent")


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of a decision: whom it moved, how the campaign is now, and which batches to give out.

    ``reached`` is the id behind which to go on, None where that was all.
    """

    moved: Sequence[int]
    campaign: CampaignState
    errands: Sequence[Errand]
    reached: int | None


def open_to(connection: Connection, campaign_id: int, wanted: Choice) -> dict[RecipientState, int]:
    """Return how many of the found are in each state, and of the failed how many can be retried together.

    Nothing of what would take too long to count.
    """
    if wanted.q or wanted.reply or wanted.state is None:
        found = search.count(connection, campaign_id, wanted)
    else:
        found = {wanted.state: counters.counts(connection, campaign_id)[wanted.state]}
    if found.get(RecipientState.FAILED) and reply_groups.some_final(connection, campaign_id):
        failed = replace(wanted, state=RecipientState.FAILED)
        found |= {RecipientState.FAILED: 0}
        found |= search.count(connection, campaign_id, failed, reply_groups.has_mailbox())
    return found


def decide(
    connection: Connection,
    campaign_id: int,
    action: RecipientAction,
    choice: Choice,
    *,
    after: int,
    rows: int = CHUNK,
    give_out: int = batches.AT_ONCE,
) -> Step:
    """Look through up to ``rows`` recipients with an id above ``after``, and move those who are meant.

    In the order of their ids: going on behind the last one moves nobody twice, however fast the workers are.
    At most ``give_out`` batches are given out; the next sweep does it with the others. Raises ``NotAllowed``
    with the reason where the campaign's state does not allow it.
    """
    decision = DECISIONS[action]
    window = _window(campaign_id, decision, choice, after, rows)
    seen: Sequence[int] = connection.execute(window).scalars().all()
    found = connection.execute(
        select(
            recipients.c.id,
            recipients.c.state,
            recipients.c.attempts,
            recipients.c.version,
            recipients.c.domain,
        )
        .where(
            recipients.c.id.in_(seen),
            recipients.c.state.in_(decision.sources),
            *search.conditions(campaign_id, choice),
            *_worth_it(action, choice),
        )
        .order_by(recipients.c.id)
        .with_for_update(skip_locked=True)
    ).all()
    if found:
        _move(connection, campaign_id, decision, found)
    # The campaign comes last, as in a worker's round: in one order everywhere, no two writers deadlock.
    ids = [row.id for row in found]
    state = lifecycle.decided(connection, campaign_id, action, moved=bool(ids))
    wakes = ids and state is CampaignState.SENDING and decision.target is RecipientState.QUEUED
    errands = batches.wake(connection, campaign_id, (ids[0], ids[-1]), most=give_out) if wakes else ()
    return Step(ids, state, errands, seen[-1] if len(seen) == rows else None)


def _window(campaign_id: int, decision: Decision, choice: Choice, after: int, rows: int) -> Select[Any]:
    """The next ids to look at, as an index holds them: so each piece costs the same, whoever is meant."""
    if choice.recipient is not None:
        return select(recipients.c.id).where(recipients.c.id == choice.recipient, recipients.c.id > after)
    if choice.reply is not None:
        return search.next_that_got(campaign_id, choice.reply, after, rows)
    states = [each for each in decision.sources if choice.state in {None, each}]
    parts = [
        select(recipients.c.id)
        .where(recipients.c.campaign_id == campaign_id, recipients.c.state == each, recipients.c.id > after)
        .order_by(recipients.c.id)
        .limit(rows)
        .subquery()
        for each in states
    ]
    if not parts:
        return select(recipients.c.id).where(false())
    either = union_all(*(select(part.c.id) for part in parts)).subquery()
    return select(either.c.id).order_by(either.c.id).limit(rows)


def _move(connection: Connection, campaign_id: int, decision: Decision, found: Sequence[Any]) -> None:
    now = now_ms()
    values: dict[str, Any] = {
        "state": decision.target,
        "due_at": None,
        "worker_id": None,  # whoever lost it has no say any more
        "changed_at": now,
    }
    if decision.target is RecipientState.QUEUED:  # after an end, the hours until it is given up count anew
        values["first_tried_at"] = case(
            (recipients.c.state.in_(ENDED), null()), else_=recipients.c.first_tried_at
        )
    connection.execute(
        update(recipients)
        .where(recipients.c.id.in_([row.id for row in found]), recipients.c.state.in_(decision.sources))
        .values(values)
    )
    if decision.target is RecipientState.SENT:
        connection.execute(insert(attempts), [_mark(campaign_id, row, now) for row in found])
    changes = Counter((RecipientState(row.state), decision.target) for row in found)
    counters.move(connection, campaign_id, 0, changes)
    moves = [(row.domain, RecipientState(row.state), decision.target) for row in found]
    domain_tallies.move(connection, campaign_id, 0, moves)
    if decision.target is RecipientState.SENT:
        marked = [Sent(row.id, campaign_id, 0, row.domain, now) for row in found]
        counted = domain_tallies.counted(connection, {it.domain for it in marked})
        received.sent(connection, 0, marked, counted)


def _mark(campaign_id: int, row: Any, now: int) -> dict[str, object]:
    return {
        "campaign_id": campaign_id,
        "recipient_id": row.id,
        "number": row.attempts,
        "version": row.version or 1,
        "domain": row.domain,
        "worker_id": None,
        "server": "",
        "started_at": now,
        "ended_at": now,
        "result": AttemptResult.SENT,
        "reply": str(MARKED),
        "reason_code": reasons.dump(MARKED),
    }


def _worth_it(action: RecipientAction, choice: Choice) -> Sequence[ColumnElement[bool]]:
    """Leave those whose mailbox does not exist out of a retry of many: mail to them harms the reputation."""
    if action is not RecipientAction.RETRY or choice.recipient is not None:
        return ()
    return (or_(recipients.c.state != RecipientState.FAILED, reply_groups.has_mailbox()),)
