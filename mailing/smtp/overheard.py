"""A connection on which somebody listens: all that is said goes into a ``Dialogue`` as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiosmtplib

from mailing.core.reasons import Reason
from mailing.smtp import certificates
from mailing.smtp.connection import Wire
from mailing.smtp.replies import Stage, reply_from

if TYPE_CHECKING:
    import asyncio

    from mailing.smtp.connection import Timeouts
    from mailing.smtp.dialogue import Dialogue
    from mailing.smtp.replies import Reply


class OverheardClient(aiosmtplib.SMTP):
    """aiosmtplib's, which opens the connection."""

    def __init__(self, dialogue: Dialogue, **settings: Any) -> None:
        super().__init__(**settings)
        self._dialogue = dialogue

    async def connect(self, **settings: Any) -> aiosmtplib.SMTPResponse:
        """Connect, and hear the greeting."""
        self._dialogue.note(Stage.CONNECT, Reason("dialogue.connecting", server=_server(self)))
        try:
            response = await super().connect(**settings)
        except aiosmtplib.SMTPConnectResponseError as refused:
            self._dialogue.greeting(reply_from(refused.code, refused.message))
            raise
        self._tell_tls()
        self._dialogue.greeting(reply_from(response.code, response.message))
        return response

    async def execute_command(self, *args: bytes, **settings: Any) -> aiosmtplib.SMTPResponse:
        """Say a command, and hear its reply."""
        self._dialogue.said(b" ".join(args))
        response = await super().execute_command(*args, **settings)
        self._dialogue.answered(reply_from(response.code, response.message))
        return response

    async def starttls(self, **settings: Any) -> aiosmtplib.SMTPResponse:
        """Secure the line."""
        self._dialogue.said(b"STARTTLS")
        response = await super().starttls(**settings)
        self._dialogue.answered(reply_from(response.code, response.message))
        self._tell_tls()
        return response

    def _tell_tls(self) -> None:
        secured = self.get_transport_info("ssl_object")
        if secured:
            self._dialogue.note(Stage.TLS, Reason("dialogue.secured", tls=secured.version() or "TLS"))
            if shown := secured.getpeercert(binary_form=True):
                self._dialogue.note(Stage.TLS, certificates.described(shown))


class OverheardWire(Wire):
    """Ours, which carries the mail."""

    def __init__(self, dialogue: Dialogue, transport: asyncio.Transport, timeouts: Timeouts) -> None:
        super().__init__(transport, timeouts)
        self._dialogue = dialogue

    def write(self, data: bytes, replies: int) -> None:
        """Send ``data``, to which the server owes ``replies``."""
        super().write(data, replies)
        self._dialogue.said(data)

    async def reply(self, timeout: float) -> Reply:  # noqa: ASYNC109 - as the wire's own
        """Return the next reply that is owed."""
        reply = await super().reply(timeout)
        self._dialogue.answered(reply)
        return reply


def _server(client: aiosmtplib.SMTP) -> str:
    return f"{client.hostname}:{client.port}"
