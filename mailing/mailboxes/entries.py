"""What a person enters for a mailbox, and all that is wrong with it at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mailing.core.reasons import EntryError, Reason
from mailing.senders import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.smtp.account import AuthWay, TlsMode

Protocol = Literal["imap", "pop3"]
PROTOCOLS: tuple[Protocol, ...] = ("imap", "pop3")
PORTS = {("imap", True): 993, ("imap", False): 143, ("pop3", True): 995, ("pop3", False): 110}
FOLDER_MAX = 200  # characters
_LIKE_A_SENDER = ("name", "host", "port", "tls", "ca", "tenant", "client_id", "client_secret", "password")


@dataclass(frozen=True, slots=True)
class Entry:
    """A mailbox as it was entered. It ``removes`` there what is recorded here, or else marks nothing.

    A secret that is None stays what it is.
    """

    name: str
    host: str
    port: int
    username: str
    protocol: Protocol = "imap"
    tls: TlsMode = "tls"
    verify: bool = True
    ca: str = ""
    password: str | None = field(default=None, repr=False)
    provider: str = ""
    tenant: str = ""
    client_id: str = ""
    client_secret: str | None = field(default=None, repr=False)
    folder: str = "INBOX"
    removes: bool = False


def usual_port(protocol: str, tls: str) -> int:
    """Return the port at which such a mailbox is found as a rule (RFC 8314)."""
    return PORTS.get((protocol, tls == "tls"), PORTS["imap", True])


def check(entry: Entry) -> None:
    """Raise ``EntryError`` with all that is wrong with an entry; the first fault of each field."""
    faults: dict[str, Reason] = {}
    for name, reason in _faults(entry):
        faults.setdefault(name, reason)
    if faults:
        raise EntryError(faults)


def _faults(entry: Entry) -> Iterator[tuple[str, Reason]]:
    if entry.protocol not in PROTOCOLS:
        yield "protocol", Reason("mailbox-fault.protocol", ways=PROTOCOLS)
    if not entry.username:
        yield "username", Reason("mailbox-fault.username")
    if not 0 < len(entry.folder) <= FOLDER_MAX or not entry.folder.isprintable():
        yield "folder", Reason("mailbox-fault.folder", most=FOLDER_MAX)
    way: AuthWay = "xoauth2" if entry.provider else ""
    like = entries.Entry(
        **{name: getattr(entry, name) for name in _LIKE_A_SENDER},
        username=entry.username,
        provider=entry.provider,
        auth=way,
    )
    try:
        entries.check(like)
    except EntryError as error:
        yield from error.faults.items()
