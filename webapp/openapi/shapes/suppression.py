"""The shapes of answers about suppressions, and of what comes back of mail, as those in ``shapes``."""

from typing import Annotated, Literal, TypedDict

from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.reading import Kind
from mailing.feedback.providers import Provider
from mailing.internet.findings import Light
from mailing.recipients.received import Cut
from mailing.suppression.tables import SuppressionReason
from webapp.openapi.shapes.common import ReasonCode, Time


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
    matched_by: Annotated[
        str, "`token` of its envelope sender, `message-id`, `address` (a webhook), or empty."
    ]
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
    unsubscribed: Annotated[bool, "Whether it was an email by which a recipient unsubscribed, and no report."]


class BounceRule(TypedDict):
    """When bounces of a class, or complaints, suppress an address."""

    of: Literal["hard", "soft", "policy", "complained"]
    times: Annotated[int, "In this many campaigns it happens before the address is suppressed; 0: never."]
    days: Annotated[int, "Within this many days."]


class BounceRules(TypedDict):
    """When bounces and complaints suppress an address."""

    rules: list[BounceRule]


class Webhook(TypedDict):
    """Where a mail provider posts bounces, complaints and unsubscriptions."""

    id: int
    provider: Provider
    url: Annotated[str, "Enter it at the provider."]
    topic: Annotated[str | None, "The ARN of the Amazon SNS topic; no other is believed."]
    ready: Annotated[bool, "False: the provider's key is missing, and its requests are refused."]
    confirmed_at: Annotated[Time | None, "When Amazon SNS was last answered."]
    last_at: Annotated[Time | None, "When the provider last posted, with proof."]
    events: Annotated[int, "How many events were new."]
    created_at: Time


class NewWebhook(Webhook):
    """A webhook with its password."""

    password: Annotated[str | None, "Of the user `volley`, or a bearer token; null where the provider signs."]


class WebhookList(TypedDict):
    """All webhooks, the newest first."""

    webhooks: list[Webhook]


class ReceivedRow(TypedDict):
    """What became of the emails of one campaign, sender or receiver. `delivered` + `bounced` = `sent`."""

    key: Annotated[int | str | None, "The id of the campaign or sender, or the receiver; null: all others."]
    name: Annotated[str, "What people call it; empty where nobody knows."]
    sent: int
    delivered: Annotated[int, "Accepted by the mail server, and not bounced."]
    bounced: int
    hard: Annotated[int, "Of those that bounced: the mailbox does not exist."]
    soft: Annotated[int, "The mailbox did not take it for some time."]
    policy: Annotated[int, "The message or its sender was not wanted."]
    complained: Annotated[int, "Reported as spam."]
    unsubscribed: Annotated[int, "By the link of the email, and not undone by it."]
    bounce_light: Annotated[Light, "`amber` from 2% of those sent, `red` from 5%, and from 3 bounces."]
    complaint_light: Annotated[Light, "`amber` from 0.1% of those sent, `red` from 0.3%, and from 3 reports."]


class Received(TypedDict):
    """How mail was received."""

    by: Cut
    rows: list[ReceivedRow]
    total: ReceivedRow


class ReceivedOver(Received):
    """How the mail of some days was received."""

    days: int


class ReceivedCampaign(TypedDict):
    """How a campaign was received."""

    receivers: list[ReceivedRow]
    senders: list[ReceivedRow]
    total: ReceivedRow


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
