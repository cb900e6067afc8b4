"""Campaigns as they stand: message, state, and how many recipients are in each state, at one instant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, select

from mailing.campaigns import retries
from mailing.core import reasons, states
from mailing.core.clock import now_ms
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.core.tables import campaigns, reply_groups, storings
from mailing.ledger import counters, rests
from mailing.ledger.breaker import Breaker
from mailing.library import files
from mailing.messages.compose import Message
from mailing.schedules.schedule import Schedule
from mailing.senders import routes
from mailing.suppression import leaving
from mailing.suppression.purposes import Purpose
from mailing.writing.written import Writing, Written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Row, Select

    from mailing.campaigns.retries import Retry
    from mailing.core.reasons import Words
    from mailing.ledger.rests import Rest
    from mailing.senders.routes import Route

HOUR_S = 3600
WHOLE = ~exists().where(storings.c.campaign_id == campaigns.c.id)
THERE = ~exists().where(storings.c.campaign_id == campaigns.c.id, storings.c.fresh)
"""The condition that a campaign is there for everybody: its list is complete, or once was."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign and its ledger at one instant. Times in ms since 1970.

    ``retry`` is set while it is sending and nobody can be mailed before a next try is due, ``canary_until``
    while only its canary may leave: so long it waits for that. ``opens_at`` is set while it is sending and
    its hours of the day do not last.
    """

    id: int
    state: CampaignState
    sender_from: str
    subject: str
    text: str
    html: str
    preheader: str
    writing: Writing
    body: str | None
    typed_text: str | None
    audience: Sequence[Mapping[str, Any]] | None  # ``contacts.origins`` reads it
    rehearses: int | None
    recipe: Mapping[str, int] | None
    topic: str
    transactional: bool
    edited_by: str
    edited_at: int | None
    senders: Sequence[int] | None  # their ids in order; none: the first sender
    limits: Mapping[str, Any] | None  # ``senders.limits`` reads it
    priority: int
    send_at: int | None
    time_zone: str
    hours: str
    token: str
    revision: int
    total: int
    created_at: int
    started_at: int | None
    finished_at: int | None
    give_up_after: int
    paused_reason: Words
    breaker: Breaker | None
    counted_after: int
    complaints_after: int
    canary: int
    canary_until: int | None
    version: int
    counts: Mapping[RecipientState, int]
    retry: Retry | None = None
    rest: Rest | None = None  # while it sends: the sender waits
    opens_at: int | None = None

    @property
    def purpose(self) -> Purpose:
        """What it is for."""
        return Purpose(self.topic, self.transactional)

    @property
    def schedule(self) -> Schedule:
        """When it is sent."""
        return Schedule.of(self.send_at, self.time_zone, self.hours)

    @property
    def late_ms(self) -> int:
        """How much later than it was scheduled it started; 0 of one that a person started."""
        return max(self.started_at - self.send_at, 0) if self.started_at and self.send_at else 0

    @property
    def message(self) -> Message:
        """The message to compose, without its files and list fields: ``whole_message`` has them."""
        return Message(self.sender_from, self.subject, self.text, self.html)

    @property
    def written(self) -> Written:
        """What a person wrote, of which the message was made."""
        return Written(
            sender_from=self.sender_from,
            subject=self.subject,
            preheader=self.preheader,
            writing=self.writing,
            text=self.text if self.typed_text is None else self.typed_text,
            html=self.html if self.body is None else self.body,
        )

    @property
    def route(self) -> Route:
        """By which senders it goes, and its own limits."""
        return routes.load(self.senders, self.limits)

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
        """How many have their final state, canceled ones left out."""
        return sum(self.counts[state] for state in states.DONE)

    @property
    def over(self) -> bool:
        """Whether nothing more will be sent."""
        return self.state in {CampaignState.FINISHED, CampaignState.CANCELED}

    @property
    def condition(self) -> str:
        """Its state, or what it waits for while it is sending: its hours, or a next try."""
        if self.opens_at:
            return "waiting_for_hours"
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


def get(connection: Connection, campaign_id: int) -> Campaign | None:
    """Return one campaign, or None."""
    return next(iter(read(connection, select(campaigns).where(campaigns.c.id == campaign_id))), None)


def whole_message(connection: Connection, campaign: Campaign) -> Message:
    """Return the message of a campaign with its files and list fields: what each of its recipients gets."""
    return replace(listed_message(connection, campaign), files=files.of_campaign(connection, campaign.id))


def listed_message(connection: Connection, campaign: Campaign) -> Message:
    """Return the message of a campaign with its list fields, without its files."""
    rehearsal = campaign.rehearses is not None
    about = leaving.list_fields(connection, campaign.id, campaign.purpose, rehearsal=rehearsal)
    return replace(campaign.message, list_fields=about)


def latest(connection: Connection, *, before: int | None = None, limit: int = 50) -> Sequence[Campaign]:
    """Return campaigns, the newest first, from those with an id below ``before``."""
    statement = select(campaigns).order_by(campaigns.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(campaigns.c.id < before)
    return read(connection, statement)


def begun(connection: Connection, *, limit: int) -> Sequence[tuple[int, str]]:
    """Return the id and the subject of campaigns that were begun, the newest first; no rehearsals."""
    unsent = CampaignState.DRAFT, CampaignState.SCHEDULED
    wanted = campaigns.c.state.not_in(unsent), campaigns.c.rehearses.is_(None)
    statement = select(campaigns.c.id, campaigns.c.subject).where(*wanted)
    rows = connection.execute(statement.order_by(campaigns.c.id.desc()).limit(limit))
    return [(row.id, row.subject) for row in rows]


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
    resting = rests.lasting(connection) if sending else None
    return [
        Campaign(
            **reasons.in_row(row._asdict(), "paused_reason")
            | {"state": CampaignState(row.state), "writing": Writing(row.writing)}
            | {"breaker": Breaker.load(row.breaker)},
            counts=counts[row.id],
            retry=retry.get(row.id),
            rest=resting.of(row.senders, row.rehearses)
            if resting and row.state == CampaignState.SENDING
            else None,
            opens_at=_opens_at(row),
        )
        for row in rows
    ]


def _opens_at(row: Row[Any]) -> int | None:
    if row.state != CampaignState.SENDING or not row.hours:
        return None
    return Schedule.of(row.send_at, row.time_zone, row.hours).opens_at(now_ms())


def attempts(connection: Connection, campaign: Campaign) -> int:
    """Return how many attempts have ended, without counting the log."""
    statement = select(func.coalesce(func.sum(reply_groups.c.n), 0))
    others = connection.execute(statement.where(reply_groups.c.campaign_id == campaign.id)).scalar_one()
    return campaign.counts[RecipientState.SENT] + int(others)
