"""What came back, what follows from it, and the webhooks by which it comes."""

from typing import Annotated, Literal, TypedDict

from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.reading import Kind
from mailing.feedback.providers import Provider
from webapp.openapi.shapes.common import Time


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
