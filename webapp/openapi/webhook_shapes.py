"""The shapes of answers about webhooks of providers, as those in ``shapes``."""

from typing import Annotated, TypedDict

from mailing.feedback.providers import Provider
from webapp.openapi.shapes import Time


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
