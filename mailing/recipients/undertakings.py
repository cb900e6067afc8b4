"""Undertakings: decisions about more recipients than one transaction should move.

The first piece is moved in the transaction that notes the decision. Then any process continues it, a piece at
a time. The note says how far it is, and is updated in the transaction of each piece: two processes at once
move nobody twice and skip nobody.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import DECISIONS, CampaignState, RecipientAction, RecipientState
from mailing.core.tables import campaigns
from mailing.core.tables import decisions as table
from mailing.ledger import counters
from mailing.recipients import decisions, reply_groups
from mailing.recipients.search import Choice
from mailing.smtp.replies import ReplyCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.ledger.batches import Errand


@dataclass(frozen=True, slots=True)
class Undertaking:
    """A decision that is or was carried out: how many it has moved so far, of how many if that is known."""

    id: int
    campaign_id: int
    action: RecipientAction
    moved: int
    expected: int | None
    campaign: CampaignState
    going_on: bool = True


def begin(
    connection: Connection, campaign_id: int, action: RecipientAction, choice: Choice, rows: int
) -> tuple[Undertaking, Sequence[Errand]]:
    """Carry out the first piece of a decision, and note the rest if there is one.

    Raises ``NotAllowed`` with the reason. Of each action a campaign has one that goes on at a time.
    """
    expected = _expected(connection, campaign_id, action, choice)
    step = decisions.decide(connection, campaign_id, action, choice, after=0, rows=rows)
    begun = Undertaking(0, campaign_id, action, len(step.moved), expected, step.campaign, going_on=False)
    if step.reached is None:
        return begun, step.errands
    if connection.execute(select(table.c.id).where(_goes_on(campaign_id), table.c.action == action)).first():
        busy = Reason("campaign.busy", id=str(campaign_id), action=Reason(f"action.{action}"))
        raise NotAllowed(busy)
    values = {
        "campaign_id": campaign_id,
        "action": action,
        "choice": asdict(choice),
        "after": step.reached,
        "moved": begun.moved,
        "expected": expected,
        "campaign": step.campaign,
    }
    id_ = int(connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())
    return Undertaking(id_, campaign_id, action, begun.moved, expected, step.campaign), step.errands


def go_on(connection: Connection, rows: int, id_: int | None = None) -> Undertaking | None:
    """Carry out the next piece of the undertaking ``id_``, or else of that which waited longest.

    Returns how it stands then. None: there is none, or others are at it. Where the campaign was canceled or
    paused meanwhile, this ends it.
    """
    chosen = (
        select(table).where(table.c.finished_at.is_(None)).order_by(table.c.touched_at, table.c.id).limit(1)
    )
    if id_ is not None:
        chosen = chosen.where(table.c.id == id_)
    row = connection.execute(chosen.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return None
    moved, reached, campaign = 0, None, row.campaign
    if not _was_stopped(connection, row):
        try:
            with connection.begin_nested():
                step = _step(connection, row, rows)
            moved, reached, campaign = len(step.moved), step.reached, step.campaign
        except NotAllowed:
            pass  # it is over, and so is this
    now = now_ms()
    values: dict[str, Any] = {"moved": row.moved + moved, "campaign": campaign, "touched_at": now}
    values |= {"finished_at": now} if reached is None else {"after": reached}
    own = update(table).where(table.c.id == row.id, table.c.after == row.after, table.c.finished_at.is_(None))
    if not connection.execute(own.values(values)).rowcount:
        raise AssertionError("another process continued this decision; nothing was changed")
    return _undertaking(row, row.moved + moved, CampaignState(campaign), going_on=reached is not None)


def find(connection: Connection, id_: int) -> Undertaking | None:
    """Return an undertaking, ended or not."""
    row = connection.execute(select(table).where(table.c.id == id_)).one_or_none()
    return _read(row) if row else None


def under_way(connection: Connection, ids: Collection[int]) -> Mapping[int, Sequence[Undertaking]]:
    """Return what goes on in each of these campaigns."""
    found: dict[int, list[Undertaking]] = {id_: [] for id_ in ids}
    statement = select(table).where(table.c.campaign_id.in_(ids), table.c.finished_at.is_(None))
    for row in connection.execute(statement.order_by(table.c.id)):
        found[row.campaign_id].append(_read(row))
    return found


def _step(connection: Connection, row: Any, rows: int) -> decisions.Step:
    given = dict(row.choice)
    state, reply = given["state"], given["reply"]
    given |= {"state": state and RecipientState(state), "reply": reply and ReplyCode(**reply)}
    action = RecipientAction(row.action)
    return decisions.decide(
        connection, row.campaign_id, action, Choice(**given), after=row.after, rows=rows, give_out=0
    )


def _was_stopped(connection: Connection, row: Any) -> bool:
    """Whether somebody, or a fault, paused the campaign since: then nobody more is to be mailed."""
    if DECISIONS[RecipientAction(row.action)].target is not RecipientState.QUEUED:
        return False
    now = connection.execute(select(campaigns.c.state).where(campaigns.c.id == row.campaign_id)).scalar()
    return bool(now == CampaignState.PAUSED != row.campaign)


def _expected(
    connection: Connection, campaign_id: int, action: RecipientAction, choice: Choice
) -> int | None:
    if choice.q or choice.reply or choice.recipient:
        return None
    may_fail = action is RecipientAction.RETRY and choice.state is not RecipientState.DEFERRED
    if may_fail and reply_groups.some_final(connection, campaign_id):
        return None  # those are left out, and nobody counted them
    counts = counters.counts(connection, campaign_id)
    return sum(counts[each] for each in DECISIONS[action].sources if choice.state in {None, each})


def _goes_on(campaign_id: int) -> Any:
    return (table.c.campaign_id == campaign_id) & table.c.finished_at.is_(None)


def _undertaking(row: Any, moved: int, campaign: CampaignState, *, going_on: bool) -> Undertaking:
    action = RecipientAction(row.action)
    return Undertaking(row.id, row.campaign_id, action, moved, row.expected, campaign, going_on)


def _read(row: Any) -> Undertaking:
    return _undertaking(row, row.moved, CampaignState(row.campaign), going_on=row.finished_at is None)
