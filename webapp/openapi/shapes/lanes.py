"""The shapes of answers about lanes, as those in ``shapes``."""

from typing import Annotated, TypedDict

from mailing.reports.lanes import Pace
from webapp.openapi.shapes.common import ReasonCode, Reply, Time


class Lane(TypedDict):
    """What one receiver is sent: all domains whose mail it takes in."""

    receiver: Annotated[str, "Its key, such as `gmail`; empty for all others together."]
    name: str
    domains: Annotated[int, "How many of the campaign's most frequent domains it takes in mail for."]
    total: Annotated[int | None, "Null if it is not counted."]
    left: Annotated[int | None, "How many are queued or being sent."]
    sent: int
    deferred: int
    failed: int
    unknown: int
    canceled: int
    rate_per_minute: float
    pace: Pace
    width: Annotated[int | None, "How many emails may be in progress; null for any number."]
    resumes_at: Annotated[Time | None, "When it is sent mail again: one email first."]
    reason: Annotated[Reply, "Why it is slow, such as a limit of the sender; empty otherwise."]
    reason_code: ReasonCode
    last_reply: Reply
    last_reply_at: Time | None


class Lanes(TypedDict):
    """The lanes of a campaign, those with the most recipients first."""

    lanes: list[Lane]
