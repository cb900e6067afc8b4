"""Campaigns, their recipients, and rehearsals."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from mailing.bounces.causes import BounceClass, Cause
from mailing.core.states import CampaignAction, CampaignState, RecipientAction, RecipientState
from webapp.openapi.shapes.common import Code, Problem, ReasonCode, Reply, ReplyCode, SkippedLine, Time


class ListNote(TypedDict):
    """A remark on an address that was kept or merged."""

    line: Annotated[int, "The line or row, counted from 1."]
    email: str
    note: str
    code: Code


class CreatedCampaign(TypedDict):
    """A campaign that was stored, and what became of its list."""

    id: int
    state: CampaignState
    total: Annotated[int, "How many recipients it has."]
    duplicates: Annotated[int, "Lines that were merged with an earlier one."]
    refused: Annotated[list[SkippedLine], "The first 10,000 skipped lines."]
    refused_more: NotRequired[Annotated[int, "How many skipped lines the response leaves out."]]
    notes: NotRequired[Annotated[list[ListNote], "The first 1,000 remarks."]]
    notes_more: NotRequired[Annotated[int, "How many remarks the response leaves out."]]
    fields: NotRequired[Annotated[dict[str, str], "By its header, the merge field that a column became."]]
    notice: NotRequired[Annotated[str, "Why sending starts later, although the campaign is saved."]]
    notice_code: NotRequired[Code]


class ListProblem(Problem):
    """Why a campaign was not stored."""

    refused: NotRequired[Annotated[list[SkippedLine], "The first 10,000 skipped lines of the list."]]
    refused_more: NotRequired[Annotated[int, "How many skipped lines the response leaves out."]]


class Wait(TypedDict):
    """Why the sender waits, and until when."""

    reason: Reply
    code: ReasonCode
    since: Time
    until: Time


class OngoingDecision(TypedDict):
    """A decision that is still being carried out."""

    action: RecipientAction
    affected: Annotated[int, "How many recipients it has moved so far."]
    expected: Annotated[int | None, "Of how many; null if that is not known."]


class Breaker(TypedDict):
    """When a campaign pauses because too many emails failed, or too many recipients complained."""

    percent: Annotated[int, "At this share of the last ones that were accepted or failed."]
    of_last: Annotated[int, "How many of these are looked at."]
    at_least: Annotated[int, "The least number of failures."]
    complaints: Annotated[int, "At this many spam reports for 1,000 sent emails; 0: never for these."]
    complaints_at_least: Annotated[int, "The least number of spam reports."]


_Hours = TypedDict("_Hours", {"from": str, "to": str})


class SendingHours(_Hours):
    """Hours of the day, such as 08:00 to 20:00."""


_From = TypedDict("_From", {"from": Annotated[str, "The From address."]})


class Campaign(_From):
    """A campaign with its recipients by state."""

    id: int
    state: CampaignState
    condition: Annotated[
        Literal[
            "draft",
            "scheduled",
            "sending",
            "paused",
            "finished",
            "canceled",
            "waiting_to_retry",
            "waiting_for_hours",
        ],
        "The state, or what it waits for: a retry (only deferred ones are left), or its sending hours.",
    ]
    subject: str
    topic: Annotated[str, "What it is about; empty: recipients unsubscribe from everything."]
    transactional: Annotated[bool, "Whether nobody can unsubscribe from it, as each recipient waits for it."]
    senders: Annotated[list[int] | None, "The ids of its senders in their order; null for the usual one."]
    limits: Annotated[dict[str, Any], "Its own limits, as those of a sender."]
    priority: Annotated[int, "From 0, which is sent first, to 9."]
    send_at: Annotated[Time | None, "When it starts automatically, or did. Null if someone starts it."]
    time_zone: Annotated[str, "The time zone of `send_at` and `hours`; empty without both."]
    hours: Annotated[SendingHours | None, "The hours of the day in which it may be sent; null: all day."]
    late_seconds: Annotated[float, "How much later than `send_at` it started: Volley was not running."]
    give_up_hours: Annotated[int, "For how many hours temporary failures are retried."]
    rehearses: Annotated[int | None, "Of a rehearsal: the campaign that it is one of. It is sent to nobody."]
    version: Annotated[int, "Of its message: counts up when it is corrected while paused."]
    breaker: Annotated[Breaker | None, "Null: it does not pause automatically."]
    canary: Annotated[int, "How many recipients are sent first; 0: no canary."]
    canary_until: Annotated[Time | None, "While only those are sent: how long deferred ones are waited for."]
    total: int
    counts: Annotated[dict[RecipientState, int], "Recipients by state. They add up to `total`."]
    rate_per_minute: float
    rate_seconds: Annotated[float, "The seconds that the rate was measured over: 60, or since the start."]
    next_try_at: Annotated[Time | None, "While it waits to retry: when the next attempt is due."]
    given_up_at: Annotated[Time | None, "While it waits to retry: when retries end at the latest."]
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    paused_reason: Annotated[str, "Why Volley paused it; empty otherwise."]
    paused_reason_code: ReasonCode
    waits: Wait | None
    actions: Annotated[list[CampaignAction], "What can be done with it now."]
    under_way: list[OngoingDecision]


class ChangedCampaign(Campaign):
    """A campaign after a change."""

    notice: NotRequired[Annotated[str, "Why sending starts later, although the change is saved."]]
    notice_code: NotRequired[Code]


class DecidedCampaign(ChangedCampaign):
    """A campaign after a decision about its recipients."""

    affected: Annotated[int, "How many recipients were moved immediately."]


class CampaignPage(TypedDict):
    """Campaigns, newest first."""

    campaigns: list[Campaign]
    next: Annotated[int | None, "The `before` of the next page; null after the last."]


class LastAttempt(TypedDict):
    """The last attempt to deliver to a recipient."""

    started_at: Time
    ended_at: Time | None
    server: str | None
    code: ReplyCode
    enhanced: Annotated[str | None, "The enhanced status code, such as `5.1.1`."]
    reply: Reply
    reason_code: ReasonCode


class Bounce(TypedDict):
    """Why an email came back after it was accepted."""

    cause: Cause
    bounce_class: Annotated[BounceClass, "`hard`: the mailbox is dead. `policy`: the message or its sender."]
    at: Time


class Recipient(TypedDict):
    """A recipient with the last attempt."""

    id: int
    email: str
    name: str
    state: RecipientState
    attempts: int
    worker: Annotated[str | None, "The worker that is sending it, or made the last attempt."]
    due_at: Annotated[Time | None, "When the next attempt is due."]
    changed_at: Time
    bounced: Annotated[Bounce | None, "Beside the state: the recipient stays `sent`."]
    complained_at: Annotated[Time | None, "When it was reported as spam."]
    last_attempt: LastAttempt | None


class RecipientPage(TypedDict):
    """Recipients in the order of the list."""

    recipients: list[Recipient]
    next: Annotated[int | None, "The `after` of the next page; null after the last."]


class RehearsedAnswer(TypedDict):
    """How many recipients got an answer of the demo inbox."""

    answer: Literal["accepted", "later", "full", "bounce", "slow", "drop"]
    wanted: Annotated[int, "About how many were to get it, by the recipe. Who is slow is accepted."]
    recipients: Annotated[int, "How many got it so far."]


class RehearsedFault(TypedDict):
    """A recipient whose email could not be written."""

    recipient: int
    email: str
    reason: str
    reason_code: ReasonCode


class Rehearsal(TypedDict):
    """What a rehearsal has found."""

    id: int
    rehearses: Annotated[int, "The campaign that it is a rehearsal of."]
    state: CampaignState
    changed: Annotated[bool, "Whether that campaign was changed since it was copied."]
    answers: list[RehearsedAnswer]
    unwritten: Annotated[int, "How many recipients could not be written to."]
    faults: Annotated[list[RehearsedFault], "The first 20 of them."]
    largest_bytes: Annotated[int | None, "The largest of the first 500 messages, once it is finished."]
    rate_per_minute: Annotated[float | None, "The speed of the rehearsal, once it is finished."]
    least_seconds: Annotated[
        float | None, "How long the campaign takes at that speed: a real server is slower."
    ]
    estimate_seconds: Annotated[
        float | None, "How long the campaign takes at the speed of the last one through the same server."
    ]
