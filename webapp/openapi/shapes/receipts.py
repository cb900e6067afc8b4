"""The shapes of receipts, and of attempts with what was said in them."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from mailing.core.states import CampaignState, RecipientState
from webapp.openapi.shapes.common import Time
from webapp.openapi.shapes.log import LogEntry
from webapp.openapi.shapes.messages import DialogueLine


class Attempt(LogEntry):
    """One delivery attempt with its SMTP dialogue."""

    dialogue: Annotated[
        list[DialogueLine],
        "Line by line, without the message and without what signs in. Empty if it was sent, or is kept no "
        "longer.",
    ]


class Attempts(TypedDict):
    """The attempts to deliver to one recipient, newest first."""

    attempts: Annotated[list[Attempt], "The last 200 of them."]


_From = TypedDict("_From", {"from": Annotated[str, "The From address."]})


class ReceiptMessage(TypedDict):
    """A version of the message, as it was before it was filled for a recipient."""

    version: int
    subject: str
    text_sha256: Annotated[str, "The SHA-256 of the text, in UTF-8."]
    html_sha256: Annotated[str | None, "The same of the HTML."]


class ReceiptCampaign(_From):
    """What a receipt is about."""

    id: int
    state: CampaignState
    rehearses: Annotated[int | None, "Of a rehearsal: the campaign that it is one of. It is sent to nobody."]
    subject: str
    messages: Annotated[list[ReceiptMessage], "The versions of the message, the one that is sent now last."]
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


class ReceiptHead(TypedDict):
    """What the first line of a receipt says."""

    format: Literal[1]
    made_at: Time
    campaign: ReceiptCampaign
    recipients: int
    ledger: Annotated[dict[RecipientState, int], "Recipients by state. They add up to `recipients`."]
    public_key: Annotated[str, "The Ed25519 key whose signature the last line has, in hexadecimal."]


class ReceiptRecipient(TypedDict):
    """A recipient with each attempt."""

    id: int
    email: str
    state: RecipientState
    attempts: Annotated[list[dict[str, Any]], "Oldest first: as in the email log."]


class ReceiptEnd(TypedDict):
    """What the last line of a receipt says: the same counts, of the lines before it."""

    recipients: int
    attempts: int
    ledger: dict[RecipientState, int]


class ReceiptLine(TypedDict):
    """A line of a receipt: `receipt` is the first, `end` the last, and `recipient` each between them."""

    n: Annotated[int, "The number of the line, from 1."]
    receipt: NotRequired[ReceiptHead]
    recipient: NotRequired[ReceiptRecipient]
    end: NotRequired[ReceiptEnd]
    chain: Annotated[
        str,
        "The SHA-256, in hexadecimal, of the `chain` of the line before (32 bytes) and of the bytes of this "
        'line before `,"chain"`. Before the first line it is the SHA-256 of `Volley receipt 1` and a line '
        "feed.",
    ]
    signature: NotRequired[
        Annotated[
            str,
            "The Ed25519 signature, in hexadecimal, of `Volley receipt 1`, a line feed and the last `chain` "
            "(32 bytes).",
        ]
    ]
