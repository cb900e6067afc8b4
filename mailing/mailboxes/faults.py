"""What keeps a mailbox from being looked at, in words that say what to do."""

from __future__ import annotations

import socket
import ssl

from mailing.core.reasons import Reason, ReasonError

_VERIFIED = {  # codes of X509_verify_cert
    10: "mailbox.certificate-expired",
    18: "mailbox.certificate-issuer",
    19: "mailbox.certificate-issuer",
    20: "mailbox.certificate-issuer",
    62: "mailbox.certificate-name",
    64: "mailbox.certificate-name",
}
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_PLAIN: dict[type[OSError], str] = {
    ConnectionRefusedError: "mailbox.connection-refused",
    TimeoutError: "mailbox.silent",
    ConnectionError: "mailbox.closed",
    ssl.SSLEOFError: "mailbox.closed",
}
SAID_MOST = 200  # characters of a server's words


class MailboxError(ReasonError):
    """A mailbox is not there, cannot be changed so, or cannot be looked at.

    ``lasts``: until a person acts. Then the server is asked seldom: many sign-ins that fail lock accounts.
    """

    def __init__(self, reason: Reason, *, lasts: bool = False) -> None:
        super().__init__(reason)
        self.lasts = lasts


def of(error: OSError, server: str, host: str) -> MailboxError:
    """Return what an error of a connection means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = _VERIFIED.get(error.verify_code)
        if code:
            return MailboxError(Reason(code, server=server), lasts=True)
        told = Reason("mailbox.certificate", server=server, said=error.verify_message)
        return MailboxError(told, lasts=True)
    if isinstance(error, socket.gaierror):
        return MailboxError(Reason("mailbox.unknown-host", host=host))
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return MailboxError(Reason("mailbox.no-tls-there", server=server), lasts=True)
    for kind, code in _PLAIN.items():
        if isinstance(error, kind):
            return MailboxError(Reason(code, server=server))
    return MailboxError(Reason("mailbox.unreachable", server=server, said=error.strerror or str(error)))


def said(words: bytes) -> str:
    """Return a server's words as a sentence may quote them."""
    text = words.decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else " " for sign in text[:SAID_MOST]).strip()
