"""From nothing to a connection that takes mail: connect, TLS, EHLO, AUTH. aiosmtplib does the talking."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

import aiosmtplib

from mailing.replies import Reply, Stage, Verdict, classify, reply_from
from mailing.states import AttemptResult
from mailing.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.senders import Sender
    from mailing.wire import Timeouts

_NOT_IMPLEMENTED = frozenset({500, 501, 502, 504, 534})
"""Codes that refuse a way to sign in, not the password: another way may do (RFC 4954 section 4)."""


class SmtpError(Exception):
    """No connection could be opened. ``stage`` and ``reply`` tell where and what the server said.

    ``verdict`` is what it means for the mail that waits. A certificate that fails and a server that
    lacks what the account needs stay that way until a person acts: the sender's fault. A server that is
    down is nobody's.
    """

    def __init__(
        self, stage: Stage, message: str, reply: Reply | None = None, *, lasts: bool = False
    ) -> None:
        super().__init__(message)
        self.stage = stage
        self.reply = reply
        if reply is not None:
            self.verdict = classify(stage, reply)
        elif lasts:
            self.verdict = Verdict(AttemptResult.RETURNED, close=True, sender_fault=True)
        else:
            self.verdict = Verdict(AttemptResult.DEFERRED, close=True)


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server announced in its last EHLO. ``size`` is the largest message in bytes, 0 if unsaid."""

    pipelining: bool
    eight_bit: bool
    smtputf8: bool
    size: int


@cache
def _verifying() -> ssl.SSLContext:
    """Return the context that verifies by the system's authorities. Loading them takes 20 ms: once."""
    return ssl.create_default_context()


async def open_wire(
    sender: Sender, timeouts: Timeouts, hello_name: str | None, ssl_context: ssl.SSLContext | None
) -> tuple[Wire, Offers]:
    """Connect to ``sender``'s server and get ready for MAIL. Raises ``SmtpError``."""
    client = aiosmtplib.SMTP(
        hostname=sender.host,
        port=sender.port,
        local_hostname=hello_name or "localhost",
        use_tls=sender.tls == "tls",
        start_tls=False,
        tls_context=ssl_context or (_verifying() if sender.tls != "none" else None),
        timeout=timeouts.command,
    )
    try:
        await _connect(client, sender, timeouts)
        name = hello_name or _own_name(client)
        await _hello(client, sender, name)
        if sender.tls == "starttls":
            await _start_tls(client, sender)
            await _hello(client, sender, name)
        if sender.username:
            await _sign_in(client, sender)
    except BaseException:
        if client.transport is not None:
            cast("asyncio.Transport", client.transport).abort()
        raise
    if client.transport is None:
        raise SmtpError(Stage.HELLO, f"{sender.server} closed the connection as soon as it was open.")
    size = client.esmtp_extensions.get("size", "")
    offers = Offers(
        pipelining=client.supports_extension("pipelining"),
        eight_bit=client.supports_extension("8bitmime"),
        smtputf8=client.supports_extension("smtputf8"),
        size=int(size) if size.isascii() and size.isdigit() and len(size) <= 20 else 0,  # noqa: PLR2004 - RFC 1870
    )
    return Wire(cast("asyncio.Transport", client.transport), timeouts), offers


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
                with _speaking(sender, Stage.GREETING):
                    await client.connect(timeout=max(timeouts.connect, timeouts.greeting))
            finally:
                timer.cancel()
    except TimeoutError as exc:
        raise SmtpError(
            Stage.CONNECT, f"{sender.server} did not answer within {timeouts.connect:g} seconds."
        ) from exc


async def _hello(client: aiosmtplib.SMTP, sender: Sender, name: str) -> None:
    with _speaking(sender, Stage.HELLO):
        try:
            await client.ehlo(hostname=name)
        except aiosmtplib.SMTPHeloError as exc:
            if exc.code not in _NOT_IMPLEMENTED or not client.is_connected:
                raise
            await client.helo(hostname=name)


async def _start_tls(client: aiosmtplib.SMTP, sender: Sender) -> None:
    if not client.supports_extension("starttls"):
        raise SmtpError(
            Stage.TLS,
            f"{sender.server} offers no STARTTLS. Nothing was sent unprotected; check the port, or use "
            "smtps:// or smtp:// for this sender.",
            lasts=True,
        )
    with _speaking(sender, Stage.TLS):
        await client.starttls()


async def _sign_in(client: aiosmtplib.SMTP, sender: Sender) -> None:
    """Sign in by the first way that both sides know. A refused password is not tried again another way.

    ``aiosmtplib.SMTP.login`` would, and three wrong passwords on each connection lock accounts.
    """
    ways = {"cram-md5": client.auth_crammd5, "plain": client.auth_plain, "login": client.auth_login}
    refusal: aiosmtplib.SMTPAuthenticationError | None = None
    with _speaking(sender, Stage.AUTH):
        for way in client.supported_auth_methods:
            try:
                await ways[way](sender.username, sender.password)
            except aiosmtplib.SMTPAuthenticationError as exc:
                refusal = exc
                if exc.code not in _NOT_IMPLEMENTED or not client.is_connected:
                    break
            else:
                return
        if refusal is not None:
            raise refusal
    raise SmtpError(
        Stage.AUTH,
        f"{sender.server} offers no sign-in that Volley knows (PLAIN, LOGIN, CRAM-MD5). It may want TLS "
        "first, or no user name at all.",
        lasts=True,
    )


@contextmanager
def _speaking(sender: Sender, stage: Stage) -> Iterator[None]:
    """Turn whatever goes wrong inside into one ``SmtpError``."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as exc:
        if exc.code < 0:
            raise SmtpError(stage, f"{sender.server} sent no SMTP reply: {exc.message[:200]}") from exc
        reply = reply_from(exc.code, exc.message)
        raise SmtpError(stage, f"{sender.server} refused: {reply.text}", reply) from exc
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as exc:
        cause = exc.__cause__ or exc
        if isinstance(exc, aiosmtplib.SMTPConnectError) and not isinstance(cause, aiosmtplib.SMTPException):
            stage = Stage.CONNECT  # aiosmtplib raises the same for the greeting, but caused by its own
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise SmtpError(
                Stage.TLS,
                f"The certificate of {sender.server} is not to be trusted: {cause.verify_message} "
                "Nothing was sent. Use the host name that the certificate names, or have it mended.",
                lasts=True,
            ) from exc
        stage = Stage.TLS if isinstance(cause, ssl.SSLError) else stage
        what = "could not be reached" if stage is Stage.CONNECT else "could not be talked to"
        raise SmtpError(stage, f"{sender.server} {what} ({stage}): {cause}") from exc


def _own_name(client: aiosmtplib.SMTP) -> str:
    """Return the name to say in EHLO: this machine's or its address (RFC 5321 section 4.1.4)."""
    name = socket.gethostname()
    if "." in name:
        return name
    address = client.get_transport_info("sockname")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
