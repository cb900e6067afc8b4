"""The shapes of answers about senders, as those in ``shapes``."""

from typing import Annotated, Literal, NotRequired, TypedDict

from webapp.openapi.shapes.common import ReasonCode, Reply, Time
from webapp.openapi.shapes.messages import DialogueLine


class Limits(TypedDict):
    """At most how many emails; a period that is not there has no limit."""

    per_second: NotRequired[int]
    per_minute: NotRequired[int]
    per_hour: NotRequired[int]
    per_day: NotRequired[Annotated[int, "In a day of the calendar."]]
    per_24h: NotRequired[Annotated[int, "In any 24 hours."]]
    time_zone: NotRequired[Annotated[str, "Of the calendar; UTC if it is not there."]]


class Warmup(TypedDict):
    """A plan by which a new sender may send more each day."""

    first: Annotated[int, "How many emails on the first day."]
    growth: Annotated[int, "By how many percent each day grows."]
    target: Annotated[int | None, "The full volume of a day; null for the sender's daily limit."]
    cap: Annotated[int | None, "How many emails it may send today; null once the full volume is reached."]
    stopped: Annotated[str, "Why it does not grow any more; empty while it does."]
    stopped_code: ReasonCode


class WarmupDay(TypedDict):
    """A day of a warm-up."""

    day: Annotated[str, "Such as `2026-11-26`, in the time zone of the limits."]
    cap: Annotated[int, "How many emails may leave."]
    sent: Annotated[int | None, "How many left; null for a day to come."]


class WarmupCalendar(TypedDict):
    """The warm-up of a sender, and its days."""

    warmup: Warmup | None
    days: list[WarmupDay]


class Sender(TypedDict):
    """An account at a mail server. Its secrets are never shown."""

    id: int
    name: str
    position: Annotated[int, "Its place in the order, from 1."]
    preset: Annotated[str, "What it was made from; empty if nothing."]
    host: str
    port: int
    tls: Annotated[
        Literal["none", "opportunistic", "starttls", "tls"],
        "`starttls` requires it; `opportunistic` secures the connection where the server offers STARTTLS.",
    ]
    verify: Annotated[bool, "Whether the certificate must be trusted."]
    ca: Annotated[str, "Certificates (PEM) that are trusted instead of the system's."]
    username: str
    auth: Annotated[
        Literal["", "plain", "login", "cram-md5", "xoauth2"], "Empty for the best that the server offers."
    ]
    has_password: bool
    provider: Annotated[Literal["", "google", "microsoft"], "Whose consent signs in; empty with a password."]
    tenant: str
    client_id: str
    has_client_secret: bool
    connected: Annotated[bool, "Whether the account has given its consent."]
    signs: Annotated[bool, "Whether Volley signs with DKIM what leaves by it."]
    connections: Annotated[int | None, "Of each worker process; null for the setting."]
    limits: Limits
    receiver_limits: Annotated[dict[str, Limits], "Limits by receiver; `*` means each of all others."]
    warmup: Warmup | None
    trouble: Annotated[str, "What keeps it from sending now; empty if nothing does."]
    trouble_code: ReasonCode
    trouble_at: Time | None
    from_settings: Annotated[bool, "Whether it is the one of `VOLLEY_SMTP_URL`, which campaigns use usually."]
    revision: Annotated[int, "Counts up at each change."]
    created_at: Time
    changed_at: Time


class SenderList(TypedDict):
    """All senders in their order."""

    senders: list[Sender]


class Deleted(TypedDict):
    """A sender that was deleted."""

    id: int
    name: str


class CampaignRoute(TypedDict):
    """By which senders a campaign goes, and its own limits."""

    id: int
    senders: Annotated[list[int] | None, "Their ids in order; null for the usual one."]
    limits: Limits


class ForecastDay(TypedDict):
    """What is sent on a day."""

    day: Annotated[str, "Such as `2026-11-26`, in UTC."]
    emails: int


class HeldBy(TypedDict):
    """What holds a campaign back the most. If it is a limit, more workers would not help."""

    what: Annotated[
        Literal["second", "minute", "hour", "day", "24h", "warmup", "hours", "rest", "speed"],
        "The period of a limit; `warmup` of a sender; `hours`: the sending hours; `rest`: the sender waits "
        "because of its server; `speed`: the measured speed.",
    ]
    sender: Annotated[int | None, "The id of the sender; null for the campaign itself."]
    most: Annotated[int | None, "The limit."]


class Forecast(TypedDict):
    """When the rest of a campaign is sent."""

    left: Annotated[int, "How many emails are to be sent."]
    behind: Annotated[
        int,
        "How many of them wait for receivers that rest or recover; the rest of the forecast leaves them out.",
    ]
    ends_at: Annotated[Time | None, "Null if nobody can tell, or if it is too far away."]
    earliest: Annotated[Time | None, "The same at a higher speed than was measured."]
    latest: Annotated[Time | None, "And at a lower one."]
    days: Annotated[list[ForecastDay], "The first days on which emails are sent."]
    held_by: HeldBy | None


class SenderTest(TypedDict):
    """What a test of a sender found."""

    usable: bool
    reply: Reply
    reason_code: ReasonCode
    server: str
    began_at: Time
    dialogue: list[DialogueLine]
