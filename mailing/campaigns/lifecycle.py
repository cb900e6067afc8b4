"""The states of a campaign as a whole, and all that changes them: people, faults, decisions, and its end.

Every write of ``campaigns.state`` is here, and asks ``states.CAMPAIGN_CHANGES``. All functions take an open
write transaction; Celery messages are sent after its commit, never inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, select, update

from mailing.campaigns import canary
from mailing.campaigns.queries import THERE, WHOLE, get
from mailing.core import states
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError, code, dump
from mailing.core.states import CAMPAIGN_CHANGES, DECISIONS, CampaignAction, CampaignState, RecipientState
from mailing.core.tables import campaigns, decisions, recipients
from mailing.ledger import breaker, evidence
from mailing.schedules import schedule

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Value, Words
    from mailing.core.states import RecipientAction

_VERDICTS = ("paused.many-failed", "paused.canary")
CHECKED = frozenset({CampaignAction.SEND, CampaignAction.SCHEDULE})
"""Actions on a campaign that can be sent to everybody."""
_WAITING = (RecipientState.QUEUED, RecipientState.SENDING, RecipientState.DEFERRED)


class NotAllowed(ReasonError):  # noqa: N818 - a refusal with its reasons, not a malfunction
    """The campaign's state or content does not allow this: the reasons say why and what to do."""


def act(
    connection: Connection, campaign_id: int, action: CampaignAction, *, checked: int | None = None
) -> Campaign:
    """Send, schedule, pause, resume or cancel; return the campaign as it is now.

    Sending and scheduling need the revision that ``drafts.ready`` has ``checked``; whoever had the draft
    open before it was scheduled has an older one. Raises ``NotAllowed`` with the reason. If two people press
    at the same moment, the second is told that it is done already. A canceled campaign's waiting recipients
    are moved by ``sweeping``.
    """
    now, where = now_ms(), [THERE]
    values: dict[str, object] = {"paused_reason": "", "reason_code": None}
    if action in CHECKED:
        where += [campaigns.c.revision == checked, WHOLE]
    if action is CampaignAction.SEND:
        values |= {"started_at": now, "canary_until": canary.begins(now), "send_at": None}
    if action is CampaignAction.SCHEDULE:
        where.append(campaigns.c.send_at > now)
        values["revision"] = campaigns.c.revision + 1
    if action is CampaignAction.CANCEL:
        values["finished_at"] = now
    if action is CampaignAction.RESUME:
        evidence.forget(connection, campaign_id)
        values |= {"counted_after": breaker.newest_attempt(), "canary_until": canary.goes_on(now)}
        values["complaints_after"] = breaker.complaints_now(campaign_id)
    if not _change(connection, campaign_id, states.sources(action), states.target(action), *where, **values):
        raise refusal(connection, campaign_id, action)
    campaign = get(connection, campaign_id)
    assert campaign is not None
    if action is CampaignAction.SEND:
        _choose_canary(connection, campaign)
    return campaign


def due(connection: Connection, most: int) -> Sequence[int]:
    """Return at most so many scheduled campaigns whose time has come, those that are late first."""
    waiting = campaigns.c.state == CampaignState.SCHEDULED, campaigns.c.send_at <= now_ms(), THERE, WHOLE
    found = select(campaigns.c.id).where(*waiting).order_by(campaigns.c.send_at, campaigns.c.id).limit(most)
    return connection.execute(found).scalars().all()


def begin(connection: Connection, campaign_id: int, checked: int) -> bool:
    """Start a campaign whose time has come, as ``drafts.ready`` has ``checked`` it.

    Returns whether this call did: nobody changed it, moved its time or canceled it meanwhile.
    """
    at = now_ms()
    still = campaigns.c.send_at <= at, campaigns.c.revision == checked, WHOLE
    scheduled, values = (CampaignState.SCHEDULED,), {"started_at": at, "canary_until": canary.begins(at)}
    if not _change(connection, campaign_id, scheduled, CampaignState.SENDING, *still, **values):
        return False
    campaign = get(connection, campaign_id)
    assert campaign is not None
    _choose_canary(connection, campaign)
    return True


def put_back(connection: Connection, campaign_id: int, reason: Reason) -> bool:
    """Make a draft of a campaign that is due and cannot be sent; return whether this call did."""
    said = {"paused_reason": str(reason), "reason_code": dump(reason)}
    still, scheduled = campaigns.c.send_at <= now_ms(), (CampaignState.SCHEDULED,)
    return _change(connection, campaign_id, scheduled, CampaignState.DRAFT, still, **said)


def decided(
    connection: Connection, campaign_id: int, action: RecipientAction, *, moved: bool
) -> CampaignState:
    """Lock the campaign of a decision. If recipients were moved, change its state as the decision says.

    Returns that state. Raises ``NotAllowed`` where the campaign's state does not allow the decision.
    """
    locked = select(campaigns.c.state).where(campaigns.c.id == campaign_id).with_for_update(key_share=True)
    state = connection.execute(locked).scalar()
    if state is None:
        raise NotAllowed(Reason("campaign.not-found"))
    before = CampaignState(state)
    after = DECISIONS[action].campaigns.get(before)
    if after is None:
        raise NotAllowed(_said("campaign.decision-not-allowed", campaign_id, before, action))
    if not moved or after is before:
        return before
    values = {"finished_at": None, "counted_after": breaker.newest_attempt()}
    _change(connection, campaign_id, (before,), after, **values)
    return after


def pause(connection: Connection, campaign_id: int, reason: Words) -> bool:
    """Pause a sending campaign because of its sender's fault, or its failures; return whether this call did.

    Failures are a verdict about its canary, too: once a person resumes, it waits for that no longer.
    """
    sending, said = (CampaignState.SENDING,), {"paused_reason": str(reason), "reason_code": dump(reason)}
    judged = {"canary_until": None} if code(reason) in _VERDICTS else {}
    return _change(connection, campaign_id, sending, CampaignState.PAUSED, **said, **judged)


def finish(connection: Connection, campaign_id: int) -> bool:
    """Finish a campaign in which nobody waits, nor will by a decision; return whether this call did.

    It looks, locks, and looks again: while it waits for the lock, a person may queue somebody.
    """
    going = (CampaignState.SENDING, CampaignState.PAUSED)
    idle = (
        ~exists().where(recipients.c.campaign_id == campaign_id, recipients.c.state.in_(_WAITING)),
        ~exists().where(decisions.c.campaign_id == campaign_id, decisions.c.finished_at.is_(None)),
    )
    looked = select(campaigns.c.id).where(campaigns.c.id == campaign_id, campaigns.c.state.in_(going), *idle)
    if not connection.execute(looked.with_for_update(key_share=True)).first():
        return False
    return _change(connection, campaign_id, going, CampaignState.FINISHED, *idle, finished_at=now_ms())


def reopen(connection: Connection, campaign_id: int) -> bool:
    """Resume a finished campaign in which somebody waits after all; return whether this call did.

    It had finished because the worker that held them was taken for dead. If it is being finished right now,
    by a transaction that cannot see them yet, this waits for that.
    """
    own = select(campaigns.c.id).where(campaigns.c.id == campaign_id)
    connection.execute(own.with_for_update(key_share=True))
    return _change(
        connection, campaign_id, (CampaignState.FINISHED,), CampaignState.SENDING, finished_at=None
    )


def _choose_canary(connection: Connection, campaign: Campaign) -> None:
    """Choose those who are sent first, where some are."""
    if campaign.canary_until:
        canary.choose(connection, campaign.id, campaign.canary, campaign.total)


def may(campaign_id: int, action: CampaignAction) -> tuple[ColumnElement[bool], ...]:
    """The condition that a campaign's state allows ``action``."""
    return campaigns.c.id == campaign_id, campaigns.c.state.in_(states.sources(action))


def refusal(connection: Connection, campaign_id: int, action: CampaignAction) -> NotAllowed:
    """Return why a campaign did not take ``action``."""
    campaign = get(connection, campaign_id)
    if campaign is None:
        return NotAllowed(Reason("campaign.not-found"))
    if action is CampaignAction.SCHEDULE and (untimely := _untimely(campaign)):
        return NotAllowed(untimely)
    if action in campaign.actions:
        return NotAllowed(Reason("campaign.changed", id=str(campaign_id)))
    if not campaign.actions:
        return NotAllowed(_said("campaign.over", campaign_id, campaign.state, action))
    offered = tuple(Reason(f"action.{each}") for each in campaign.actions)
    said = _said("campaign.not-allowed", campaign_id, campaign.state, action, offered=offered)
    return NotAllowed(said)


def _untimely(campaign: Campaign) -> Reason | None:
    """Return why a campaign cannot be scheduled for its time; None if it can."""
    if campaign.send_at is None:
        return Reason("schedule.no-time", id=str(campaign.id))
    return schedule.past(campaign.schedule) if campaign.send_at <= now_ms() else None


def _said(
    code: str,
    campaign_id: int,
    state: CampaignState,
    action: CampaignAction | RecipientAction,
    **more: Value,
) -> Reason:
    state_name, action_name = Reason(f"state.{state}"), Reason(f"action.{action}")
    return Reason(code, id=str(campaign_id), state=state_name, action=action_name, **more)


def _change(
    connection: Connection,
    campaign_id: int,
    before: Collection[CampaignState],
    after: CampaignState,
    *where: ColumnElement[bool],
    **values: object,
) -> bool:
    """Put a campaign that is in one of the states ``before`` into ``after``; return whether this call did."""
    if forbidden := {(state, after) for state in before} - CAMPAIGN_CHANGES:
        raise AssertionError(f"Campaign {campaign_id} cannot change so: {sorted(forbidden)}.")
    statement = update(campaigns).where(campaigns.c.id == campaign_id, campaigns.c.state.in_(before), *where)
    return connection.execute(statement.values(state=after, **values)).rowcount == 1
