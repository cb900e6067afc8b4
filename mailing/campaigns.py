"""Campaigns: a message and its list, stored together; what can be done with it; how it stands.

All functions take an open connection. Those that write are single transactions of their caller;
Celery messages are sent after its commit, never inside.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, insert, select, update

from mailing import composing, counters, evidence, lists, readiness, rests, retries, states
from mailing.composing import Message
from mailing.models import campaigns, now_ms, reply_groups, storings
from mailing.states import CampaignAction, CampaignState, RecipientState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from mailing.addresses import ParsedList
    from mailing.rests import Rest
    from mailing.retries import Retry
    from mailing.shapes import Shapes

INSERT_CHUNK = 5_000
HOUR_S = 3600
GIVE_UP_HOURS = range(1, 169)  # how long temporary refusals may be tried again
GIVE_UP_USUALLY = 24
FIRST = 0  # the revision of a draft that was never changed
_PROBE = "unsent"  # in a message that is composed only to see whether it can be
BEING_STORED = "Its list is being stored. If it still is in two minutes, edit the draft and paste it again."
WHOLE = ~exists().where(storings.c.campaign_id == campaigns.c.id)
THERE = ~exists().where(storings.c.campaign_id == campaigns.c.id, storings.c.fresh)
"""The condition that a campaign is there for everybody: its list is complete, or once was."""


class NotAllowed(Exception):  # noqa: N818 - a refusal with its reason, not a malfunction
    """The campaign's state or content does not allow this: the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person writes. ``priority`` 0 leaves before 9; ``give_up_hours`` is one of ``GIVE_UP_HOURS``."""

    sender_from: str
    subject: str
    text: str
    html: str = ""
    priority: int = 5
    give_up_hours: int = GIVE_UP_USUALLY

    @property
    def message(self) -> Message:
        """The message to compose."""
        return Message(self.sender_from, self.subject, self.text, self.html)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign and its ledger at one instant. Times in ms since 1970.

    ``retry`` is set while it is sending and nobody can be mailed before a next try is due.
    """

    id: int
    state: CampaignState
    sender_from: str
    subject: str
    text: str
    html: str
    priority: int
    token: str
    revision: int
    total: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    give_up_after: int
    paused_reason: str
    counts: Mapping[RecipientState, int]
    retry: Retry | None = None
    rest: Rest | None = None  # while it sends: the sender waits

    @property
    def message(self) -> Message:
        """The message to compose."""
        return Message(self.sender_from, self.subject, self.text, self.html)

    @property
    def give_up_hours(self) -> int:
        """For how many hours temporary refusals are tried again."""
        return self.give_up_after // HOUR_S

    @property
    def waiting(self) -> int:
        """How many recipients still wait for their fate."""
        return self.total - sum(self.counts[state] for state in states.ENDED)

    @property
    def done(self) -> int:
        """How many have their final state, the canceled left out: all of a campaign only if it was not."""
        return sum(self.counts[state] for state in states.DONE)

    @property
    def over(self) -> bool:
        """Whether nothing more is sent, so that what counts is what was."""
        return self.state in {CampaignState.FINISHED, CampaignState.CANCELED}

    @property
    def condition(self) -> str:
        """Its state, or ``waiting_to_retry`` while it is sending and there is only that to do."""
        return "waiting_to_retry" if self.retry else self.state

    @property
    def left_over(self) -> int:
        """How many recipients of a canceled campaign are still to be marked as canceled."""
        if self.state is not CampaignState.CANCELED:
            return 0
        return self.counts[RecipientState.QUEUED] + self.counts[RecipientState.DEFERRED]

    @property
    def actions(self) -> tuple[CampaignAction, ...]:
        """What a person can ask of it now."""
        return states.actions(self.state)


def check(draft: Draft) -> None:
    """Raise ``ComposeError`` if the message cannot be sent to anyone as it is written."""
    composing.prepare(draft.message, token=_PROBE, domain=None)


def create(connection: Connection, draft: Draft, parsed: ParsedList) -> int:
    """Store a draft with a short list; return its id. Raises ``ComposeError`` for an unusable message.

    ``drafts`` stores a list of any length.
    """
    check(draft)
    return store(connection, draft, parsed, lists.survey(parsed))


def store(connection: Connection, draft: Draft, parsed: ParsedList, surveyed: Shapes) -> int:
    """Do so with a message that was found good and a list that was surveyed."""
    campaign_id = begin(connection, draft)
    lists.store(connection, campaign_id, parsed, surveyed)
    grow(connection, campaign_id, len(parsed.entries))
    return campaign_id


def begin(connection: Connection, draft: Draft) -> int:
    """Store a draft, whose message was found good and whose list is empty; return its id."""
    values = {**_columns(draft), "token": secrets.token_hex(16)}
    statement = insert(campaigns).values(values).returning(campaigns.c.id)
    return int(connection.execute(statement).scalar_one())


def revise(connection: Connection, campaign_id: int, draft: Draft) -> None:
    """Change a draft's message to one that was found good. Raises ``NotAllowed`` once it is no draft."""
    statement = update(campaigns).where(*_may(campaign_id, CampaignAction.EDIT), THERE)
    values = {**_columns(draft), "revision": campaigns.c.revision + 1}
    if not connection.execute(statement.values(values)).rowcount:
        raise _refusal(connection, campaign_id, CampaignAction.EDIT)


def grow(connection: Connection, campaign_id: int, n: int) -> None:
    """Count ``n`` more recipients, or fewer. Raises ``NotAllowed`` once it is no draft."""
    statement = update(campaigns).where(*_may(campaign_id, CampaignAction.EDIT))
    if not connection.execute(statement.values(total=campaigns.c.total + n)).rowcount:
        raise _refusal(connection, campaign_id, CampaignAction.EDIT)


def act(
    connection: Connection, campaign_id: int, action: CampaignAction, *, checked: int | None = None
) -> Campaign:
    """Send, pause, resume or cancel; return the campaign as it is now.

    Sending needs the revision that ``ready`` has ``checked``; without it, that is done here. Raises
    ``NotAllowed`` with the reason. Of two people who press at the same moment, one is told that it is done
    already. A canceled campaign's waiting recipients are moved by ``sweeping``.
    """
    if action is CampaignAction.RESUME:
        evidence.forget(connection, campaign_id)
    now = now_ms()
    where = [*_may(campaign_id, action), THERE]
    values: dict[str, object] = {"state": states.target(action), "paused_reason": ""}
    if action is CampaignAction.SEND:
        values["started_at"] = now
        where += [
            campaigns.c.revision == (ready(connection, campaign_id) if checked is None else checked),
            WHOLE,
        ]
    if action is CampaignAction.CANCEL:
        values["finished_at"] = now
    if not connection.execute(update(campaigns).where(*where).values(values)).rowcount:
        raise _refusal(connection, campaign_id, action)
    campaign = get(connection, campaign_id)
    assert campaign is not None
    return campaign


def ready(connection: Connection, campaign_id: int) -> int:
    """Return the revision of a draft that can be sent to everybody. Raises ``NotAllowed`` if it cannot.

    It takes as long as composing its message takes, so it is no work for a transaction that writes.
    """
    revision = connection.execute(select(campaigns.c.revision).where(campaigns.c.id == campaign_id)).scalar()
    if found := faults(connection, campaign_id):
        raise NotAllowed(" ".join(found))
    return revision or 0


def faults(connection: Connection, campaign_id: int) -> tuple[str, ...]:
    """Return why a draft cannot be sent, each with what to do; nothing if it can."""
    campaign = get(connection, campaign_id)
    if campaign is None:
        return ("There is no such campaign.",)
    if connection.execute(select(storings).where(storings.c.campaign_id == campaign_id)).first():
        return (BEING_STORED,)
    shapes = lists.held(connection, campaign_id).shapes
    return tuple(map(str, readiness.faults(campaign.message, campaign.total, shapes)))


def get(connection: Connection, campaign_id: int) -> Campaign | None:
    """Return one campaign, or None."""
    return next(iter(read(connection, select(campaigns).where(campaigns.c.id == campaign_id))), None)


def latest(connection: Connection, *, before: int | None = None, limit: int = 50) -> Sequence[Campaign]:
    """Return campaigns, the newest first, from those with an id below ``before``."""
    statement = select(campaigns).order_by(campaigns.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(campaigns.c.id < before)
    return read(connection, statement)


def read(connection: Connection, chosen: Select[Any]) -> Sequence[Campaign]:
    """Return the campaigns whose rows ``chosen`` selects. Four queries at most, however many they are."""
    rows = connection.execute(chosen.where(THERE)).all()
    counts = counters.counts_of(connection, [row.id for row in rows])
    waiting = {
        row.id: row.give_up_after
        for row in rows
        if row.state == CampaignState.SENDING and retries.only(counts[row.id])
    }
    retry = retries.of(connection, waiting)
    sending = any(row.state == CampaignState.SENDING for row in rows)
    rest = rests.lasting(connection) if sending else None
    return [
        Campaign(
            **row._asdict() | {"state": CampaignState(row.state)},
            counts=counts[row.id],
            retry=retry.get(row.id),
            rest=rest if row.state == CampaignState.SENDING else None,
        )
        for row in rows
    ]


def attempts(connection: Connection, campaign: Campaign) -> int:
    """Return how many attempts have ended, without counting the log."""
    statement = select(func.coalesce(func.sum(reply_groups.c.n), 0))
    others = connection.execute(statement.where(reply_groups.c.campaign_id == campaign.id)).scalar_one()
    return campaign.counts[RecipientState.SENT] + int(others)


def _may(campaign_id: int, action: CampaignAction) -> tuple[ColumnElement[bool], ...]:
    return campaigns.c.id == campaign_id, campaigns.c.state.in_(states.sources(action))


def _columns(draft: Draft) -> dict[str, object]:
    return {
        "sender_from": draft.sender_from,
        "subject": draft.subject,
        "text": draft.text,
        "html": draft.html,
        "priority": draft.priority,
        "give_up_after": draft.give_up_hours * HOUR_S,
    }


def _refusal(connection: Connection, campaign_id: int, action: CampaignAction) -> NotAllowed:
    campaign = get(connection, campaign_id)
    if campaign is None:
        return NotAllowed("There is no such campaign.")
    state, offered = campaign.state, ", ".join(campaign.actions)
    if action in campaign.actions:
        return NotAllowed(f"Campaign {campaign_id} was changed meanwhile. Look at it again first.")
    if not offered:
        return NotAllowed(f"Campaign {campaign_id} is {state}, so it cannot {action}. It is over.")
    return NotAllowed(f"Campaign {campaign_id} is {state}, so it cannot {action}. It allows: {offered}.")
