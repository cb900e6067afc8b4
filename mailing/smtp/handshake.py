"""From nothing to a connection that takes mail: connect, TLS, EHLO, AUTH. aiosmtplib does the talking."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import contextmanager
from functools import cache, partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, NoReturn, cast

import aiosmtplib

from mailing.core.reasons import Reason, ReasonError
from mailing.smtp import verdicts
from mailing.smtp.account import DEMO_INBOX
from mailing.smtp.connection import Wire
from mailing.smtp.envelope import Offers
from mailing.smtp.overheard import OverheardClient, OverheardWire
from mailing.smtp.replies import Stage, reply_from
from mailing.smtp.verdicts import classify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.core.reasons import Value
    from mailing.smtp.account import Sender
    from mailing.smtp.connection import Timeouts
    from mailing.smtp.dialogue import Dialogue
    from mailing.smtp.replies import Reply

_NOT_IMPLEMENTED = frozenset({500, 501, 502, 504, 534})
"""Codes that refuse a way to sign in, not the password: another way may do (RFC 4954 section 4)."""
_WRONG_PASSWORD = 535
_PRIVATELY = ("plain", "login", "cram-md5")
_OPENLY = ("cram-md5", "plain", "login")  # CRAM-MD5 does not show the password to who reads along
_DIGITS = 20  # of a SIZE (RFC 1870 section 3)


class SmtpError(ReasonError):
    """No connection could be opened. ``stage`` and ``reply`` tell where and what the server said.

    ``verdict`` is what it means for the mail that waits. A certificate that fails and a server that
    lacks what the account needs stay that way until a person acts: the sender's fault. A server that is
    down is nobody's.
    """

    def __init__(
        self,
        stage: Stage,
        reason: Reason,
        reply: Reply | None = None,
        *,
        server: str = "",
        lasts: bool = False,
    ) -> None:
        super().__init__(reason)
        self.stage = stage
        self.reply = reply
        if reply is not None:
            self.verdict = classify(stage, reply, server)
        else:
            self.verdict = verdicts.of(verdicts.STOPPED if lasts else verdicts.LATER, close=True)


@cache
def _verifying() -> ssl.SSLContext:
    """Return the context that verifies by the system's authorities. Loading them takes 20 ms: once."""
    return ssl.create_default_context()


async def open_wire(
    sender: Sender,
    timeouts: Timeouts,
    hello_name: str | None,
    ssl_context: ssl.SSLContext | None,
    dialogue: Dialogue | None = None,
) -> tuple[Wire, Offers]:
    """Connect to ``sender``'s server and get ready for MAIL. Raises ``SmtpError``.

    All that is said, now and later, goes into a ``dialogue``.
    """
    client = (partial(OverheardClient, dialogue) if dialogue else aiosmtplib.SMTP)(
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
    kind = partial(OverheardWire, dialogue) if dialogue else Wire
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
                with _speaking(sender, Stage.GREETING):
                    await client.connect(timeout=max(timeouts.connect, timeouts.greeting))
            finally:
                timer.cancel()
    except TimeoutError as exc:
        late = Reason("smtp.timeout", server=sender.server, n=f"{timeouts.connect:g}")
        raise SmtpError(Stage.CONNECT, late) from exc


async def _hello(client: aiosmtplib.SMTP, sender: Sender, name: str) -> None:
    with _speaking(sender, Stage.HELLO):
        try:
            await client.ehlo(hostname=name)
        except aiosmtplib.SMTPHeloError as exc:
            if exc.code not in _NOT_IMPLEMENTED or not client.is_connected:
                raise
            await client.helo(hostname=name)
    if sender.demo and not client.supports_extension(DEMO_INBOX.lower()):
        raise _no_demo_inbox(sender, Stage.HELLO)


async def _start_tls(client: aiosmtplib.SMTP, sender: Sender) -> None:
    if not client.supports_extension("starttls"):
        raise SmtpError(Stage.TLS, Reason("smtp.no-starttls", server=sender.server), lasts=True)
    with _speaking(sender, Stage.TLS):
        await client.starttls()


async def _sign_in(client: aiosmtplib.SMTP, sender: Sender) -> None:
    """Sign in by the way that the sender names, or the best that both sides know.

    On a line that nobody reads along PLAIN is that: some servers offer CRAM-MD5 and cannot check it, as it
    needs the password itself. A refused password is not tried again another way: three on each of many
    connections lock accounts (``aiosmtplib.SMTP.login`` does).
    """
    ways = {"cram-md5": client.auth_crammd5, "plain": client.auth_plain, "login": client.auth_login}
    private = sender.tls != "none" or _is_loopback(client)
    offered = client.supported_auth_methods
    chosen = [way for way in (_PRIVATELY if private else _OPENLY) if way in offered]
    if sender.auth:
        chosen = [sender.auth] if sender.auth in offered else []
    with _speaking(sender, Stage.AUTH):
        for way in chosen:
            try:
                await ways[way](sender.username, sender.password)
            except aiosmtplib.SMTPAuthenticationError as exc:
                if way != chosen[-1] and exc.code in _NOT_IMPLEMENTED and client.is_connected:
                    continue
                _refuse_to_sign_in(sender, exc, way, offered)
            else:
                return
    if sender.auth:
        others = tuple(offered) or Reason("smtp.none")
        missing = Reason("smtp.sign-in-not-offered", server=sender.server, way=sender.auth, ways=others)
        raise SmtpError(Stage.AUTH, missing, lasts=True)
    raise SmtpError(Stage.AUTH, Reason("smtp.no-sign-in", server=sender.server), lasts=True)


def _refuse_to_sign_in(
    sender: Sender, refusal: aiosmtplib.SMTPAuthenticationError, way: str, offered: Sequence[str]
) -> NoReturn:
    reply = reply_from(refusal.code, refusal.message)
    said: dict[str, Value] = {"server": sender.server, "way": way.upper(), "reply": reply.text}
    others = [f"?auth={other}" for other in _PRIVATELY if other in offered and other != way]
    reason = Reason("smtp.sign-in-refused", **said)
    if others and refusal.code == _WRONG_PASSWORD:
        reason = Reason("smtp.sign-in-refused-others", **said, ways=tuple(others))
    raise SmtpError(Stage.AUTH, reason, reply, server=sender.server) from refusal


def _is_loopback(client: aiosmtplib.SMTP) -> bool:
    peer = client.get_transport_info("peername")
    return bool(peer) and ip_address(peer[0].partition("%")[0]).is_loopback


@contextmanager
def _speaking(sender: Sender, stage: Stage) -> Iterator[None]:
    """Turn whatever goes wrong inside into one ``SmtpError``."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as exc:
        if exc.code < 0:
            odd = Reason("smtp.no-reply", server=sender.server, reply=exc.message[:200])
            raise SmtpError(stage, odd) from exc
        reply = reply_from(exc.code, exc.message)
        refused = Reason("smtp.refused", server=sender.server, reply=reply.text)
        raise SmtpError(stage, refused, reply, server=sender.server) from exc
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as exc:
        cause = exc.__cause__ or exc
        if isinstance(exc, aiosmtplib.SMTPConnectError) and not isinstance(cause, aiosmtplib.SMTPException):
            stage = Stage.CONNECT  # aiosmtplib raises the same for the greeting, but caused by its own
        if isinstance(cause, ssl.SSLCertVerificationError):
            untrusted = Reason("smtp.certificate", server=sender.server, said=cause.verify_message)
            raise SmtpError(Stage.TLS, untrusted, lasts=True) from exc
        stage = Stage.TLS if isinstance(cause, ssl.SSLError) else stage
        code = "smtp.unreachable" if stage is Stage.CONNECT else "smtp.no-dialogue"
        raise SmtpError(
            stage, Reason(code, server=sender.server, stage=stage.value, said=str(cause))
        ) from exc


def _own_name(client: aiosmtplib.SMTP) -> str:
    """Return the name to say in EHLO: this machine's or its address (RFC 5321 section 4.1.4)."""
    name = socket.gethostname()
    if "." in name:
        return name
    address = client.get_transport_info("sockname")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
