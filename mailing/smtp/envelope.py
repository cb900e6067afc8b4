"""A mail, and its envelope in SMTP commands for what a server offers (RFC 5321 section 3.3). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from mailing.core.reasons import Reason, ReasonError
from mailing.smtp import verdicts

_UNSENDABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # would end the command line, or has no UTF-8


class Mail(NamedTuple):
    """One message for one recipient. ``data`` is not dot-stuffed.

    ``clean`` promises that it has CRLF lines, none of which begins with a dot, so that it goes out as it is.
    ``tail`` goes out behind ``data``: bytes that many mails share, which none of them copies.
    """

    sender: str
    recipient: str
    data: bytes
    needs_smtputf8: bool = False
    clean: bool = False
    tail: bytes = b""

    @property
    def size(self) -> int:
        """How many bytes it has (RFC 1870 section 5)."""
        return len(self.data) + len(self.tail)


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server announced in its last EHLO.

    ``size`` is the largest message in bytes, ``mailmax`` how many mails it takes on one connection (RFC 9422
    section 4.1); each is 0 where it is not said.
    """

    pipelining: bool
    eight_bit: bool
    smtputf8: bool
    size: int
    mailmax: int


class NotTaken(ReasonError):  # noqa: N818 - an outcome, not a mistake
    """This server cannot take a mail, without asking it. ``enhanced`` is a code of ours (RFC 3463)."""

    def __init__(self, enhanced: str, reason: Reason, *, sender_fault: bool = False) -> None:
        super().__init__(reason)
        self.enhanced = enhanced
        self.verdict = verdicts.of(verdicts.STOPPED if sender_fault else verdicts.FAILED)


def commands_for(mail: Mail, offers: Offers) -> tuple[bytes, bytes, bytes]:
    """Return MAIL, RCPT and DATA for ``mail``. Raises ``NotTaken`` if this server cannot take it."""
    sender, recipient = mail.sender, mail.recipient
    if _UNSENDABLE.search(recipient):
        raise NotTaken("5.1.3", Reason("attempt.address-unsendable"))
    if _UNSENDABLE.search(sender):
        raise NotTaken("5.1.7", Reason("attempt.from-unsendable"), sender_fault=True)
    parameters = ""
    if offers.size:
        if mail.size > offers.size:
            large = Reason("attempt.message-too-large", n=mail.size, most=offers.size)
            raise NotTaken("5.3.4", large)
        parameters = f" SIZE={mail.size}"
    international = mail.needs_smtputf8 or not (recipient.isascii() and sender.isascii())
    if international and not offers.smtputf8:  # the reason, also where the message is 8-bit for it
        raise NotTaken("5.6.7", Reason("attempt.no-smtputf8"))
    if not (mail.data.isascii() and mail.tail.isascii()):
        if not offers.eight_bit:
            raise NotTaken("5.6.3", Reason("attempt.no-8bit"))
        parameters += " BODY=8BITMIME"
    if international:
        parameters += " SMTPUTF8"
    return (
        f"MAIL FROM:<{sender}>{parameters}\r\n".encode(),
        f"RCPT TO:<{recipient}>\r\n".encode(),
        b"DATA\r\n",
    )


def stuffed(data: bytes) -> bytes:
    """Return ``data`` ready for the wire: CRLF lines, dots doubled, final dot (RFC 5321 section 4.5.2)."""
    if not data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
        data = re.sub(rb"\r\n|\r|\n", b"\r\n", data)  # a bare one could smuggle in a dot of its own
    if b"\n." in data or data.startswith(b"."):
        data = (b"\n" + data).replace(b"\n.", b"\n..")[1:]
    return data + (b".\r\n" if not data or data.endswith(b"\n") else b"\r\n.\r\n")
