"""From nothing to a connection that takes mail: connect, TLS, EHLO, AUTH. aiosmtplib does the talking."""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

import aiosmtplib

from mailing.core.reasons import Reason
from mailing.smtp.account import DEMO_INBOX
from mailing.smtp.connection import Wire
from mailing.smtp.envelope import Offers
from mailing.smtp.faults import SmtpError, speaking
from mailing.smtp.overheard import OverheardClient, OverheardWire
from mailing.smtp.replies import Stage
from mailing.smtp.sign_in import sign_in

if TYPE_CHECKING:
    from mailing.smtp.account import Sender
    from mailing.smtp.connection import Timeouts
    from mailing.smtp.dialogue import Dialogue

_NOT_IMPLEMENTED = frozenset({500, 501, 502, 504})  # EHLO, which is older than some servers
_CONTEXTS = 32  # of TLS that are kept, for as many kinds of trust
_DIGITS = 20  # of a SIZE (RFC 1870 section 3)


@lru_cache(maxsize=_CONTEXTS)
def _trusting(ca: str, *, verify: bool) -> ssl.SSLContext:
    """Return a context that trusts these authorities, or the system's. Loading them takes 20 ms: once."""
    context = ssl.create_default_context(cadata=ca or None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def open_wire(
    sender: Sender,
    timeouts: Timeouts,
    hello_name: str | None,
    ssl_context: ssl.SSLContext | None,
    dialogue: Dialogue,
    *,
    overheard: bool = True,
) -> tuple[Wire, Offers]:
    """Connect to ``sender``'s server and get ready for MAIL. Raises ``SmtpError``.

    All that is said goes into the ``dialogue``, and what is said later too if the wire is ``overheard``.
    """
    trust = None
    if sender.tls != "none":
        trust = ssl_context or _trusting(sender.ca, verify=sender.verify)
    client = OverheardClient(
        dialogue,
        hostname=sender.host,
        port=sender.port,
        local_hostname=hello_name or "localhost",
        use_tls=sender.tls == "tls",
        start_tls=False,
        tls_context=trust,
        timeout=timeouts.command,
    )
    try:
        await _connect(client, sender, timeouts)
        name = hello_name or _own_name(client)
        await _hello(client, sender, name)
        secured = sender.tls == "tls"
        if sender.tls in {"starttls", "opportunistic"} and await _start_tls(client, sender):
            secured = True
            await _hello(client, sender, name)
        if sender.username:
            await sign_in(client, sender, dialogue, secured=secured)
    except BaseException as error:
        if client.transport is not None:
            cast("asyncio.Transport", client.transport).abort()
        if sender.demo and isinstance(error, SmtpError) and error.reply is None:
            raise _no_demo_inbox(sender, error.stage) from error
        raise
    if client.transport is None:
        raise SmtpError(Stage.HELLO, Reason("smtp.closed", server=sender.server))
    offers = Offers(
        pipelining=client.supports_extension("pipelining"),
        eight_bit=client.supports_extension("8bitmime"),
        smtputf8=client.supports_extension("smtputf8"),
        size=_figure(client.esmtp_extensions.get("size", "")),
        mailmax=_limits(client.esmtp_extensions.get("limits", "")).get("MAILMAX", 0),
    )
    kind = partial(OverheardWire, dialogue) if overheard else Wire
    return kind(cast("asyncio.Transport", client.transport), timeouts), offers


def _no_demo_inbox(sender: Sender, stage: Stage) -> SmtpError:
    """Return that whatever is there, if anything is, must not get what is rehearsed."""
    return SmtpError(stage, Reason("smtp.no-demo-inbox", server=sender.server), lasts=True)


def _figure(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def _limits(text: str) -> dict[str, int]:
    """Read ``MAILMAX=20 RCPTMAX=100`` (RFC 9422 section 3)."""
    pairs = (part.partition("=") for part in text.split())
    return {name.upper(): _figure(value) for name, _, value in pairs}


async def _connect(client: aiosmtplib.SMTP, sender: Sender, timeouts: Timeouts) -> None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:

            def give_up_unless_connected() -> None:
                if client.transport is None:
                    limit.reschedule(loop.time())

            # aiosmtplib has one timeout for the connection and the greeting; we wait less for the first
            timer = loop.call_later(timeouts.connect, give_up_unless_connected)
            try:
                with speaking(sender, Stage.GREETING):
                    await client.connect(timeout=max(timeouts.connect, timeouts.greeting))
            finally:
                timer.cancel()
    except TimeoutError as exc:
        late = Reason("smtp.timeout", server=sender.server, n=f"{timeouts.connect:g}")
        raise SmtpError(Stage.CONNECT, late) from exc


async def _hello(client: aiosmtplib.SMTP, sender: Sender, name: str) -> None:
    with speaking(sender, Stage.HELLO):
        try:
            await client.ehlo(hostname=name)
        except aiosmtplib.SMTPHeloError as exc:
            if exc.code not in _NOT_IMPLEMENTED or not client.is_connected:
                raise
            await client.helo(hostname=name)
    if sender.demo and not client.supports_extension(DEMO_INBOX.lower()):
        raise _no_demo_inbox(sender, Stage.HELLO)


async def _start_tls(client: aiosmtplib.SMTP, sender: Sender) -> bool:
    """Secure the line; return whether it is, which it need not be for a sender that takes what it gets."""
    optional = sender.tls == "opportunistic"
    if not client.supports_extension("starttls"):
        if optional:
            return False
        raise SmtpError(Stage.TLS, Reason("smtp.no-starttls", server=sender.server), lasts=True)
    try:
        with speaking(sender, Stage.TLS):
            await client.starttls()
    except SmtpError as error:
        if optional and error.reply is not None and client.is_connected:  # 454: not now (RFC 3207 section 4)
            return False
        raise
    return True


def _own_name(client: aiosmtplib.SMTP) -> str:
    """Return the name to say in EHLO: this machine's or its address (RFC 5321 section 4.1.4)."""
    name = socket.gethostname()
    if "." in name:
        return name
    address = client.get_transport_info("sockname")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
