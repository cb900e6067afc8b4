r"""A small SMTP server that records every message and misbehaves on command.

Each answer is bytes written as they are, one of the two misdeeds ``DROP`` and ``HANG``, or an async
function of the transaction that returns one of these. ``answers`` maps a step to an answer, or to a list
whose items are used up in turn, one per time the step is reached; then, and for every other step, the
server behaves::

    async with FakeServer({"rcpt": [b"550 5.1.1 no such user\r\n"], "dot": DROP}) as server:
        ...

Steps: greeting, ehlo, starttls, auth, mail, rcpt, data, body (half of the text was read), dot, rset, quit,
and ``idle``, which is written unasked after a message was accepted.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from mailing.smtp.account import Sender

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

DROP, HANG = "drop", "hang"
Answer = Any
EXTENSIONS = ("PIPELINING", "SIZE 10485760", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
CHALLENGE = b"<1896.697170952@fake>"


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it arrived, dots unstuffed. ``accepted`` tells whether the server meant to keep it."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    parameters: str
    connection: int
    accepted: bool


@dataclass(slots=True)
class Transaction:
    sender: str | None = None
    parameters: str = ""
    recipients: list[str] = field(default_factory=list)
    connection: int = 0  # which one of the server's it is on


class _DroppedError(Exception):
    """The server dropped this client on purpose."""


class FakeServer:
    def __init__(
        self,
        answers: dict[str, Answer | list[Answer]] | None = None,
        *,
        extensions: tuple[str, ...] = EXTENSIONS,
        byte_by_byte: bool = False,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        login: tuple[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self._port = port
        self.answers = dict(answers or {})
        self.extensions = extensions
        self.received: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.open: set[int] = set()  # the numbers of those that are
        self.pipelined = False  # whether a client ever sent more before it had an answer
        self._byte_by_byte = byte_by_byte
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._login = login
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self._port, limit=2**20, ssl=self._tls if self._implicit_tls else None
        )
        # Small, so that a server that stops reading is felt by the client soon
        self._server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**17)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    @property
    def accepted(self) -> list[Received]:
        return [message for message in self.received if message.accepted]

    def sender(self, **settings) -> Sender:
        """The account to use this server with."""
        return Sender(**{"host": "127.0.0.1", "port": self.port, **settings})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        self.connections += 1
        number = self.connections
        self.open.add(number)
        try:
            with suppress(_DroppedError, ConnectionError, EOFError, TimeoutError):
                await _Dialogue(self, reader, writer, number).run()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self.open.discard(number)
            writer.transport.abort()
            self._clients.discard(task)

    def _planned(self, step: str) -> Answer | None:
        plan = self.answers.get(step)
        if isinstance(plan, list):
            return plan.pop(0) if plan else None
        return plan


class _Dialogue:
    def __init__(self, server, reader, writer, number) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._number = number
        self._transaction = Transaction(connection=number)
        self._in_tls = server._implicit_tls

    async def run(self) -> None:
        await self._answer("greeting", b"220 fake ESMTP\r\n")
        while line := await self._line():
            verb = line.split(":")[0].split(" ")[0].upper()
            self._server.commands.append(line)
            handler = getattr(self, f"_{verb.lower()}", None)
            if handler is None:
                await self._write(b"500 5.5.2 unknown command\r\n")
            elif await handler(line):
                return

    async def _line(self) -> str:
        return (await self._reader.readuntil(b"\n")).decode("utf-8", "surrogateescape").rstrip("\r\n")

    async def _write(self, answer: bytes) -> None:
        if self._reader._buffer:
            self._server.pipelined = True
        for portion in (
            [answer[i : i + 1] for i in range(len(answer))] if self._server._byte_by_byte else [answer]
        ):
            self._writer.write(portion)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def _answer(self, step: str, usual: bytes) -> bool:
        """Give the planned answer, else the usual one. Returns whether the step was accepted."""
        return await self._give(await self._chosen(step, usual, self._transaction))

    async def _chosen(self, step: str, usual: bytes, transaction: Transaction) -> Answer:
        answer = self._server._planned(step)
        if callable(answer):
            answer = await answer(transaction)
        return usual if answer is None else answer

    async def _give(self, answer: Answer) -> bool:
        if answer == HANG:
            await asyncio.Event().wait()
        if answer == DROP:
            raise _DroppedError
        await self._write(answer)
        return answer[:1] in b"23"

    async def _ehlo(self, line: str) -> None:
        offers = list(self._server.extensions)
        if self._server._tls and not self._in_tls:
            offers.append("STARTTLS")
        self._transaction = Transaction(connection=self._number)
        lines = ["fake", *offers]
        marks = ["-"] * len(offers) + [" "]
        usual = "".join(f"250{mark}{offer}\r\n" for mark, offer in zip(marks, lines, strict=True))
        await self._answer("ehlo", usual.encode())

    async def _helo(self, line: str) -> None:
        await self._write(b"250 fake\r\n")

    async def _starttls(self, line: str) -> None:
        if await self._answer("starttls", b"220 2.0.0 go ahead\r\n"):
            await self._writer.start_tls(self._server._tls)
            self._in_tls = True

    async def _auth(self, line: str) -> None:
        _, way, *rest = line.split(" ")
        user, password = self._server._login or ("", "")
        if way == "XOAUTH2":
            right = base64.b64decode(rest[0]) == f"user={user}\x01auth=Bearer {password}\x01\x01".encode()
            if not right:
                await self._write(b"334 " + base64.b64encode(b'{"status":"400"}') + b"\r\n")
                await self._line()
        elif way == "PLAIN":
            right = base64.b64decode(rest[0]) == f"\0{user}\0{password}".encode()
        elif way == "LOGIN":
            await self._write(b"334 UGFzc3dvcmQ6\r\n")
            right = (base64.b64decode(rest[0]).decode(), await self._decoded()) == (user, password)
        else:
            await self._write(b"334 " + base64.b64encode(CHALLENGE) + b"\r\n")
            right = (
                await self._decoded() == f"{user} {hmac.new(password.encode(), CHALLENGE, 'md5').hexdigest()}"
            )
        usual = b"235 2.7.0 welcome\r\n" if right else b"535 5.7.8 wrong user name or password\r\n"
        await self._answer("auth", usual)

    async def _decoded(self) -> str:
        return base64.b64decode(await self._line()).decode()

    async def _mail(self, line: str) -> None:
        if self._transaction.sender is not None:
            await self._write(b"503 5.5.1 nested MAIL\r\n")
        elif await self._answer("mail", b"250 2.1.0 ok\r\n"):
            match = re.fullmatch(r"MAIL FROM:<(.*?)>(.*)", line)
            assert match, line
            self._transaction = Transaction(match[1], match[2].strip(), connection=self._number)

    async def _rcpt(self, line: str) -> None:
        usual = b"503 5.5.1 MAIL first\r\n" if self._transaction.sender is None else b"250 2.1.5 ok\r\n"
        if await self._answer("rcpt", usual):
            self._transaction.recipients.append(line[len("RCPT TO:<") : -1])

    async def _data(self, line: str) -> None:
        ready = bool(self._transaction.recipients)
        usual = b"354 end with a dot\r\n" if ready else b"554 5.5.1 no valid recipients\r\n"
        if await self._answer("data", usual):
            await self._text()

    async def _text(self) -> None:
        lines: list[bytes] = []
        while (line := await self._reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(line.removeprefix(b"."))
            if len(lines) == 2 and "body" in self._server.answers:
                await self._answer("body", b"")
        done, self._transaction = self._transaction, Transaction(connection=self._number)
        await self._keep_before_answering(done, b"".join(lines))

    async def _keep_before_answering(self, done: Transaction, data: bytes) -> None:
        """Record the message first: a server that drops the client behind the dot may well have kept it."""
        usual = b"250 2.0.0 ok: queued\r\n" if done.recipients else b"554 5.5.1 no valid recipients\r\n"
        answer = await self._chosen("dot", usual, done)
        accepted = bool(done.recipients) and answer[:1] not in (b"4", b"5")
        self._server.received.append(
            Received(done.sender or "", tuple(done.recipients), data, done.parameters, self._number, accepted)
        )
        if await self._give(answer) and "idle" in self._server.answers:
            await self._answer("idle", b"")

    async def _rset(self, line: str) -> None:
        if await self._answer("rset", b"250 2.0.0 ok\r\n"):
            self._transaction = Transaction(connection=self._number)

    async def _quit(self, line: str) -> bool:
        await self._answer("quit", b"221 2.0.0 bye\r\n")
        return True


@contextmanager
def serving(answers: dict[str, Answer | list[Answer]] | None = None, **settings: Any) -> Iterator[FakeServer]:
    """Serve in a thread of its own, for clients that are other processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake-smtp", daemon=True)
    thread.start()
    server = FakeServer(answers, **settings)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(30)
        try:
            yield server
        finally:
            asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
