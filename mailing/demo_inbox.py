"""The demo inbox: an SMTP server from which nothing leaves this machine, so that anyone can press Send.

Its answer depends on how the local part of the address ends, so that every state can be seen:

===========  =============================================================================
``+bounce``  550 5.1.1, no such mailbox
``+full``    452 4.2.2, mailbox full, every time
``+later``   451 4.7.1 after the dot of each message's first try, accepted on its next
``+slow``    accepted two seconds after the dot
``+drop``    received, but the connection is closed after the dot without a reply (RFC 1047)
anything     250 2.0.0 after the dot, with the number that the message has on the page
===========  =============================================================================

A message is told from others to the same address by its Message-ID, which is the same at each try, so any
number of campaigns and connections may ask at once.

What it accepted is kept in the ``demo_inbox_file``.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import sqlite3
import sys
from contextlib import closing, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import uvloop
from aiosmtpd.smtp import SMTP

from mailing.core.terminal import say, stop_on_signal
from mailing.demo_inbox_file import FILE, HEAD_LIMIT, Store
from mailing.foreign.mail import subject_and_id
from mailing.settings import load_or_exit
from mailing.sites import LOOPBACK_NAMES
from mailing.smtp.account import DEMO_INBOX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aiosmtpd.smtp import Envelope, Session

SIZE_LIMIT = 10 * 1024 * 1024  # bytes accepted of one message (RFC 1870)
RECIPIENTS_LIMIT = 10_000  # of one message (RFC 5321 section 4.5.3.1.8 asks for a hundred)
SLOW_S = 2.0
GOODBYE_S = 0.5  # how long clients that stop at the same moment may take to finish


class Answers:
    """What each address is told: the hooks of aiosmtpd."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def handle_EHLO(  # noqa: N802, D102
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        # aiosmtpd reads from a buffer and answers in order, which is all that RFC 2920 asks of a server.
        # One string makes one packet of it, where a list makes one for each line.
        return ["\r\n".join([*responses[:-1], "250-PIPELINING", f"250-{DEMO_INBOX}", responses[-1]])]

    async def handle_MAIL(  # noqa: N802, D102
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not _is_text(address):
            return "553 5.1.7 The address holds bytes that are not UTF-8"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802, D102
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if not _is_text(address):
            return "553 5.1.3 The address holds bytes that are not UTF-8"
        match _rule(address):
            case "bounce":
                return f"550 5.1.1 <{address}>: there is no such mailbox here"
            case "full":
                return f"452 4.2.2 <{address}>: mailbox full"
        if len(envelope.rcpt_tos) >= RECIPIENTS_LIMIT:
            return f"452 4.5.3 {RECIPIENTS_LIMIT} recipients are enough for one message"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Recipient OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802, D102
        rules = {_rule(address): address for address in envelope.rcpt_tos}
        if "later" in rules and self.store.first_try(_identities(envelope)):
            return f"451 4.7.1 <{rules['later']}>: greylisted, please try again later"
        numbers = self.store.add(envelope.mail_from or "", envelope.rcpt_tos, _content(envelope))
        if "drop" in rules and server.transport is not None:
            server.transport.close()
            await asyncio.sleep(SLOW_S)  # aiosmtpd cancels this as soon as the connection is gone: no reply
        if "slow" in rules:
            await asyncio.sleep(SLOW_S)
        if len(numbers) > 1:
            return f"250 2.0.0 Accepted as messages {numbers[0]} to {numbers[-1]}"
        return f"250 2.0.0 Accepted as message {numbers[0]}"


def _identities(envelope: Envelope) -> list[bytes]:
    """Return what is the same at each try to bring a message to a ``+later`` address."""
    content = _content(envelope)
    message = (subject_and_id(content[:HEAD_LIMIT])[1].encode() or content).strip()
    return [
        sha256(address.lower().encode() + b"\0" + message).digest()
        for address in envelope.rcpt_tos
        if _rule(address) == "later"
    ]


def _content(envelope: Envelope) -> bytes:
    return envelope.original_content or b""


def _is_text(address: str) -> bool:
    """Whether an address has no bytes that aiosmtpd could not decode."""
    return not any("\ud800" <= character <= "\udfff" for character in address)


def _rule(address: str) -> str:
    local = address.rpartition("@")[0].strip('"').lower()
    return local.rpartition("+")[2] if "+" in local else ""


class _Connection(SMTP):
    """One client's connection, listed in ``connections`` while it lives."""

    def __init__(self, answers: Answers, connections: set[_Connection]) -> None:
        super().__init__(
            answers,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname="inbox.volley.invalid",
            ident="Volley demo inbox",
            loop=asyncio.get_running_loop(),
        )
        self.connections = connections
        self.gone = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.connections.discard(self)
        self.gone.set()
        super().connection_lost(error)


async def serve(host: str, port: int, path: Path) -> None:
    """Receive mail on ``host``:``port`` until SIGTERM or SIGINT.

    Raises ``OSError`` if the port cannot be had, ``sqlite3.Error`` if the file cannot be written.
    """
    stop = stop_on_signal()
    connections: set[_Connection] = set()
    answers: Answers
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(answers, connections), host, port, start_serving=False
    )
    with closing(server):
        store = Store(path)  # only now: a second inbox fails at the port and leaves the file alone
        answers = Answers(store)
        await server.start_serving()
        say(f"Demo inbox on {host}:{port}: mail sent there is not delivered.")
        writing = asyncio.create_task(store.write())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({writing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    await _let_go(connections)
    store.end()
    await writing
    store.close()


async def _let_go(connections: set[_Connection]) -> None:
    """Wait for clients that are stopping as well, then hang up on the others."""
    with suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await asyncio.gather(*(connection.gone.wait() for connection in connections))
    for connection in connections:
        if connection.transport is not None:
            connection.transport.close()


async def _stand_by(why: str) -> None:
    """Keep the place in the Procfile, where the end of one process ends all."""
    stop = stop_on_signal()
    say(why)
    await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the inbox where rehearsals look for it, or elsewhere. Only mail that needs it misses it."""
    parser = argparse.ArgumentParser(
        prog="python -m mailing.demo_inbox", description="Volley's demo SMTP server."
    )
    parser.add_argument("--host", help="default: that of VOLLEY_DEMO_INBOX; 0.0.0.0 for other machines")
    parser.add_argument("--port", type=int, help="default: that of VOLLEY_DEMO_INBOX")
    options = parser.parse_args(arguments)
    settings = load_or_exit()
    usual = settings.demo_inbox
    if options.host is None and options.port is None and usual.host not in LOOPBACK_NAMES:
        uvloop.run(_stand_by(f"VOLLEY_DEMO_INBOX names {usual.server}, so no demo inbox starts here."))
        return
    local = usual.host if usual.host in LOOPBACK_NAMES else "127.0.0.1"
    host, port = options.host or local, options.port or usual.port
    path = settings.instance / FILE
    try:
        uvloop.run(serve(host, port, path))
    except sqlite3.Error as error:
        sys.exit(f"The demo inbox cannot use {path}: {error}. Delete that file, or free disk space.")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            sys.exit(f"The demo inbox cannot listen on {host}:{port}: {error.strerror}.")
        taken = (
            f"{host}:{port} is in use by another program, so the demo inbox cannot start. Stop that program,"
        )
        if options.port is not None or settings.sender.server == usual.server:
            url = f"smtp://localhost:{port}"
            sys.exit(f"{taken} send to it with VOLLEY_SMTP_URL={url}, or choose another port with --port.")
        uvloop.run(_stand_by(f"{taken} or set VOLLEY_DEMO_INBOX. Until then nothing can be rehearsed."))


if __name__ == "__main__":
    main()
