"""What the header of a campaign's email says of the list: how to leave it, and what kind of mail it is.

RFC 2369 and RFC 8058 (unsubscribing with one click), RFC 2919 (List-Id), RFC 3834 (no automatic replies),
and Feedback-ID, by which Gmail counts complaints. Pure. Fields for programs are never encoded, and
folded only between two ways to leave: providers drop a List-Unsubscribe that is not so.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from hashlib import sha256

from mailing.suppression import leave_addresses, leave_tokens
from mailing.suppression.leave_tokens import Leaver
from mailing.suppression.purposes import Purpose, scope

PATH = "/u/"  # below it the public pages are; short, as it stands in every email
FIELD = "unsubscribe_url"
"""The merge field with the link."""
_SENDER_ID = 15  # characters of a Feedback-ID's last part, at most
_OTHER = re.compile(r"[^a-z0-9]+")
_QUIET = b"X-Auto-Response-Suppress: OOF, AutoReply\r\n"


@dataclass(frozen=True)
class ListFields:
    """What is the same for all emails of a campaign, and how each gets a link of its own.

    ``site`` is the public URL, empty where none is known yet. A rehearsal has links that do nothing.
    ``mark_key`` marks its Message-IDs (``messages.message_ids``).
    ``mail_domain`` is where emails to unsubscribe are taken, with the bounces; empty where they are not.
    """

    campaign_id: int
    purpose: Purpose
    installation: str
    key: str
    site: str
    rehearsal: bool = False
    mark_key: bytes = field(default=b"", repr=False)
    mail_domain: str = ""

    @property
    def offered(self) -> bool:
        """Whether mail programs are offered a button: it takes HTTPS (RFC 8058 section 3.1)."""
        return not self.purpose.transactional and self.site.startswith("https://")

    def link(self, recipient_id: int, email: str) -> str:
        """Return the URL by which a recipient unsubscribes; empty where no public URL is known."""
        if not self.site:
            return ""
        whom = Leaver(self.campaign_id, recipient_id, self.purpose.topic, "" if self.rehearsal else email)
        return f"{self.site}{PATH}{leave_tokens.seal(self.key, whom)}"

    def lines(self, domain: str) -> bytes:
        """Return the fields that are the same for everybody; ``domain`` is that of the Message-IDs."""
        kind = "transactional" if self.purpose.transactional else "bulk"
        label = slug(self.purpose.topic) or kind
        feedback = f"c{self.campaign_id}:{label}:{kind}:{self.installation[:_SENDER_ID]}"
        fields = f"Feedback-ID: {feedback}\r\n".encode()
        if self.purpose.transactional:
            return fields + b"Auto-Submitted: auto-generated\r\n" + _QUIET
        return f"List-Id: <{label}.{domain}>\r\n".encode() + fields + b"Precedence: bulk\r\n" + _QUIET

    def unsubscribing(self, recipient_id: int, email: str, link: str) -> bytes:
        """Return the fields by which mail programs unsubscribe: with one click, by an email, or both.

        The better way comes first (RFC 2369 section 3.2). Empty where neither is offered.
        """
        ways = [f"<{link}>"] if self.offered else []
        if self.mail_domain and not (self.rehearsal or self.purpose.transactional):
            local = leave_addresses.make(self.key, self.campaign_id, recipient_id, email)
            ways.append(f"<mailto:{local}@{self.mail_domain}?subject=unsubscribe>")
        if not ways:
            return b""
        post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if self.offered else ""
        joined = ",\r\n ".join(ways)
        return f"List-Unsubscribe: {joined}\r\n{post}".encode()


def slug(topic: str) -> str:
    """Return a topic as a label of ASCII letters; what has others gets a mark by which it stays apart."""
    folded = scope(topic)
    plain = unicodedata.normalize("NFKD", folded.replace("đ", "d"))
    label = _OTHER.sub("-", "".join(it for it in plain if not unicodedata.combining(it))).strip("-")
    if label.replace("-", " ") == folded:
        return label
    return "-".join(filter(None, (label[:40], sha256(folded.encode()).hexdigest()[:6]))) if folded else ""
