"""Single emails outside campaigns: an invitation, by the sender and From of the settings."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.messages import compose
from mailing.messages.compose import MergeError, Message
from mailing.messages.headers import write_address
from mailing.smtp.envelope import Mail
from mailing.smtp.session import Session, SmtpError, Timeouts
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from mailing.accounts.invitations import Invitation
    from mailing.core.reasons import Words
    from mailing.settings import Settings

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
    return await _send(settings, invitation.email, message, {"inviter": inviter, "link": link})


async def _send(settings: Settings, to: str, message: Message, values: dict[str, str]) -> Words | None:
    prepared = compose.prepare(message, token=secrets.token_hex(16), domain=None)
    try:
        filled = prepared.fill(1, to, "", values, now_ms())
        recipient = write_address(to)
        mail = Mail(prepared.envelope_from, recipient, filled.data, filled.needs_smtputf8, clean=True)
        async with asyncio.timeout(PATIENCE_S):
            session = await Session.open(settings.sender, _TIMEOUTS)
            delivery = await session.deliver(mail)
        await session.close()
    except (MergeError, SmtpError) as error:
        return error.reason
    except TimeoutError:
        return Reason("letter.too-slow", server=settings.sender.server, seconds=round(PATIENCE_S))
    return None if delivery.verdict.result is AttemptResult.SENT else delivery.words
