"""How mail is received."""

from typing import Annotated, TypedDict

from mailing.internet.findings import Light
from mailing.recipients.received import Cut


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
