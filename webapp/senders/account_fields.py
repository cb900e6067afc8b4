"""The fields that programs send for a sender as well as for a mailbox."""

from __future__ import annotations

from mailing.senders.entries import PORTS
from webapp.openapi.fields import Field, Flag, Text, Whole

PORT = Whole(PORTS, "Must be a port from 1 to 65535.")
TRUST = (
    Field(
        "verify", Flag("True: the certificate must be trusted."), "Whether the certificate must be trusted."
    ),
    Field("ca", Text(), "Certificates (PEM) that are trusted instead of the system's."),
)
PASSWORD = Field(
    "password", Text(), "Kept encrypted and never shown. Left out, it stays; empty, it is removed."
)
APPLICATION = (
    Field("tenant", Text(), "Of Microsoft 365; empty for any."),
    Field("client_id", Text(), "Of your own application at the provider."),
    Field("client_secret", Text(), "Of that application; kept as `password` is."),
)


def revision(of: str) -> Field:
    """Return the field that says from which revision of a sender or mailbox a change was made."""
    return Field(
        "revision",
        Whole(range(1, 2**31), "Must be the revision that you read."),
        f"As you read it: if the {of} has changed since, nothing is done.",
    )
