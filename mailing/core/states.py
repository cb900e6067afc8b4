"""The states of a campaign and of a recipient, and every change that is allowed.

Pure data and pure functions. The database holds the states, the ledger changes them, and the pages
and the API ask this module which buttons and calls exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class RecipientState(StrEnum):
    """What is known about one address in one campaign. The order is the order of the ledger."""

    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    CANCELED = "canceled"


class Standing(StrEnum):
    """Whether a contact of a saved list may be mailed. Only the active are taken by campaigns."""

    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    BLOCKED = "blocked"


class CampaignState(StrEnum):
    """Where a campaign stands as a whole."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELED = "canceled"


class AttemptResult(StrEnum):
    """How one try to deliver ended. ``RETURNED`` is the sender's fault: the recipient waits again."""

    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNKNOWN = "unknown"
    RETURNED = "returned"


class WorkerState(StrEnum):
    """What a worker process is doing, as far as can be seen from outside."""

    SENDING = "sending"
    IDLE = "idle"
    HELD_UP = "held up"
    RESTING = "resting"
    LOST = "lost"
    ENDED = "ended"


class CampaignAction(StrEnum):
    """What a person can ask of a campaign."""

    SCHEDULE = "schedule"
    SEND = "send"
    UNSCHEDULE = "unschedule"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    EDIT = "edit"
    CORRECT = "correct"


WRITING: frozenset[CampaignAction] = frozenset({CampaignAction.EDIT, CampaignAction.CORRECT})
"""Those that change what is written, and come with it; the campaign stays in its state."""


class RecipientAction(StrEnum):
    """What a person can decide about recipients that were not sent, or may not have been."""

    RETRY = "retry"
    RESEND_UNKNOWN = "resend-unknown"
    MARK_UNKNOWN_SENT = "mark-unknown-sent"
    SKIP = "skip"
    FAIL = "fail"


RECIPIENT_CHANGES: frozenset[tuple[RecipientState, RecipientState]] = frozenset(
    {
        (RecipientState.QUEUED, RecipientState.SENDING),  # a worker claims it
        (RecipientState.QUEUED, RecipientState.CANCELED),
        (RecipientState.QUEUED, RecipientState.FAILED),  # a person gives it up
        (RecipientState.QUEUED, RecipientState.SUPPRESSED),
        (RecipientState.SENDING, RecipientState.QUEUED),  # handed back unsent
        (RecipientState.SENDING, RecipientState.SENT),
        (RecipientState.SENDING, RecipientState.DEFERRED),
        (RecipientState.SENDING, RecipientState.FAILED),
        (RecipientState.SENDING, RecipientState.UNKNOWN),  # P3: lost behind the dot, or its lease ended
        (RecipientState.DEFERRED, RecipientState.QUEUED),  # due again, or a person does not want to wait
        (RecipientState.DEFERRED, RecipientState.CANCELED),
        (RecipientState.DEFERRED, RecipientState.FAILED),
        (RecipientState.UNKNOWN, RecipientState.SENT),  # a late reply, or a person knows that it arrived
        (RecipientState.UNKNOWN, RecipientState.DEFERRED),
        (RecipientState.UNKNOWN, RecipientState.FAILED),
        (RecipientState.UNKNOWN, RecipientState.QUEUED),  # a person asks for it to be sent again
        (RecipientState.FAILED, RecipientState.QUEUED),  # a person asks for it to be tried again
    }
)

ENDED: frozenset[RecipientState] = frozenset(
    {
        RecipientState.SENT,
        RecipientState.FAILED,
        RecipientState.UNKNOWN,
        RecipientState.SUPPRESSED,
        RecipientState.CANCELED,
    }
)
"""States in which a campaign waits for nothing more from a recipient."""

DONE: frozenset[RecipientState] = ENDED - {RecipientState.CANCELED}
"""Those that came of what was done. Who is canceled is over, and nothing was done."""

RESULT_STATES: dict[AttemptResult, RecipientState] = {
    AttemptResult.SENT: RecipientState.SENT,
    AttemptResult.DEFERRED: RecipientState.DEFERRED,
    AttemptResult.FAILED: RecipientState.FAILED,
    AttemptResult.UNKNOWN: RecipientState.UNKNOWN,
    AttemptResult.RETURNED: RecipientState.QUEUED,
}
"""The state that an attempt's result puts its recipient in."""

CAMPAIGN_ACTIONS: dict[CampaignState, dict[CampaignAction, CampaignState]] = {
    CampaignState.DRAFT: {
        CampaignAction.EDIT: CampaignState.DRAFT,
        CampaignAction.SCHEDULE: CampaignState.SCHEDULED,
        CampaignAction.SEND: CampaignState.SENDING,
        CampaignAction.CANCEL: CampaignState.CANCELED,
    },
    CampaignState.SCHEDULED: {
        CampaignAction.EDIT: CampaignState.SCHEDULED,
        CampaignAction.SEND: CampaignState.SENDING,
        CampaignAction.UNSCHEDULE: CampaignState.DRAFT,
        CampaignAction.CANCEL: CampaignState.CANCELED,
    },
    CampaignState.SENDING: {
        CampaignAction.PAUSE: CampaignState.PAUSED,
        CampaignAction.CANCEL: CampaignState.CANCELED,
    },
    CampaignState.PAUSED: {
        CampaignAction.RESUME: CampaignState.SENDING,
        CampaignAction.CORRECT: CampaignState.PAUSED,
        CampaignAction.CANCEL: CampaignState.CANCELED,
    },
    CampaignState.FINISHED: {},
    CampaignState.CANCELED: {},
}
"""For each campaign state, the actions a person has and the state each leads to."""

CAMPAIGN_CHANGES: frozenset[tuple[CampaignState, CampaignState]] = frozenset(
    {
        (CampaignState.DRAFT, CampaignState.SCHEDULED),
        (CampaignState.DRAFT, CampaignState.SENDING),
        (CampaignState.DRAFT, CampaignState.CANCELED),
        (CampaignState.SCHEDULED, CampaignState.DRAFT),  # by a person, or because it cannot be sent so
        (CampaignState.SCHEDULED, CampaignState.SENDING),  # its time has come, or a person does not wait
        (CampaignState.SCHEDULED, CampaignState.CANCELED),
        (CampaignState.SENDING, CampaignState.PAUSED),  # by a person, or for its sender's fault
        (CampaignState.SENDING, CampaignState.CANCELED),
        (CampaignState.SENDING, CampaignState.FINISHED),  # nobody waits any more
        (CampaignState.PAUSED, CampaignState.SENDING),
        (CampaignState.PAUSED, CampaignState.CANCELED),
        (CampaignState.PAUSED, CampaignState.FINISHED),
        (CampaignState.FINISHED, CampaignState.SENDING),  # a person queues somebody again
    }
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a recipient action does: it moves recipients from any of ``sources`` to ``target``.

    ``campaigns`` holds the campaign states in which it is allowed, and the state each has afterwards: a
    finished campaign sends again once somebody waits in it.
    """

    sources: tuple[RecipientState, ...]
    target: RecipientState
    campaigns: Mapping[CampaignState, CampaignState]


_SENDS_AGAIN = {
    CampaignState.SENDING: CampaignState.SENDING,
    CampaignState.PAUSED: CampaignState.PAUSED,
    CampaignState.FINISHED: CampaignState.SENDING,
}
_WAITING = (RecipientState.QUEUED, RecipientState.DEFERRED)
_GOES_PAST = {state: state for state in (CampaignState.SENDING, CampaignState.PAUSED)}
_STAYS = {state: state for state in (*_SENDS_AGAIN, CampaignState.CANCELED)}

DECISIONS: dict[RecipientAction, Decision] = {
    RecipientAction.RETRY: Decision(
        (RecipientState.DEFERRED, RecipientState.FAILED), RecipientState.QUEUED, _SENDS_AGAIN
    ),
    RecipientAction.RESEND_UNKNOWN: Decision((RecipientState.UNKNOWN,), RecipientState.QUEUED, _SENDS_AGAIN),
    RecipientAction.MARK_UNKNOWN_SENT: Decision((RecipientState.UNKNOWN,), RecipientState.SENT, _STAYS),
    RecipientAction.SKIP: Decision(_WAITING, RecipientState.CANCELED, _GOES_PAST),
    RecipientAction.FAIL: Decision(_WAITING, RecipientState.FAILED, _GOES_PAST),
}


def actions(state: CampaignState) -> tuple[CampaignAction, ...]:
    """Return the actions that a campaign in ``state`` offers, in the order of their buttons."""
    return tuple(CAMPAIGN_ACTIONS[state])


def sources(action: CampaignAction) -> tuple[CampaignState, ...]:
    """Return the states in which ``action`` is allowed: the WHERE of its conditional UPDATE."""
    return tuple(state for state, offered in CAMPAIGN_ACTIONS.items() if action in offered)


def target(action: CampaignAction) -> CampaignState:
    """Return the one state that ``action`` leads to from wherever it is allowed; an edit leads nowhere."""
    (state,) = {offered[action] for offered in CAMPAIGN_ACTIONS.values() if action in offered}
    return state


def decisions(campaign: CampaignState, recipient: RecipientState) -> tuple[RecipientAction, ...]:
    """Return what a person can decide about recipients in this state, in the order of the buttons."""
    return tuple(
        action
        for action, decision in DECISIONS.items()
        if campaign in decision.campaigns and recipient in decision.sources
    )
