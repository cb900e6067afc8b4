"""The shapes of answers about suppressions, bounces and mailboxes of reports, as those in ``shapes``."""

from typing import Annotated, Literal, TypedDict

from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.reading import Kind
from mailing.suppression.tables import SuppressionReason
from webapp.openapi.shapes import ReasonCode, Time


class Suppression(TypedDict):
    """An address or a domain that no campaign mails."""

    id: int
    subject: Annotated[str, "An address, `@` and a domain, or `#` and a hash of whom Volley has forgotten."]
    topic: Annotated[str, "The topic from which it is kept, in small letters; empty: from everything."]
    reason: SuppressionReason
    source: Annotated[str, "Who or what said so."]
    since: Time
    until: Annotated[Time | None, "Null: until it is lifted."]


class SuppressionPage(TypedDict):
    """Suppressions, the latest first."""

    suppressions: list[Suppression]
    next: Annotated[int | None, "The `before` of the next page; null after the last."]


class SkippedLine(TypedDict):
    """A line that is no address and no domain."""

    line: int
    text: str
    reason: str
    code: str


class Suppressed(TypedDict):
    """What became of a list."""

    new: int
    known: Annotated[int, "How many were suppressed already."]
    skipped: Annotated[list[SkippedLine], "The first 100."]
    skipped_total: int


class Lifted(TypedDict):
    """A suppression that was lifted."""

    id: int
    subject: str


class Forgotten(TypedDict):
    """A person was forgotten."""

    forgotten: bool


class Why(TypedDict):
    """What keeps an address from being mailed; nothing if the list is empty."""

    email: str
    suppressions: list[Suppression]


class Report(TypedDict):
    """A message that came back: a bounce, a spam report, or what else was sent to a bounce address."""

    id: int
    received_at: Time
    kind: Kind
    campaign: Annotated[int | None, "Null where it proves no recipient of a campaign."]
    recipient: int | None
    email: Annotated[str | None, "The recipient's address."]
    matched_by: Annotated[str, "`token` of its envelope sender, or `message-id`; empty if nobody was found."]
    cause: Annotated[Cause | None, "Of a bounce."]
    bounce_class: Annotated[BounceClass | None, "`hard`: the mailbox is dead."]
    status: Annotated[str, "The enhanced status code (RFC 3463)."]
    diagnostic: Annotated[str, "The words of the receiving server."]
    named: Annotated[str, "The address that the report names."]
    reporter: Annotated[str, "The server that reports."]
    sender: str
    subject: str


class ReportPage(TypedDict):
    """Reports, the latest first."""

    bounces: list[Report]
    next: Annotated[int | None, "The `before` of the next page; null after the last."]


class RecordedReport(TypedDict):
    """What became of a report."""

    id: int
    kind: Kind
    new: Annotated[bool, "False: it was recorded before, and nothing changed."]
    campaign: int | None
    recipient: int | None
    cause: Cause | None
    counted: Annotated[bool, "Whether the recipient changed by it."]
    suppressed: Annotated[bool, "Whether the address was put on the do-not-send list."]


class BounceRule(TypedDict):
    """When bounces of a class, or complaints, suppress an address."""

    of: Literal["hard", "soft", "policy", "complained"]
    times: Annotated[int, "In this many campaigns it happens before the address is suppressed; 0: never."]
    days: Annotated[int, "Within this many days."]


class BounceRules(TypedDict):
    """When bounces and complaints suppress an address."""

    rules: list[BounceRule]


class Mailbox(TypedDict):
    """A mailbox from which reports are fetched. Its secrets are never shown."""

    id: int
    name: str
    protocol: Literal["imap", "pop3"]
    host: str
    port: int
    tls: Literal["none", "opportunistic", "starttls", "tls"]
    verify: Annotated[bool, "Whether the certificate must be trusted."]
    ca: Annotated[str, "Certificates (PEM) that are trusted instead of the system's."]
    username: str
    has_password: bool
    provider: Literal["", "google", "microsoft"]
    tenant: str
    client_id: str
    has_client_secret: bool
    connected: Annotated[bool, "Whether its account has given its consent."]
    folder: str
    removes: Annotated[bool, "Whether messages are deleted there once they are recorded."]
    fetched: Annotated[int, "How many messages were fetched, ever."]
    fetched_at: Annotated[Time | None, "When the last one was."]
    looked_at: Annotated[Time | None, "When it was last found to work."]
    trouble: Annotated[str, "What is wrong, and what to do; empty if nothing is known."]
    trouble_code: ReasonCode
    trouble_at: Time | None
    revision: Annotated[int, "Counts up at each change by a person or a program."]


class MailboxList(TypedDict):
    """All mailboxes."""

    mailboxes: list[Mailbox]
    watched: Annotated[bool, "Whether a process watches them now."]


class DeletedMailbox(TypedDict):
    """A mailbox that was removed."""

    id: int
    name: str


class MailboxTest(TypedDict):
    """What a test found."""

    works: bool
    messages: Annotated[int, "How many messages are there."]
    trouble: Annotated[str, "What is wrong, and what to do; empty if it works."]
    trouble_code: ReasonCode
