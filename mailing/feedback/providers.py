"""The providers whose webhooks are understood, and how each shows that it is the provider."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Provider(StrEnum):
    """A provider, as its address names it: ``/hooks/<provider>/<id>``."""

    SES = "ses"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    POSTMARK = "postmark"
    BREVO = "brevo"
    SPARKPOST = "sparkpost"


class Proof(StrEnum):
    """By what a request is known."""

    TOPIC = "topic"  # Amazon signs it, for a topic that is pinned
    KEY = "key"  # the provider has a key, and shows it at the webhook
    PASSWORD = "password"  # noqa: S105 - of Volley's making, given to the provider


NAMES: Mapping[Provider, str] = {
    Provider.SES: "Amazon SES",
    Provider.SENDGRID: "SendGrid",
    Provider.MAILGUN: "Mailgun",
    Provider.POSTMARK: "Postmark",
    Provider.BREVO: "Brevo",
    Provider.SPARKPOST: "SparkPost",
}
PROOFS: Mapping[Provider, Proof] = {
    Provider.SES: Proof.TOPIC,
    Provider.SENDGRID: Proof.KEY,
    Provider.MAILGUN: Proof.KEY,
    Provider.POSTMARK: Proof.PASSWORD,
    Provider.BREVO: Proof.PASSWORD,
    Provider.SPARKPOST: Proof.PASSWORD,
}
