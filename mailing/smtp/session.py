"""The SMTP dialogue: one connection, one message after the other, pipelined where the server offers it.

With PIPELINING (RFC 2920) one write carries ``body . MAIL RCPT DATA``: a message, its dot, and the
envelope of the message after it. That is one round trip per message. There is never more than one
unanswered dot, so a lost connection leaves one message whose fate nobody knows, and ``in_doubt`` says
when there is one. ``opening`` makes the connection, ``wire`` carries the bytes, ``verdicts`` judges.
"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.smtp import verdicts
from mailing.smtp.connection import BLOCK, Lost, Timeouts, Wire
from mailing.smtp.dialogue import Dialogue, Hearing
from mailing.smtp.envelope import Mail, NotTaken, commands_for, stuffed
from mailing.smtp.faults import SmtpError
from mailing.smtp.handshake import open_wire
from mailing.smtp.replies import ACCEPTED, Reply, Stage
from mailing.smtp.verdicts import Verdict, classify

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    from mailing.core.reasons import Words
    from mailing.smtp.account import Sender
    from mailing.smtp.dialogue import Line
    from mailing.smtp.envelope import Offers

__all__ = ["Delivery", "Mail", "Session", "SmtpError", "Timeouts", "stuffed"]

GOODBYE_S = 2.0
_STAGES = (Stage.MAIL, Stage.RCPT, Stage.DATA)
_RESET = b"RSET\r\n"
_GO_AHEAD = 354
_CLOSING = 421


class Delivery(NamedTuple):
    """How one message fared. ``stage`` is where it was decided, ``alive`` whether the session goes on.

    ``words`` are the server's reply verbatim, or a reason of ours where ``reply`` is ``None``.
    ``enhanced`` is the reply's enhanced code, or ours (RFC 3463) where we refused without asking.
    ``envelope_ms`` is how long MAIL, RCPT and DATA took, ``dot_ms`` the wait for the reply to the dot.
    ``dialogue`` is what was said, told only where the mail was not sent.
    """

    verdict: Verdict
    reply: Reply | None
    words: Words
    stage: Stage
    alive: bool
    enhanced: str = ""
    envelope_ms: int | None = None
    dot_ms: int | None = None
    dialogue: Sequence[Line] = ()


async def _always() -> bool:
    return True


class _Envelope(NamedTuple):
    """What the server made of MAIL, RCPT and DATA."""

    refusal: tuple[Stage, Reply, Verdict] | None
    taken: bool  # the recipient was accepted
    waiting: bool  # the server said 354 and reads text until a dot


class Session:
    """One open connection. Not for two tasks at once."""

    def __init__(
        self, wire: Wire, offers: Offers, timeouts: Timeouts, connect_ms: int, hearing: Hearing
    ) -> None:
        self.connect_ms = connect_ms
        self._server = hearing.server
        self._hearing = hearing
        self._wire = wire
        self._offers = offers
        self._timeouts = timeouts
        self._ahead: Mail | None = None  # its envelope is with the server, its replies may not be read
        self._following: Mail | None = None  # the mail of the next call, once it is known
        self._dirty = False  # the server holds a transaction that must be reset before the next MAIL
        self._stage = Stage.MAIL
        self._in_doubt = False
        self._taken = 0
        self._begun = 0.0  # monotonic s, of the step that is timed
        self._envelope_ms: int | None = None

    @classmethod
    async def open(
        cls,
        sender: Sender,
        timeouts: Timeouts | None = None,
        *,
        hello_name: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        dialogue: Dialogue | None = None,
    ) -> Session:
        """Connect, secure the line, say hello and sign in. Raises ``SmtpError`` within the timeouts.

        ``hello_name`` is what EHLO says; without it, this machine's full name or its address.
        ``ssl_context`` replaces the system's certificate authorities. All that is said goes into a
        ``dialogue``.
        """
        begun, timeouts = monotonic(), timeouts or Timeouts()
        opening, live = dialogue or Dialogue(sender, begun), dialogue is not None
        try:
            wire, offers = await open_wire(sender, timeouts, hello_name, ssl_context, opening, overheard=live)
        except SmtpError as error:
            if error.reply is None and not live:
                opening.note(error.stage, error.reason)
            error.dialogue = tuple(opening.lines)
            raise
        took_ms = round(1000 * (monotonic() - begun))
        return cls(wire, offers, timeouts, took_ms, Hearing(sender, None if live else opening))

    @property
    def usable(self) -> bool:
        """Whether the next ``deliver`` may succeed as far as is known."""
        return self._wire.usable

    @property
    def taken(self) -> int:
        """How many mails were begun on this connection (RFC 5321 section 3.3): it may be recycled by that."""
        return self._taken

    @property
    def most(self) -> int:
        """How many it says that it lets begin on one connection (RFC 9422, MAILMAX); 0 if it does not say."""
        return self._offers.mailmax

    @property
    def tls(self) -> str:
        """The version of TLS that secures the line; empty on a bare one."""
        return self._wire.tls

    @property
    def in_doubt(self) -> bool:
        """Whether a dot is out whose reply has not come. It stays true when the connection is lost so."""
        return self._in_doubt

    async def deliver(
        self, mail: Mail, following: Mail | None = None, may_leave: Callable[[], Awaitable[bool]] = _always
    ) -> Delivery:
        """Send ``mail`` and return how it fared; whatever the server does, within the timeouts.

        ``following`` is the mail of the next call: its envelope goes out behind this dot where the server
        pipelines. If the next call brings another one, this session may have to close (see
        ``_forget_ahead``). ``may_leave`` is asked last before the text leaves, for the server may have let us
        wait; if it says no, the mail is handed back and the connection closed. Cancelling closes it too.
        """
        self._begun, self._envelope_ms = monotonic(), None
        self._hearing.begin()
        try:
            self._following = following
            delivery = await self._transact(mail, may_leave)
        except NotTaken as refused:
            verdict, alive = refused.verdict, self.usable
            delivery = Delivery(verdict, None, refused.reason, Stage.MAIL, alive, refused.enhanced)
        except Lost as lost:
            self._hearing.hear(lost.words)
            delivery = self._after_loss(lost.words)
        except BaseException:
            self.abort()
            raise
        if delivery.verdict.result is not AttemptResult.SENT:
            delivery = delivery._replace(dialogue=self._hearing.told(delivery.stage, self._begun))
        self._hearing.end()
        return delivery

    def follow(self, mail: Mail) -> None:
        """Name the mail of the next call while ``deliver`` is under way, for when it was not known before.

        Its envelope goes out with the dot, or at once behind a dot that is out already.
        """
        self._following = mail
        if self._in_doubt and self.usable and (ahead := self._envelope_ahead()):
            self._wire.write(ahead, 3)

    async def close(self) -> None:
        """Say QUIT where the dialogue allows it, then close, within ``GOODBYE_S``. Never raises."""
        if self._wire.owed or self._ahead is not None:
            self.abort()
        await self._wire.quit(GOODBYE_S)

    def abort(self) -> None:
        """Close at once, without a word."""
        self._wire.drop(Reason("connection.closed-here"))

    async def _transact(self, mail: Mail, may_leave: Callable[[], Awaitable[bool]]) -> Delivery:
        commands: tuple[bytes, ...] = ()
        if self._ahead is None or self._ahead != mail:
            commands = commands_for(mail, self._offers)
            if self._ahead is not None and not await self._forget_ahead():
                return _handed_back(Reason("connection.other-envelope"), Stage.MAIL)
        else:
            self._hearing.take_ahead()
        self._ahead = None
        envelope = await self._envelope(commands)
        self._envelope_ms = self._lap()
        if envelope.refusal is None:
            return await self._hand_over(mail, may_leave)
        stage, reply, verdict = envelope.refusal
        if envelope.waiting:
            await self._end_empty(envelope)
        return Delivery(verdict, reply, reply.text, stage, self.usable, reply.enhanced, self._envelope_ms)

    async def _envelope(self, commands: tuple[bytes, ...]) -> _Envelope:
        """Send ``commands``, or nothing where they went ahead, and read the answers up to DATA's."""
        together = self._offers.pipelining
        commands = await self._begin(commands)
        refusal, taken, waiting = None, False, False
        for index, stage in enumerate(_STAGES):
            self._stage = stage
            if not together:
                self._wire.write(commands[index], 1)
                self._hearing.hear(commands[index])
            try:
                reply = await self._wire.reply(self._patience(stage))
            except Lost:
                if refusal is None:
                    raise
                break  # what was read counts, whatever became of the connection
            self._hearing.hear(reply)
            if stage is Stage.DATA:
                accepted = waiting = reply.code == _GO_AHEAD
            else:
                accepted = reply.code // 100 == ACCEPTED
            if accepted:
                self._dirty = stage is not Stage.DATA
                self._taken += stage is Stage.MAIL
                taken = taken or stage is Stage.RCPT
                continue
            verdict = classify(stage, reply, self._server)
            refusal = refusal or (stage, reply, verdict)
            if verdict.close:
                self._wire.drop(reply.text)
            if verdict.close or not together:
                break
        return _Envelope(refusal, taken, waiting)

    async def _begin(self, commands: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Reset what the server still holds; where it pipelines, write all commands. Return them."""
        self._stage = Stage.MAIL
        together, reset = self._offers.pipelining, bool(commands) and self._dirty
        written = ((_RESET,) if reset else ()) + (commands if together else ())
        if written:
            self._wire.write(data := b"".join(written), len(written))
            self._hearing.hear(data)
        if reset:
            self._dirty = False
            reply = await self._wire.reply(self._timeouts.command)  # if it was refused, MAIL will be too
            self._hearing.hear(reply)
        return commands

    def _patience(self, stage: Stage) -> float:
        return self._timeouts.data if stage is Stage.DATA else self._timeouts.command

    async def _hand_over(self, mail: Mail, may_leave: Callable[[], Awaitable[bool]]) -> Delivery:
        """Send the text with its dot, and return what the server says to it."""
        parts = (mail.data, mail.tail, b".\r\n") if mail.clean else (stuffed(mail.data + mail.tail),)
        body = b"".join(parts) if sum(map(len, parts)) <= BLOCK else await self._all_but_the_end(parts)
        if not await may_leave():
            self.abort()  # closing without a dot is the one way not to send
            return _handed_back(Reason("connection.not-to-be-sent"), Stage.DATA)
        ahead = self._envelope_ahead()
        self._in_doubt = self._wire.usable
        self._begun = monotonic()
        self._wire.write(body + ahead, 4 if ahead else 1)
        self._hearing.hear(sum(map(len, parts)), self._begun)
        reply = await self._wire.reply(self._timeouts.dot)
        self._hearing.hear(reply)
        dot_ms = self._lap()
        verdict = classify(Stage.DOT, reply, self._server)
        self._in_doubt = verdict.result is AttemptResult.UNKNOWN
        if verdict.close:
            self._wire.drop(reply.text)
        alive, enhanced = self._wire.usable, reply.enhanced
        return Delivery(verdict, reply, reply.text, Stage.DOT, alive, enhanced, self._envelope_ms, dot_ms)

    def _lap(self) -> int:
        return round(1000 * (monotonic() - self._begun))

    async def _all_but_the_end(self, parts: Sequence[bytes]) -> bytes:
        """Send a large text block by block and return its end, a block at most.

        The dot must not wait in our own buffer behind megabytes: a connection lost meanwhile would make
        an ``unknown`` of a message that had hardly left.
        """
        end = b""
        for part in parts:
            for start in range(0, len(part), BLOCK):
                block = part[start : start + BLOCK]
                if len(end) + len(block) > BLOCK:
                    self._wire.write(end, 0)
                    await self._wire.drain(self._timeouts.data)
                    end = b""
                end += block
        return end

    def _envelope_ahead(self) -> bytes:
        """Return the envelope to send behind the dot, empty if there is none."""
        following = self._following
        if following is None or self._ahead is not None or not self._offers.pipelining:
            return b""
        try:
            commands = commands_for(following, self._offers)
        except NotTaken:
            return b""  # it is told when its turn comes
        self._ahead, written = following, b"".join(commands)
        self._hearing.hear_ahead(written)
        return written

    async def _end_empty(self, envelope: _Envelope) -> None:
        """End the text that the server waits for although it refused the recipient (RFC 2920 section 3.1).

        Only a refused recipient makes the lone dot harmless: with one taken it would send an empty message.
        """
        if envelope.taken:
            self._wire.drop(Reason("connection.waits-for-text"))
            return
        ahead = self._envelope_ahead()
        try:
            self._wire.write(b".\r\n" + ahead, 4 if ahead else 1)
            self._hearing.hear(len(b".\r\n"))
            reply = await self._wire.reply(self._timeouts.dot)
        except Lost:
            return  # the refusal is what counts, and ``usable`` tells the rest
        self._hearing.hear(reply)
        if reply.code == _CLOSING:
            self._wire.drop(reply.text)

    async def _forget_ahead(self) -> bool:
        """Undo the envelope that was sent ahead. Returns whether the session goes on.

        RSET undoes it only if the server does not wait for text; else closing without a dot is the one way
        not to send (RFC 5321 section 4.1.1.4).
        """
        self._ahead = None
        try:
            envelope = await self._envelope(())
        except Lost:
            return False
        if envelope.waiting:
            await self._end_empty(envelope)
        self._hearing.forget()
        return self.usable

    def _after_loss(self, words: Words) -> Delivery:
        if self._in_doubt:
            lost = Reason("attempt.lost-after-dot", reason=words)
            verdict = Verdict(AttemptResult.UNKNOWN, close=True)
            return Delivery(verdict, None, lost, Stage.DOT, False, "", self._envelope_ms, self._lap())
        if self._stage is Stage.DATA and (reply := self._wire.farewell):  # it did not wait for the dot
            verdict = replace(classify(Stage.DOT, reply, self._server), close=True)
            return Delivery(verdict, reply, reply.text, Stage.DOT, False, reply.enhanced, self._envelope_ms)
        lost = Reason("attempt.lost-before-dot", stage=self._stage.value, reason=words)
        # Some servers end a connection without a word once it has carried as many mails as they like.
        worn_out = self._stage is Stage.MAIL and self._taken and self._wire.hung_up
        ruling = verdicts.RECONNECT if worn_out else verdicts.LATER
        return Delivery(verdicts.of(ruling, close=True), None, lost, self._stage, alive=False)


def _handed_back(reason: Reason, stage: Stage) -> Delivery:
    verdict = Verdict(AttemptResult.RETURNED, close=True)
    return Delivery(verdict, None, Reason("attempt.handed-back", reason=reason), stage, alive=False)
