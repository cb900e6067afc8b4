"""Single emails outside campaigns: an invitation, by the sender and From of the settings, and signed."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, NamedTuple

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.domains import signers
from mailing.messages import compose
from mailing.messages.compose import MergeError, Message
from mailing.messages.headers import write_address
from mailing.senders import opening
from mailing.senders.store import SenderError
from mailing.smtp.envelope import Mail
from mailing.smtp.session import Session, SmtpError, Timeouts
from webapp.http.services import services
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.accounts.invitations import Invitation
    from mailing.core.reasons import Words
    from mailing.domains.dkim import Signer
    from mailing.settings import Settings
    from mailing.smtp.account import Sender

PATIENCE_S = 20.0
_TIMEOUTS = Timeouts(connect=10, greeting=10, command=10, data=10, dot=15)


async def invite(settings: Settings, invitation: Invitation, link: str, inviter: str) -> Words | None:
    """Send the link of an invitation, in the language now; return why that failed, or None."""
    text = "\n\n".join(
        (
            _("%(email)s invites you to Volley.", email="{{ inviter }}"),
            _("Create your account:") + "\n{{ link }}",
            _("The link works once, for 7 days. If you don't know why you got this email, ignore it."),
        )
    )
    message = Message(settings.default_from, _("Invitation to Volley"), text)
    values = {"inviter": inviter, "link": link}
    try:
        way = await services().read(_way, settings)
    except SenderError as refusal:
        return refusal.reason
    return way if isinstance(way, Reason) else await _send(way, invitation.email, message, values)


class Way(NamedTuple):
    """By whom a letter leaves, and who signs it."""

    sender: Sender
    signer: Signer | None


def _way(connection: Connection, settings: Settings) -> Way | Reason:
    """Return how a letter leaves, or why nobody can sign it. Raises ``SenderError``."""
    sender = opening.first(connection, None, settings.secret_key, settings.sender)
    if not sender.signs:
        return Way(sender, None)
    signer = signers.of(connection, settings.default_from, settings.secret_key)
    return signer if isinstance(signer, Reason) else Way(sender, signer)


async def _send(way: Way, to: str, message: Message, values: dict[str, str]) -> Words | None:
    prepared = compose.prepare(message, token=secrets.token_hex(16), domain=None)
    try:
        filled = prepared.fill(1, to, "", values, now_ms())
        recipient = write_address(to)
        data = filled.data
        if way.signer:
            data = way.signer.fields(data, b"", now_ms() // 1000) + data
        mail = Mail(prepared.envelope_from, recipient, data, filled.needs_smtputf8, clean=True)
        async with asyncio.timeout(PATIENCE_S):
            session = await Session.open(way.sender, _TIMEOUTS)
            delivery = await session.deliver(mail)
        await session.close()
    except (MergeError, SmtpError) as error:
        return error.reason
    except TimeoutError:
        return Reason("letter.too-slow", server=way.sender.server, seconds=round(PATIENCE_S))
    return None if delivery.verdict.result is AttemptResult.SENT else delivery.words
