"""From a mailbox as it is kept to a connection that is signed in. It blocks, for a minute at most."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from mailing.bounces.reading import READ_MOST
from mailing.core.reasons import Reason
from mailing.credentials.consent import Consent
from mailing.credentials.providers import PROVIDERS
from mailing.mailboxes import store
from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.imap import Folder, Imap, RefusedError
from mailing.mailboxes.line import ANSWER_S, Line, Server
from mailing.mailboxes.pop3 import Pop3
from mailing.smtp.account import TokenError

if TYPE_CHECKING:
    from threading import Event

    from mailing.core.database import Database
    from mailing.mailboxes.store import Mailbox

TEST_S = 10.0  # for each answer, where a person waits


class Found(NamedTuple):
    """What a test found: how many messages are there, and how many of them would be fetched."""

    messages: int
    pushes: bool  # whether the server says at once that something came


def open_mailbox(
    mailbox: Mailbox, secret_key: str, stop: Event, database: Database | None, answer_s: float = ANSWER_S
) -> Imap | Pop3:
    """Connect and sign in. Raises ``MailboxError`` and ``StoppedError``."""
    if mailbox.provider and not mailbox.refresh_token:
        raise MailboxError(Reason("mailbox.not-connected", name=mailbox.name), lasts=True)
    password = store.open_secret(mailbox, "password", secret_key)
    server = Server(mailbox.host, mailbox.port, mailbox.tls, mailbox.verify, mailbox.ca)
    consent = _consent(mailbox, secret_key, database) if mailbox.provider else None
    token = _token(mailbox, consent) if consent else ""
    line = Line(server, stop, answer_s)
    client = Imap(line, READ_MOST) if mailbox.protocol == "imap" else Pop3(line, READ_MOST)
    try:
        client.begin(
            secure=mailbox.tls in {"starttls", "opportunistic"}, optional=mailbox.tls == "opportunistic"
        )
        _refuse_bare(line, secret=bool(consent) or mailbox.tls == "opportunistic")
        try:
            if consent:
                client.sign_in_by_token(mailbox.username, token)
            else:
                client.sign_in(mailbox.username, password)
        except RefusedError as refused:
            said = refused.reason.values["said"]
            code = "mailbox.token-refused" if consent else "mailbox.sign-in-refused"
            told = Reason(code, server=server.name, user=mailbox.username, said=said)
            raise MailboxError(told, lasts=True) from None
    except BaseException:
        line.close()
        raise
    return client


def test(mailbox: Mailbox, secret_key: str, stop: Event, database: Database | None) -> Found:
    """Connect, sign in and look, without fetching anything. Raises ``MailboxError`` and ``StoppedError``."""
    client = open_mailbox(mailbox, secret_key, stop, database, TEST_S)
    try:
        if isinstance(client, Pop3):
            return Found(len(client.there()), pushes=False)
        return Found(open_folder(client, mailbox).messages, pushes=b"IDLE" in client.offers)
    finally:
        client.end()


def open_folder(client: Imap, mailbox: Mailbox) -> Folder:
    """Open the folder of a mailbox. Raises ``MailboxError`` where there is none, or it cannot be changed."""
    server = client.line.server.name
    try:
        folder = client.open(mailbox.folder, change=mailbox.removes)
    except RefusedError as refused:
        said = refused.reason.values["said"]
        told = Reason("mailbox.no-folder", server=server, folder=mailbox.folder, said=said)
        raise MailboxError(told, lasts=True) from None
    if mailbox.removes and folder.read_only:
        raise MailboxError(Reason("mailbox.read-only", server=server, folder=mailbox.folder), lasts=True)
    return folder


def _refuse_bare(line: Line, *, secret: bool) -> None:
    """Raise ``MailboxError`` where somebody could read along: no TLS is there, and none was renounced."""
    if secret and not line.private:
        raise MailboxError(Reason("mailbox.bare-sign-in", server=line.server.name), lasts=True)


def _consent(mailbox: Mailbox, secret_key: str, database: Database | None) -> Consent[Mailbox]:
    return Consent(
        mailbox,
        secret_key,
        client_secret=store.open_secret(mailbox, "client_secret", secret_key),
        refresh_token=store.open_secret(mailbox, "refresh_token", secret_key),
        database=database,
        replace=store.replace_refresh_token,
    )


def _token(mailbox: Mailbox, consent: Consent[Mailbox]) -> str:
    try:
        return asyncio.run(consent.get())
    except TokenError as error:
        code = "mailbox.no-consent" if error.lasts else "mailbox.no-token"
        told = Reason(code, name=mailbox.name, provider=PROVIDERS[mailbox.provider].name)
        raise MailboxError(told, lasts=error.lasts) from error
