"""Mailboxes from which reports are fetched."""

from typing import Annotated, Literal, TypedDict

from webapp.openapi.shapes.common import ReasonCode, Time


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
