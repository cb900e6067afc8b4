"""Why a connection to a mail server could not be opened, and what that means for the mail that waits."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiosmtplib

from mailing.core.reasons import Reason, ReasonError
from mailing.smtp import verdicts
from mailing.smtp.replies import Stage, reply_from
from mailing.smtp.verdicts import classify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.smtp.account import Sender
    from mailing.smtp.dialogue import Line
    from mailing.smtp.replies import Reply


_VERIFIED = {  # X509_V_ERR_* of OpenSSL
    9: "smtp.certificate-early",
    10: "smtp.certificate-expired",
    18: "smtp.certificate-issuer",
    19: "smtp.certificate-issuer",
    20: "smtp.certificate-issuer",
    21: "smtp.certificate-issuer",
    62: "smtp.certificate-name",
    64: "smtp.certificate-name",
}
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})


class SmtpError(ReasonError):
    """No connection could be opened. ``stage`` and ``reply`` tell where and what the server said.

    ``dialogue`` is what was said, ``verdict`` what it means for the mail that waits. A certificate that fails
    and a server that lacks what the account needs stay that way until a person acts: the sender's fault. A
    server that is down is nobody's.
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
        self.dialogue: Sequence[Line] = ()
        if reply is not None:
            self.verdict = classify(stage, reply, server)
        else:
            self.verdict = verdicts.of(verdicts.STOPPED if lasts else verdicts.LATER, close=True)


@contextmanager
def speaking(sender: Sender, stage: Stage) -> Iterator[None]:
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
            raise SmtpError(Stage.TLS, _untrusted(sender, cause), lasts=True) from exc
        stage = Stage.TLS if isinstance(cause, ssl.SSLError) else stage
        raise SmtpError(stage, _told(sender, stage, cause)) from exc


def _untrusted(sender: Sender, cause: ssl.SSLCertVerificationError) -> Reason:
    code = _VERIFIED.get(cause.verify_code)
    if code is None:
        return Reason("smtp.certificate", server=sender.server, said=cause.verify_message)
    return Reason(code, server=sender.server)


def _told(sender: Sender, stage: Stage, cause: BaseException) -> Reason:
    """Return what ended a dialogue, or kept it from beginning, in plain words if there are any."""
    if isinstance(cause, socket.gaierror | UnicodeError):
        return Reason("smtp.unknown-host", host=sender.host)
    if isinstance(cause, ConnectionRefusedError) or "[Errno 111]" in str(cause):
        return Reason("smtp.connection-refused", server=sender.server)
    if getattr(cause, "reason", "") in _NO_TLS:
        return Reason("smtp.no-tls-there", server=sender.server)
    code = "smtp.unreachable" if stage is Stage.CONNECT else "smtp.no-dialogue"
    return Reason(code, server=sender.server, stage=stage.value, said=str(cause))
