"""What is typed for a mailbox, and what is wrong with it. Secrets are never put back into a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailing.core.reasons import EntryError
from mailing.mailboxes import entries
from mailing.mailboxes.entries import Entry
from mailing.senders.entries import PROVIDERS
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.mailboxes.store import Mailbox

PROTOCOLS: Mapping[str, str] = {"imap": "IMAP", "pop3": "POP3"}
SIGN_IN: Mapping[str, str] = {
    "": N_("Password"),
    "google": N_("Google account (OAuth)"),
    "microsoft": N_("Microsoft account (OAuth)"),
}
EMPTY: Mapping[str, str] = {"protocol": "imap", "port": "993", "tls": "tls", "verify": "1", "folder": "INBOX"}
_KEPT = ("name", "protocol", "host", "tls", "username", "tenant", "client_id", "ca", "folder")
_DIGITS = 5


def of_mailbox(it: Mailbox) -> dict[str, str]:
    """Return what the form of a mailbox holds."""
    return {
        **{name: str(getattr(it, name)) for name in _KEPT},
        "port": str(it.port),
        "verify": "1" if it.verify else "",
        "removes": "1" if it.removes else "",
        "sign_in": it.provider,
    }


def entered(form: Mapping[str, str]) -> tuple[Entry | None, dict[str, str]]:
    """Return what a form enters, and what is wrong with it by the name of its field: one of both."""
    sign_in, port = form.get("sign_in", ""), form.get("port", "").strip()
    values: dict[str, Any] = {name: form.get(name, "").strip() for name in _KEPT}
    entry = Entry(
        **values,
        port=int(port) if port.isascii() and port.isdigit() and len(port) <= _DIGITS else 0,
        verify=bool(form.get("verify")),
        removes=bool(form.get("removes")),
        provider=sign_in if sign_in in PROVIDERS else "?",
        password=form.get("password") or None,
        client_secret=form.get("client_secret") or None,
    )
    try:
        entries.check(entry)
    except EntryError as error:
        return None, refused(error)
    return entry, {}


def refused(error: EntryError) -> dict[str, str]:
    """Return what ``mailing`` found wrong, by the name of the form's field."""
    places = {"auth": "sign_in", "provider": "sign_in"}
    return {places.get(name, name): say(reason) for name, reason in error.faults.items()}
