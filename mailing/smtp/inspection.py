"""Whether a sender can be used: each stage up to the sign-in, written down as it happens. Nothing is sent."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.smtp.connection import Lost
from mailing.smtp.dialogue import Dialogue
from mailing.smtp.envelope import Mail, NotTaken, commands_for
from mailing.smtp.faults import SmtpError
from mailing.smtp.handshake import open_wire
from mailing.smtp.replies import ACCEPTED, Stage
from mailing.smtp.trial import TIMEOUTS, Outcome

if TYPE_CHECKING:
    from mailing.core.reasons import Words
    from mailing.smtp.account import Sender
    from mailing.smtp.connection import Wire
    from mailing.smtp.envelope import Offers

PATIENCE_S = 45.0
GOODBYE_S = 2.0
SHOWN = 6  # addresses of a host
_TLS_PORT = 465
_SILENCE = frozenset({"smtp.timeout", "smtp.no-dialogue", "smtp.no-reply"})


async def inspect(sender: Sender, dialogue: Dialogue, mail_from: str = "") -> Outcome:
    """Connect, secure the line, say hello, sign in, and take leave, within ``PATIENCE_S``. Never raises.

    With ``mail_from`` the server is asked whether it takes mail from that address, too.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _resolve(sender, dialogue)
            wire, offers = await open_wire(sender, TIMEOUTS, None, None, dialogue)
            try:
                refusal = await _ask(wire, offers, sender, mail_from) if mail_from else None
                await wire.quit(GOODBYE_S)
            finally:
                wire.drop(Reason("connection.closed-here"))
    except SmtpError as error:
        if error.reason.code.startswith("smtp.certificate"):
            await _show_certificate(sender, dialogue)
        return Outcome(accepted=False, words=_plainer(sender, error.reason))
    except Lost as lost:
        return Outcome(accepted=False, words=lost.words)
    except TimeoutError:
        late = Reason("inspection.too-slow", server=sender.server, n=round(PATIENCE_S))
        return Outcome(accepted=False, words=late)
    if refusal is not None:
        return Outcome(accepted=False, words=refusal)
    code = "fine-bare" if not wire.tls else "fine" if sender.username else "fine-open"
    return Outcome(accepted=True, words=Reason(f"inspection.{code}", server=sender.server))


async def _resolve(sender: Sender, dialogue: Dialogue) -> None:
    """Note which addresses the host has. Raises ``SmtpError`` if it has none."""
    try:
        ip_address(sender.host)
    except ValueError:
        pass
    else:
        return
    look_up = asyncio.get_running_loop().getaddrinfo(sender.host, sender.port, type=socket.SOCK_STREAM)
    try:
        async with asyncio.timeout(TIMEOUTS.connect):
            found = await look_up
    except (OSError, UnicodeError, TimeoutError):
        raise SmtpError(Stage.CONNECT, Reason("smtp.unknown-host", host=sender.host)) from None
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    told = Reason("dialogue.resolved", host=sender.host, addresses=addresses[:SHOWN])
    dialogue.note(Stage.CONNECT, told)


async def _ask(wire: Wire, offers: Offers, sender: Sender, mail_from: str) -> Words | None:
    """Return why the server takes no mail from an address; None if it does. Raises ``Lost``."""
    try:
        command = commands_for(Mail(mail_from, mail_from, b"\r\n"), offers)[0]
    except NotTaken as refused:
        return refused.reason
    wire.write(command, 1)
    reply = await wire.reply(TIMEOUTS.command)
    if reply.code // 100 != ACCEPTED:
        return Reason("inspection.from-refused", server=sender.server, address=mail_from, reply=reply.text)
    wire.write(b"RSET\r\n", 1)
    await wire.reply(TIMEOUTS.command)
    return None


async def _show_certificate(sender: Sender, dialogue: Dialogue) -> None:
    """Note what is in a certificate that cannot be trusted, from a connection on which nobody signs in."""
    stranger = replace(sender, username="", password="", auth="", tokens=None, verify=False)
    apart = Dialogue(stranger)
    try:
        async with asyncio.timeout(TIMEOUTS.connect):
            wire, _offers = await open_wire(stranger, TIMEOUTS, None, None, apart)
            await wire.quit(GOODBYE_S)
    except (SmtpError, TimeoutError):
        pass  # it was there a moment ago; what is known is told
    for line in apart.lines:
        if isinstance(line.words, Reason) and line.words.code.startswith("dialogue.certificate"):
            dialogue.note(Stage.TLS, line.words)


def _plainer(sender: Sender, reason: Reason) -> Reason:
    """Return a reason, or what it most likely means for the port that was chosen."""
    if sender.port == _TLS_PORT and sender.tls != "tls" and reason.code in _SILENCE:
        return Reason("inspection.tls-port", server=sender.server)
    return reason
