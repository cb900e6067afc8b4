"""Presets: what is known of well-known mail servers, so that nobody has to look it up.

Each quota is the one that the provider publishes for its usual plan, looked up when ``source`` says. A plan
may have another: limits are there to be changed. The hint is worded in ``wording.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailing.core.reasons import Reason
from mailing.senders.entries import Entry
from mailing.senders.limits import NONE, Limits

if TYPE_CHECKING:
    from mailing.smtp.account import AuthWay, TlsMode


@dataclass(frozen=True, slots=True)
class Preset:
    """A mail server. ``username`` is what everybody signs in with; empty: each has their own.

    ``connections`` is how many one worker process opens; none: as the setting says.
    """

    key: str
    name: str
    host: str = ""
    port: int = 587
    tls: TlsMode = "starttls"
    auth: AuthWay = ""
    username: str = ""
    provider: str = ""
    limits: Limits = NONE
    connections: int | None = None
    source: str = ""

    def entered(self, **more: Any) -> Entry:
        """Return it as somebody enters it who knows the rest."""
        known = {
            "name": self.name,
            "host": self.host,
            "port": self.port,
            "tls": self.tls,
            "username": self.username,
            "limits": self.limits,
            "connections": self.connections,
        }
        if not more.get("password"):  # who gives one signs in with it
            known |= {"auth": self.auth, "provider": self.provider}
        return Entry(**{**known, **more, "preset": self.key})

    @property
    def hint(self) -> Reason:
        """What to know of it."""
        return Reason(f"preset.{self.key}")


PRESETS = {
    preset.key: preset
    for preset in (
        Preset("relay", "SMTP", tls="opportunistic", port=25),
        Preset(
            "gmail",
            "Gmail",
            "smtp.gmail.com",
            auth="xoauth2",
            provider="google",
            limits=Limits(per_24h=500),
            source="https://support.google.com/mail/answer/22839; 2026-11-26",
        ),
        Preset(
            "workspace",
            "Google Workspace",
            "smtp.gmail.com",
            auth="xoauth2",
            provider="google",
            limits=Limits(per_24h=2_000),
            source="https://support.google.com/a/answer/166852; 2026-11-26",
        ),
        Preset(
            "microsoft",
            "Microsoft 365",
            "smtp.office365.com",
            auth="xoauth2",
            provider="microsoft",
            limits=Limits(per_minute=30, per_24h=10_000),
            connections=1,  # it takes three at once from one mailbox, and there are several workers
            source="Exchange Online limits, sending limits and SMTP AUTH; 2026-11-26",
        ),
        Preset(
            "ses",
            "Amazon SES",
            "email-smtp.us-east-1.amazonaws.com",
            source="Amazon SES developer guide, SMTP endpoints and quotas; 2026-11-26",
        ),
        Preset(
            "sendgrid",
            "SendGrid",
            "smtp.sendgrid.net",
            username="apikey",
            source="https://www.twilio.com/docs/sendgrid/for-developers/sending-email; 2026-11-26",
        ),
        Preset(
            "mailgun",
            "Mailgun",
            "smtp.mailgun.org",
            source="https://documentation.mailgun.com, sending via SMTP; 2026-11-26",
        ),
        Preset(
            "postmark",
            "Postmark",
            "smtp-broadcasts.postmarkapp.com",
            source="https://postmarkapp.com/developer/user-guide/send-email-with-smtp; 2026-11-26",
        ),
        Preset(
            "brevo",
            "Brevo",
            "smtp-relay.brevo.com",
            source="https://developers.brevo.com, SMTP relay; 2026-11-26",
        ),
    )
}
"""By their keys, in the order in which they are offered."""
OWN = "relay"  # a server of one's own, of which nothing is known
